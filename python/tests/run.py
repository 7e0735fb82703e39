#!/usr/bin/env python3
"""Runs the tests of the Python package, or says what they lack and exits with 77, which ctest takes as skipped.

Takes the folder with the built package and the path of libcugad.so; further arguments are pytest's. Without these, where
coverage and all that the package knows is installed, the tests must reach 95 % of the Python code.
"""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

NEEDED = ["numpy", "pytest", "sklearn"]
# Without all of these some code has no tests.
FOR_COVERAGE = ["coverage", "joblib", "matplotlib", "mlflow", "pandas", "pyarrow", "pyod", "scipy", "tensorboard", "tqdm"]
ENGINES = {"distributed": "dask.py", "pyspark": "spark.py"}  # large ones, whose code counts only where they are


def main():
    package, library, *further = sys.argv[1:]
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"Tests of the Python package: skipped, {', '.join(missing)} missing: pip install '.[test]' has all")
        return 77
    environment = {**os.environ, "PYTHONPATH": package, "CUGAD_LIBRARY": library, "PYTHONDONTWRITEBYTECODE": "1"}
    here = pathlib.Path(__file__).resolve().parent
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(here), *further]
    if further or any(importlib.util.find_spec(name) is None for name in FOR_COVERAGE):
        return subprocess.run([sys.executable, *tests], env=environment).returncode
    with tempfile.TemporaryDirectory() as folder:
        environment["COVERAGE_FILE"] = f"{folder}/coverage"
        coverage = [sys.executable, "-m", "coverage"]
        run = subprocess.run([*coverage, "run", f"--source={here.parent / 'cugad'}", *tests], env=environment)
        absent = [f"*/{module}" for package, module in ENGINES.items() if importlib.util.find_spec(package) is None]
        report = subprocess.run([*coverage, "report", "--skip-covered", "--show-missing", "--fail-under=95",
                                 f"--omit={','.join(absent)}"], env=environment)
    return run.returncode or report.returncode


if __name__ == "__main__":
    sys.exit(main())
