#!/usr/bin/env python3
"""cugad beside scikit-learn's IsolationForest and PyOD's KNN on tables of ADBench: AUROC, average precision, time.

  PYTHONPATH=build/cpu/python bench/python_peers.py --data DIR [--tables 6_cardio,38_thyroid,31_satimage-2]

Trains on half of the normal rows (random, seed 0) and scores the other half and all anomalies. Columns are standardised
for KNN, which needs it. Time is processor time on one thread (n_jobs=1): it does not count what other programs take.
"""
import argparse
import os
import pathlib
import time
import warnings

os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")})

import numpy as np
from pyod.models.knn import KNN
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

import cugad


def detectors():
    """Yield (name, fit(rows) -> score(rows))."""
    def of_cugad(**parameters):
        return lambda rows: cugad.AnomalyDetector(n_jobs=1, **parameters).fit(rows).anomaly_score

    def forest(rows):
        model = IsolationForest(random_state=0, n_jobs=1).fit(rows)
        return lambda new: -model.score_samples(new)

    def neighbours(rows):
        scaler = StandardScaler().fit(rows)
        model = KNN(n_jobs=1).fit(scaler.transform(rows))
        return lambda new: model.decision_function(scaler.transform(new))

    yield "AnomalyDetector()", of_cugad()
    yield 'AnomalyDetector(method="knn")', of_cugad(method="knn")
    yield "IsolationForest()", forest
    yield "KNN() of PyOD", neighbours


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="the folder with ADBench's npz files")
    parser.add_argument("--tables", default="6_cardio,38_thyroid,31_satimage-2")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in asked.tables.split(","):
        with np.load(asked.data / f"{name}.npz") as file:
            X, y = file["X"].astype(np.float32), file["y"]
        order = np.random.default_rng(0).permutation(np.flatnonzero(y == 0))
        train, rest = X[order[:len(order) // 2]], np.concatenate([order[len(order) // 2:], np.flatnonzero(y != 0)])
        test, labels = X[rest], y[rest]
        print(f"{name}: {len(train):,} rows to train, {len(test):,} to score, {X.shape[1]} columns")
        for what, fit in detectors():
            fit(train[:200])(test[:10])  # whatever is loaded or compiled once
            begin = time.process_time()
            score = fit(train)
            fitted = time.process_time()
            scores = score(test)
            scored = time.process_time()
            print(f"  {what:32}{roc_auc_score(labels, scores):8.4f}{average_precision_score(labels, scores):8.4f}"
                  f"{fitted - begin:9.2f} s{1e6 * (scored - fitted) / len(test):9.1f} us a row", flush=True)


if __name__ == "__main__":
    main()
