#!/usr/bin/env python3
"""Runs the tests of the Python package, or says what they lack and exits with 77, which ctest takes as skipped.

Takes the folder with the built package and the path of libcugad.so; further arguments are pytest's.
"""
import importlib.util
import os
import pathlib
import subprocess
import sys

NEEDED = ["numpy", "pytest", "sklearn"]


def main():
    package, library, *further = sys.argv[1:]
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"Tests of the Python package: skipped, {', '.join(missing)} missing: pip install '.[test]' has all")
        return 77
    environment = {**os.environ, "PYTHONPATH": package, "CUGAD_LIBRARY": library, "PYTHONDONTWRITEBYTECODE": "1"}
    here = pathlib.Path(__file__).resolve().parent
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(here), *further],
                          env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
