#!/usr/bin/env python3
"""How often the first reason of `cugad score --explain 1` is the column that was changed.

usage: bench/explanations.py POOL [--half dev|confirm] [--cugad build/cpu/cugad] [--train "--preset tables"]

POOL is made by bench/table_pool.py. Ten tables: those with the most normal rows among the ones with 5 to 60 columns, at least 5 of them
with 5 distinct values or more. Half of the normal rows (at most 6,000) train; of 100 others each gets one of these columns changed: to
the value of another row (replaced: no single value is odd), or by 4 standard deviations up or down (shifted). The baseline names the
column with the largest |x - mean| / deviation of the training rows.
"""
import argparse
import csv
import glob
import os
import subprocess
import tempfile

import numpy as np


def varied(x):
    return [c for c in range(x.shape[1]) if len(np.unique(x[:, c])) >= 5]


def chosen_tables(folder):
    sizes = []
    for path in sorted(glob.glob(os.path.join(folder, "*.npz"))):
        table = np.load(path)
        if 5 <= table["X"].shape[1] <= 60 and len(varied(table["X"])) >= 5:
            sizes.append((-int((table["y"] == 0).sum()), path))
    return [path for _, path in sorted(sizes)[:10]]


def changed_rows(train, rest, random):
    """For each way of changing them, 100 rows and the column that was changed in each."""
    columns = [c for c in varied(rest) if train[:, c].std() > 0]
    rows = rest[random.permutation(len(rest))[:100]]
    replaced, shifted, of_replaced, of_shifted = rows.copy(), rows.copy(), [], []
    for r in range(len(rows)):
        c = columns[random.randint(len(columns))]
        while replaced[r, c] == rows[r, c]:
            replaced[r, c] = rest[random.randint(len(rest)), c]
        of_replaced.append(c)
        c = columns[random.randint(len(columns))]
        shifted[r, c] += 4 * train[:, c].std() * random.choice([-1, 1])
        of_shifted.append(c)
    return {"replaced": (replaced, np.array(of_replaced)), "shifted": (shifted, np.array(of_shifted))}


def first_reasons(cugad, model, rows, folder):
    np.save(os.path.join(folder, "rows.npy"), rows.astype(np.float32))
    scores = os.path.join(folder, "scores.csv")
    subprocess.run([cugad, "score", os.path.join(folder, "rows.npy"), "--model", model, "--explain", "1", "--output", scores, "--quiet",
                    "--threads", "1"], check=True, capture_output=True)
    with open(scores, newline="") as file:
        reasons = [row["reason_1"].split("=")[0] for row in csv.DictReader(file)]
    return np.array([int(column) if column else -1 for column in reasons])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--half", default="confirm", choices=["dev", "confirm"])
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--train", default="--preset tables", help="flags of cugad train")
    options = parser.parse_args()
    lines = []
    print("| table | columns | replaced | z-score | shifted | z-score |\n|---|--:|--:|--:|--:|--:|")
    for path in chosen_tables(os.path.join(options.pool, options.half, "adbench")):
        table, random = np.load(path), np.random.RandomState(0)
        normal = random.permutation(table["X"][table["y"] == 0])[:12000]
        train, rest = np.split(normal, [len(normal) // 2])
        line = []
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "model")
            np.save(os.path.join(folder, "train.npy"), train.astype(np.float32))
            subprocess.run([options.cugad, "train", os.path.join(folder, "train.npy"), "--output", model, "--quiet", "--threads", "1",
                            *options.train.split()], check=True, capture_output=True)
            deviation = np.where(train.std(0) > 0, train.std(0), np.inf)
            for rows, columns in changed_rows(train, rest, random).values():
                line.append(np.mean(first_reasons(options.cugad, model, rows, folder) == columns))
                line.append(np.mean(np.abs((rows - train.mean(0)) / deviation).argmax(1) == columns))
        lines.append(line)
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"| {name} | {train.shape[1]} | " + " | ".join(f"{share:.2f}" for share in line) + " |", flush=True)
    print("| mean | | " + " | ".join(f"{share:.3f}" for share in np.mean(lines, 0)) + " |")


if __name__ == "__main__":
    main()
