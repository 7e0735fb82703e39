#!/usr/bin/env python3
"""Measures detectors whose training rows are not all normal, with and without the option trim.

usage: bench/dirty_rows.py --data DIR [--data DIR ...] [--settings knn,k1,k5,forest,tables,anogan] [--shares 0,0.01,0.05,0.1]
       [--trims 0,auto] [--split 0] [--results FILE]

Each DIR holds adbench/*.npz (X, y), as ADBench's files or the pool of bench/table_pool.py. Half of the normal rows of a table train (at most
--rows), the others (at most twice as many) and half of the anomalies test. Of the other half of the anomalies as many are mixed into the
training as make that share of it; a table that has too few is left out for that share. `tables` is --preset tables, whose parts are listed,
too; `anogan` 2 models and 2,000 steps; k1, k5 the distance to the k-th nearest row; `forest` scikit-learn's isolation forest
of the raw columns. `flagged` and `found` are the shares of the fresh normal rows and of the anomalies above the threshold (promised: .05 of
normal rows on clean tables). Results are appended to FILE as lines of JSON, and what is there already is not run again; the summary is
printed as a table of Markdown: means, and for each trim the difference to none on the same tables.
"""
import argparse
import csv
import glob
import json
import os
import tempfile

import numpy as np

from calibration import command, ranking

SETTINGS = {
    "knn": ["--method", "knn"],
    "k1": ["--method", "knn", "--score", "kth_nearest", "--neighbours", "1"],
    "k5": ["--method", "knn", "--score", "kth_nearest"],
    "tables": ["--preset", "tables"],
    "anogan": ["--method", "anogan", "--population", "2", "--steps", "2000", "--decay-steps", "2000"],
}


def divided(path, split, most):
    """Rows to train on, fresh normal rows, anomalies to mix in, anomalies to find."""
    data = np.load(path, allow_pickle=True)
    x, anomaly = data["X"].astype(np.float32), data["y"].ravel() != 0
    random = np.random.RandomState(split)
    normal, odd = random.permutation(np.flatnonzero(~anomaly)), random.permutation(np.flatnonzero(anomaly))
    half, mixed = len(normal) // 2, len(odd) // 2
    return x[normal[:half][:most]], x[normal[half:][:2 * most]], x[odd[:mixed]], x[odd[mixed:][:2 * most]]


def forest(train, test):
    from sklearn.ensemble import IsolationForest
    return {"forest": -IsolationForest(random_state=0, n_jobs=1).fit(train).score_samples(test)}, None


def trained(setting, trim, train, test, arguments):
    """Scores by the name of setting and part, and which rows lie above the threshold."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: os.path.join(folder, name) for name in ("train.npy", "test.npy", "model", "scores.csv")}
        np.save(files["train.npy"], train)
        np.save(files["test.npy"], test)
        usual = ["--quiet", "--threads", "1"]
        command(arguments, "train", files["train.npy"], "--output", files["model"], *SETTINGS[setting], "--trim", trim, *usual)
        parts = ["--parts"] if setting == "tables" else []
        command(arguments, "score", files["test.npy"], "--model", files["model"], "--output", files["scores.csv"], *parts, *usual)
        with open(files["scores.csv"], newline="") as file:
            rows = list(csv.DictReader(file))
    names = {setting: "score", **{f"{setting}: {name[6:]}": name for name in rows[0] if name.startswith("score_")}}
    return ({name: np.array([float(row[column]) for row in rows]) for name, column in names.items()},
            np.array([row["anomaly"] == "1" for row in rows]))


def measure(path, share, setting, trim, arguments):
    train, fresh, mixed, anomalies = divided(path, arguments.split, arguments.rows)
    count = round(share / (1 - share) * len(train))
    if len(anomalies) < 5 or count > len(mixed) or (share > 0 and count == 0):
        return []
    train, test = np.concatenate([train, mixed[:count]]), np.concatenate([fresh, anomalies])
    is_odd = np.arange(len(test)) >= len(fresh)
    scores, above = forest(train, test) if setting == "forest" else trained(setting, trim, train, test, arguments)
    results = []
    for name, values in scores.items():
        area, precision = ranking(values, is_odd)
        results.append({"score": name, "auroc": float(area), "ap": precision})
        if above is not None and name == setting:
            results[-1].update(flagged=float(above[~is_odd].mean()), found=float(above[is_odd].mean()))
    return results


def summary(results):
    """Rows of one score, share and trim; differences to no trim."""
    by = {}
    for result in results:
        by.setdefault((result["score"], result["share"], result["trim"]), {})[result["set"], result["split"]] = result
    print("| score | share | trim | tables | AUROC | AP | flagged | found | AUROC - without | AP - without |\n|" + "---|" * 10)
    for (score, share, trim), own in sorted(by.items()):
        plain = by.get((score, share, "0"), {})
        common = [key for key in own if key in plain]
        means = [np.mean([one[name] for one in own.values()]) if all(name in one for one in own.values()) else np.nan
                 for name in ("auroc", "ap", "flagged", "found")]
        differences = [np.mean([own[key][name] - plain[key][name] for key in common]) if common else np.nan for name in ("auroc", "ap")]
        cells = [f"{mean:.4f}" for mean in means[:2]] + [f"{mean:.3f}" for mean in means[2:]] + [f"{d:+.4f}" for d in differences]
        print(f"| {score} | {share:g} | {trim} | {len(own)} | " + " | ".join(cells).replace("nan", "").replace("+nan", "") + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--settings", default="knn,k1,k5,forest,tables")
    parser.add_argument("--shares", default="0,0.01,0.05,0.1")
    parser.add_argument("--trims", default="0,auto")
    parser.add_argument("--split", type=int, default=0)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--results", default="dirty_rows.jsonl")
    arguments = parser.parse_args()
    paths = [path for folder in arguments.data for path in sorted(glob.glob(os.path.join(folder, "adbench", "*.npz")))]
    jobs = [(path, float(share), setting, trim) for setting in arguments.settings.split(",") for path in paths
            for share in arguments.shares.split(",") for trim in (["0"] if setting == "forest" else arguments.trims.split(","))]
    known = []
    if os.path.exists(arguments.results):
        with open(arguments.results) as file:
            known = [json.loads(line) for line in file]
    done = {(result["set"], result["share"], result["setting"], result["trim"], result["split"]) for result in known}
    with open(arguments.results, "a") as file:
        for path, share, setting, trim in jobs:
            name = os.path.splitext(os.path.basename(path))[0]
            if (name, share, setting, trim, arguments.split) in done:
                continue
            for result in measure(path, share, setting, trim, arguments):
                result = {"set": name, "share": share, "setting": setting, "trim": trim, "split": arguments.split, **result}
                known.append(result)
                file.write(json.dumps(result) + "\n")
                file.flush()
    summary(known)


if __name__ == "__main__":
    main()
