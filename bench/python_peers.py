#!/usr/bin/env python3
"""cugad beside scikit-learn's IsolationForest and PyOD's KNN on tables of ADBench: quality, time, memory.

  PYTHONPATH=build/cpu/python bench/python_peers.py --data DIR [--tables 6_cardio,38_thyroid | all] [--threads 2]
    [--rows 10000]

Trains on half of the normal rows (random, seed 0) and scores the other half and all anomalies. Columns are standardised
for KNN, which needs it. Time is processor time of all threads: it does not count what other programs take. Memory is by
how much the process grows at most while it fits and scores. PyOD's AutoEncoder needs PyTorch, and is not here.
"""
import argparse
import json
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


def detectors(threads):
    """Yield (name, fit(rows) -> score(rows))."""
    def of_cugad(**parameters):
        return lambda rows: cugad.AnomalyDetector(n_jobs=threads, **parameters).fit(rows).anomaly_score

    def forest(rows):
        model = IsolationForest(random_state=0, n_jobs=threads).fit(rows)
        return lambda new: -model.score_samples(new)

    def neighbours(rows):
        scaler = StandardScaler().fit(rows)
        model = KNN(n_jobs=threads).fit(scaler.transform(rows))
        return lambda new: model.decision_function(scaler.transform(new))

    yield "AnomalyDetector()", of_cugad()
    yield 'AnomalyDetector(method="knn")', of_cugad(method="knn")
    yield "IsolationForest()", forest
    yield "KNN() of PyOD", neighbours


def memory(field):
    """A line of /proc/self/status, in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))


def measure(fit, train, test, labels):
    """Return AUROC, average precision, seconds to fit, microseconds to score a row, and MiB of memory."""
    fit(train[:200])(test[:10])  # whatever is loaded or compiled once
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    before, begin = memory("VmRSS"), time.process_time()
    score = fit(train)
    fitted = time.process_time()
    scores = score(test)
    scored = time.process_time()
    return [roc_auc_score(labels, scores), average_precision_score(labels, scores), fitted - begin,
            1e6 * (scored - fitted) / len(test), memory("VmHWM") - before]


def in_child(call):
    """The result of call() in a process of its own, so that no detector uses what another left behind."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(call()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        result = json.load(file)
    os.waitpid(child, 0)
    return result


def print_line(what, figures):
    auroc, precision, fit, score, mib = figures
    print(f"  {what:32}{auroc:8.4f}{precision:8.4f}{fit:9.2f} s{score:9.1f} us a row{mib:8.0f} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="the folder with ADBench's npz files")
    parser.add_argument("--tables", default="6_cardio,38_thyroid,31_satimage-2", help="names, or all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, help="of a table, drawn at random [all]")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    names = asked.tables.split(",") if asked.tables != "all" else sorted(path.stem for path in asked.data.glob("*.npz"))
    results = {}
    for name in names:
        with np.load(asked.data / f"{name}.npz") as file:
            X, y = file["X"].astype(np.float32), file["y"]
        random = np.random.default_rng(0)
        if asked.rows and len(X) > asked.rows:
            kept = random.permutation(len(X))[:asked.rows]
            X, y = X[kept], y[kept]
        order = random.permutation(np.flatnonzero(y == 0))
        train, rest = X[order[:len(order) // 2]], np.concatenate([order[len(order) // 2:], np.flatnonzero(y != 0)])
        test, labels = X[rest], y[rest]
        print(f"{name}: {len(train):,} rows to train, {len(test):,} to score, {X.shape[1]} columns")
        for what, fit in detectors(asked.threads):
            figures = in_child(lambda: measure(fit, train, test, labels))
            print_line(what, figures)
            results.setdefault(what, []).append(figures)
    print(f"means of {len(names)} tables")
    for what, figures in results.items():
        print_line(what, np.mean(figures, axis=0))


if __name__ == "__main__":
    main()
