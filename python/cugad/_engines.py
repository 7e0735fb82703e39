"""What the engines Dask and Spark share: shards as tasks, whose parts come back as bytes."""

from __future__ import annotations

import numbers
import os
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from cugad._fleet import FleetDetector
from cugad._shards import Training, merge

DTYPES = {"anomaly_score": np.float32, "decision_function": np.float64, "predict": np.int64, "probability": np.float32,
          "confidence": np.float32}


def dtype_of(method: str) -> Any:
    """Return what a method of estimators gives for each row."""
    if method not in DTYPES:
        raise ValueError(f"method is {method!r}, expected one of {', '.join(DTYPES)}")
    return DTYPES[method]


def prepared(detector: Any, table: Any) -> Training:
    """Return what each shard is given, for an engine that runs one task on each processor."""
    training: Training = detector._training(table)
    training.arguments["threads"] = training.arguments["threads"] or 1
    return training


def shard_count(detector: Any, shards: int | None, workers: int) -> int:
    """Return the number of shards: of a fleet two for each worker, so that none waits long for the last one."""
    if shards is not None:
        if not isinstance(shards, numbers.Integral) or shards < 1:
            raise ValueError(f"shards is {shards!r}, expected an integer of at least 1")
        return int(shards)
    return 2 * workers if isinstance(detector, FleetDetector) else detector.population or 1


def part_of(training: Training, number: int, count: int) -> bytes:
    """Train one shard, and return its part."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "part")
        training.fit_part((number, count), path)
        return path.read_bytes()


def merged(detector: Any, parts: Iterable[bytes], output: str | os.PathLike[str]) -> Any:
    """Write the model file from all parts, and return its estimator."""
    with tempfile.TemporaryDirectory(dir=pathlib.Path(output).absolute().parent) as folder:
        paths: list[pathlib.Path] = []
        for part in parts:
            paths.append(pathlib.Path(folder, str(len(paths))))
            paths[-1].write_bytes(part)
        merge(paths, output, device=detector.device, n_jobs=detector.n_jobs)
    return type(detector).load(output, device=detector.device, n_jobs=detector.n_jobs)
