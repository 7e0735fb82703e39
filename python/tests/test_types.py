"""The package's types are whole, by mypy in its strict mode; pyproject.toml names the packages without types."""
import pathlib
import subprocess
import sys

import pytest

import cugad

PROJECT = pathlib.Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_the_package_passes_mypy(tmp_path):
    pytest.importorskip("mypy")
    package = pathlib.Path(cugad.__file__).parent
    assert (package / "_cugad.pyi").is_file()
    call = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(PROJECT), "--cache-dir", str(tmp_path)]
    run = subprocess.run([*call, str(package)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "no issues found in" in run.stdout
