#!/usr/bin/env python3
"""How far the AUROC of a population and of a single model moves with the seed, per adbench table.

usage: bench/spread.py --data DIR [--cugad build/cpu/cugad] [--rows 4000] [--steps 1000] [--seeds 5] [--singles 4]
                       [--sets PART,PART] [--new-splits] [--population 8] [--train "FLAGS"] [--json FILE]

Half of the normal rows train, the rest and all anomalies test, as in `cugad reproduce adbench`. The split is that of seed 0 for
every seed, so that only the training varies; --new-splits draws it anew for each seed, which adds the spread of the split.

A ratio of two deviations of 5 values each is too large by 18 % on average (the mean of sqrt(F) with 4 and 4 degrees of freedom).
So a single model's deviation is taken over more models than there are populations: `--singles` of each population's, trained alone.
`--train "--preset tables"` takes other settings than the defaults, the steps among them.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np


def split(path, rows, seed):
    """(train, test, label of test) as the command splits."""
    with np.load(path) as file:
        x, y = np.asarray(file["X"], np.float32), np.asarray(file["y"]).astype(bool).reshape(-1)
    chosen = np.sort(np.random.RandomState(0).permutation(len(x))[:rows])
    drawn = chosen[np.random.RandomState(seed).permutation(len(chosen))]
    normal, anomalies = drawn[~y[drawn]], drawn[y[drawn]]
    half = len(normal) // 2
    test = np.concatenate((normal[half:], anomalies))
    return x[normal[:half]], x[test], y[test]


def auroc(label, scores):
    """Of the ranks; tied scores share theirs."""
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = label.sum()
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def one_fit(arguments, folder, population, seed):
    model, scores = os.path.join(folder, "m.safetensors"), os.path.join(folder, "scores.npy")
    common = ["--threads", "1", "--quiet"]
    flags = arguments.train.split() or ["--steps", str(arguments.steps), "--decay-steps", str(arguments.steps)]
    subprocess.run([arguments.cugad, "train", os.path.join(folder, "train.npy"), "--output", model, "--seed", str(seed), *flags,
                    "--population", str(population), *common], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([arguments.cugad, "score", os.path.join(folder, "test.npy"), "--model", model, "--output", scores, *common],
                   check=True, stdout=subprocess.DEVNULL)
    return np.load(scores).reshape(-1)


def one_set(arguments, path):
    figures = {1: [], arguments.population: []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            train, test, label = split(path, arguments.rows, seed if arguments.new_splits else 0)
            np.save(os.path.join(folder, "train.npy"), train)
            np.save(os.path.join(folder, "test.npy"), test)
            # A population uses the seeds from its own on: no model is shared between two of them.
            fits = [(arguments.population, 1000 * seed)] + [(1, 1000 * seed + member) for member in range(arguments.singles)]
            for population, first in fits:
                figures[population].append(auroc(label, one_fit(arguments, folder, population, first)))
    single, many = (statistics.stdev(figures[population]) for population in (1, arguments.population))
    return {"set": os.path.splitext(os.path.basename(path))[0], "auroc": figures, "deviation_single": single, "deviation_population": many,
            "ratio": many / single if single > 0 else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=4)
    parser.add_argument("--population", type=int, default=8)
    parser.add_argument("--train", default="")
    parser.add_argument("--sets", default="", help="only sets whose names hold one of these")
    parser.add_argument("--new-splits", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    sets = []
    if not 1 <= arguments.singles <= arguments.population or arguments.population < 2:
        sys.exit(f"--singles is {arguments.singles}, expected 1 to --population, which is at least 2")
    many = f"{arguments.population} models"
    print(f"| set | mean AUROC, 1 model | {many} | deviation, 1 model | {many} | ratio |\n|---|---|---|---|---|---|")
    for path in sorted(glob.glob(os.path.join(arguments.data, "adbench", "*.npz"))):
        if not any(part in os.path.basename(path) for part in arguments.sets.split(",")):
            continue
        entry = one_set(arguments, path)
        sets.append(entry)
        means = [statistics.mean(entry["auroc"][population]) for population in (1, arguments.population)]
        ratio = "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"
        print(f"| {entry['set']} | {means[0]:.4f} | {means[1]:.4f} | {entry['deviation_single']:.4f} | "
              f"{entry['deviation_population']:.4f} | {ratio} |", flush=True)
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as file:
                json.dump({"rows": arguments.rows, "steps": arguments.steps, "seeds": arguments.seeds, "singles": arguments.singles,
                           "new_splits": arguments.new_splits, "sets": sets}, file, indent=1)
                file.write("\n")
    if not sets:
        sys.exit(f"no such .npz file in '{arguments.data}/adbench'")
    single = statistics.mean(entry["deviation_single"] for entry in sets)
    many = statistics.mean(entry["deviation_population"] for entry in sets)
    ratios = [entry["ratio"] for entry in sets if entry["ratio"] is not None]
    print(f"\nmean deviation: 1 model {single:.4f}, {arguments.population} models {many:.4f}, ratio of the means {many / single:.2f}, "
          f"mean of the ratios {statistics.mean(ratios):.2f}, of {len(ratios)} sets")


if __name__ == "__main__":
    main()
