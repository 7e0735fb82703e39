"""Shared fixtures. Trainings are short: what detectors find is tested in C++."""
import numpy as np
import pytest

import cugad

SEED = 7


@pytest.fixture(scope="session")
def rows():
    """Normal rows [400, 5] of float32 whose columns depend on each other."""
    made = np.random.default_rng(SEED).normal(size=(400, 5))
    made[:, 3] = made[:, 0] + 0.1 * made[:, 3]
    return made.astype(np.float32)


@pytest.fixture(scope="session")
def quick():
    """Parameters of a short training with networks."""
    return {"method": "anogan", "steps": 100, "population": 2, "bank_rows": 200}


@pytest.fixture(scope="session")
def fitted(rows, quick):
    """A detector that no test changes."""
    return cugad.AnomalyDetector(**quick).fit(rows)
