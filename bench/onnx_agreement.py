#!/usr/bin/env python3
"""Compares the scores of ONNX models in ONNX Runtime with those of the library, over 12 tables of ADBench.

  PYTHONPATH=build/cpu/python bench/onnx_agreement.py --data DIR

DIR has the folder adbench of docs/methods.md. For each method it prints, over all tables, the largest difference of a
score and the share of rows beyond 1e-4, relative to the score, or, for small ones, to the median size of the table's
scores; and how many decisions at the threshold differ. Half of the normal rows train, at most --rows of the others are
scored.
"""
import argparse
import os
import pathlib
import sys
import tempfile

import numpy as np

import cugad

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python/tests"))
import onnx_graphs  # noqa: E402

TABLES = ["4_breastw", "6_cardio", "18_Ionosphere", "23_mammography", "27_PageBlocks", "31_satimage-2", "32_shuttle",
          "35_SpamBase", "38_thyroid", "43_WDBC", "5_campaign", "16_http"]
METHODS = ["default", "knn", "anogan", "gan", "sogaal", "bigan", "ali", "egbad", "ganomaly", "fanogan", "alad", "gain"]


def split(path, most, random):
    """Return training rows, which are normal, and other rows."""
    data = np.load(path)
    normal = random.permutation(np.flatnonzero(data["y"] == 0))
    half = len(normal) // 2
    others = random.permutation(np.concatenate([normal[half:], np.flatnonzero(data["y"] != 0)]))
    return data["X"][normal[:half][:most]].astype(np.float32), data["X"][others[:most]].astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("CUGAD_DATA"), help="the folder with adbench [$CUGAD_DATA]")
    parser.add_argument("--rows", type=int, default=2000, help="most rows to train on, and to score [2000]")
    parser.add_argument("--steps", type=int, default=200, help="training steps [200]")
    parser.add_argument("--methods", default=",".join(METHODS), help="methods to compare [all]")
    flags = parser.parse_args()
    if not flags.data:
        parser.error("--data is missing, expected the folder with adbench")
    print("| method | rows | largest difference | median | rows beyond 1e-4 | decisions that differ |\n"
          "|---|--:|--:|--:|--:|--:|")
    for method in flags.methods.split(","):
        found, decisions = [], 0
        for name in TABLES:
            random = np.random.default_rng(1)
            train, new = split(pathlib.Path(flags.data) / "adbench" / f"{name}.npz", flags.rows, random)
            parameters = {} if method == "default" else {"method": method, "population": 2}
            if method != "knn":
                parameters["steps"] = flags.steps
            detector = cugad.AnomalyDetector(random_state=1, **parameters).fit(train)
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "m.onnx"
                detector.to_onnx(path)
                difference, outputs = onnx_graphs.differences(detector, path, new)
            found.append(difference)
            decisions += int((outputs["is_anomaly"] != (detector.predict(new) == -1)).sum())
            print(f"{method} {name}: {difference.max():.1e}", file=sys.stderr)
        found = np.concatenate(found)
        print(f"| {method} | {len(found):,} | {found.max():.1e} | {np.median(found):.1e} | {(found > 1e-4).sum()} | "
              f"{decisions} |", flush=True)


if __name__ == "__main__":
    main()
