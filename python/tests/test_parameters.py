"""The rendered parameters are those of the library's options."""
import inspect
import json
import os
import pathlib
import subprocess
import sys

import pytest

import cugad
from cugad import _cugad
from cugad._parameters import OPTIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_option_is_a_parameter():
    options = {option["name"] for option in json.loads(_cugad.option_list())}
    assert set(OPTIONS.values()) == options - {"seed", "contamination"}
    for estimator in (cugad.AnomalyDetector, cugad.FleetDetector, cugad.ImageDetector):
        parameters = set(inspect.signature(estimator).parameters)
        assert set(OPTIONS) <= parameters
        assert {"random_state", "n_jobs", "device", "contamination"} <= parameters


def test_every_parameter_is_documented():
    from cugad._parameters import DetectorParameters, FleetParameters
    documented = DetectorParameters.__doc__ + FleetParameters.__doc__
    for name in inspect.signature(cugad.FleetDetector).parameters:
        assert f"    {name} : " in documented, name


def test_the_file_is_current():
    library = os.environ.get("CUGAD_LIBRARY")
    if library is None:
        pytest.skip("CUGAD_LIBRARY, the path of libcugad.so, is not set")
    subprocess.run([sys.executable, ROOT / "scripts/render_python.py", "--check", library], check=True)


def test_presets_and_version():
    assert "tables" in cugad.presets()
    assert cugad.__version__.count(".") == 2
    assert "CPU" in cugad.describe_device("cpu")
    with pytest.raises(ValueError, match="nosuch"):
        cugad.describe_device("nosuch")
