#!/usr/bin/env python3
"""Measures whether thresholds and probabilities keep their promise on rows that training never saw.

usage: bench/calibration.py --data DIR [--data DIR ...] [--method M,...] [--splits 3] [--results FILE] [--plot FILE.svg]
       bench/calibration.py --fleet [--method M,...] ...

Each DIR holds adbench/*.npz (X, y), as ADBench's files or the pool of bench/table_pool.py. Half of the normal rows of a table train the
command's defaults; the other half is fresh and is scored together with all anomalies. Of the fresh normal rows it counts how many lie above
the threshold (promised: --contamination .05), above the conformal one of --false-alarm-rate .01, and have --probability rank above .95 and
.99. --fleet does the same for a fleet of machines (cugad synthesize telemetry --groups). Tables are cut to 20,000 rows. Results are appended
to FILE as lines of JSON, and what is there already is not run again; the summary is printed as tables of Markdown.
"""
import argparse
import concurrent.futures
import csv
import glob
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np

MEASURES = [("flagged", 0.05), ("conformal", 0.01), ("above95", 0.05), ("above99", 0.01)]


def command(arguments, *words):
    done = subprocess.run([arguments.cugad, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(" ".join(words) + ": " + done.stderr.strip())
    return done.stdout


def column(path, name):
    with open(path, newline="") as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


def ranking(scores, anomaly):
    """Area under the ROC curve and average precision, ties exact."""
    values, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positives, negatives = anomaly.sum(), (~anomaly).sum()
    area = (rank[anomaly].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    found = np.cumsum(np.bincount(place, weights=anomaly, minlength=len(values))[::-1])
    seen = np.cumsum(count[::-1])
    return area, float(np.sum(np.diff(np.r_[0, found]) / positives * found / seen))


def shares(folder, model, fresh, arguments):
    """What of the fresh normal rows in `fresh` lies above what the model promises."""
    scored = os.path.join(folder, "scored.csv")
    options = ["--model", model, "--quiet", "--threads", "1", "--output", scored]
    command(arguments, "score", fresh, "--probability", "rank", *options)
    result = {"flagged": column(scored, "anomaly"), "above95": column(scored, "probability") > 0.95,
              "above99": column(scored, "probability") > 0.99}
    command(arguments, "score", fresh, "--false-alarm-rate", "0.01", *options)
    result["conformal"] = column(scored, "anomaly")
    return {name: float(np.mean(values)) for name, values in result.items()}


def chosen(method):
    return [] if method == "default" else ["--method", method]


def measure_table(path, split, method, arguments):
    data = np.load(path, allow_pickle=True)
    x, anomaly = data["X"].astype(np.float32), data["y"].ravel() != 0
    random = np.random.RandomState(split)
    if len(x) > 20000:
        kept = random.permutation(len(x))[:20000]
        x, anomaly = x[kept], anomaly[kept]
    normal = random.permutation(np.flatnonzero(~anomaly))
    half = len(normal) // 2
    with tempfile.TemporaryDirectory() as folder:
        files = {name: os.path.join(folder, name + ".npy") for name in ("train", "fresh", "anomalies")}
        np.save(files["train"], x[normal[:half]])
        np.save(files["fresh"], x[normal[half:]])
        np.save(files["anomalies"], x[anomaly])
        model = os.path.join(folder, "model")
        command(arguments, "train", files["train"], *chosen(method), "--seed", str(1000 * split), "--threads", "1", "--quiet", "--output",
                model, *arguments.train.split())
        result = shares(folder, model, files["fresh"], arguments)
        scores = {}
        for name in ("fresh", "anomalies"):
            scored = os.path.join(folder, "scores.csv")
            command(arguments, "score", files[name], "--model", model, "--quiet", "--threads", "1", "--output", scored)
            scores[name] = column(scored, "score")
    both = np.r_[scores["fresh"], scores["anomalies"]]
    area, precision = ranking(both, np.arange(len(both)) >= len(scores["fresh"]))
    return {**result, "rows": half, "fresh": len(normal) - half, "auroc": float(area), "ap": precision}


def measure_fleet(split, method, arguments):
    """20 machines of 200 to 250 training rows each."""
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "all.csv")
        command(arguments, "synthesize", "telemetry", "--groups", "20", "--rows", "10000", "--seed", str(split), "--output", table)
        with open(table) as file:
            header, *lines = file.read().splitlines()
        label = header.split(",").index("label")
        normal = [line for line in lines if line.split(",")[label] == "normal"]
        order = np.random.RandomState(split).permutation(len(normal))
        for name, part in (("train", order[:len(order) // 2]), ("fresh", order[len(order) // 2:])):
            with open(os.path.join(folder, name + ".csv"), "w") as file:
                file.write("\n".join([header, *(normal[i] for i in part)]) + "\n")
        model = os.path.join(folder, "model")
        command(arguments, "train", os.path.join(folder, "train.csv"), "--group-by", "group", "--exclude", "label", *chosen(method),
                "--seed", str(1000 * split), "--threads", "1", "--quiet", "--output", model, *arguments.train.split())
        result = shares(folder, model, os.path.join(folder, "fresh.csv"), arguments)
    return {**result, "rows": len(order) // 2, "fresh": len(order) - len(order) // 2}


def run(job, arguments):
    name, path, split, method = job
    result = measure_fleet(split, method, arguments) if path is None else measure_table(path, split, method, arguments)
    return {"set": name, "split": split, "method": method, "train": arguments.train, **result}


def key(result):
    return result["set"], result["split"], result["method"], result["train"]


def mean(results, name):
    return float(np.mean([result[name] for result in results]))


def limit(results, promise):
    """What a set may have at most: the promise, three standard errors and .03."""
    fresh = sum(result["fresh"] for result in results)
    return promise + 3 * math.sqrt(promise * (1 - promise) / fresh) + 0.03


def summary(results):
    for method in dict.fromkeys(result["method"] for result in results):
        own = [result for result in results if result["method"] == method]
        sets = list(dict.fromkeys(result["set"] for result in own))
        print(f"\n{method}: {len(sets)} sets, {len(own)} runs\n")
        print("| set | training rows | " + " | ".join(f"{name} ({promise})" for name, promise in MEASURES) + " | AUROC | AP |")
        print("|---" * (4 + len(MEASURES)) + "|")
        for name in sorted(sets, key=lambda name: mean([r for r in own if r["set"] == name], "rows")):
            of_set = [result for result in own if result["set"] == name]
            cells = [f"{mean(of_set, m):.3f}" + (" !" if mean(of_set, m) > limit(of_set, p) else "") for m, p in MEASURES]
            quality = [f"{mean(of_set, m):.4f}" if m in of_set[0] else "" for m in ("auroc", "ap")]
            print(f"| {name} | {mean(of_set, 'rows'):.0f} | " + " | ".join(cells + quality) + " |")
        per_set = [[result for result in own if result["set"] == name] for name in sets]
        means = [f"{np.mean([mean(one, m) for one in per_set]):.4f}" for m, _ in MEASURES]
        quality = [f"{np.mean([mean(one, m) for one in per_set]):.4f}" if m in own[0] else "" for m in ("auroc", "ap")]
        print("| **mean of the sets** | | " + " | ".join(means + quality) + " |")


def plot(results, path):
    """Promised beside measured shares, one point per set and measure, in a logarithmic square."""
    low, high, size, edge = 0.002, 0.5, 420, 60
    colours = dict(zip([name for name, _ in MEASURES], ["#1f6fb2", "#b2421f", "#3d8f3d", "#7a4fa3"]))

    def place(share):
        return edge + size * (math.log(min(max(share, low), high)) - math.log(low)) / (math.log(high) - math.log(low))

    def top(share):
        return 2 * edge + size - place(share)

    marks = []
    for tick in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        marks.append(f'<text x="{edge - 8}" y="{top(tick) + 4:.0f}" text-anchor="end">{tick:g}</text>')
        marks.append(f'<path d="M{edge} {top(tick):.0f}h{size}" stroke="#ddd"/>')
    groups = sorted({(result["method"], result["set"]) for result in results})
    for index, (name, promise) in enumerate(MEASURES):
        x = edge + size * (index + 0.5) / len(MEASURES)
        width = size / len(MEASURES)
        marks.append(f'<path d="M{x - width / 2 + 6:.0f} {top(promise):.1f}h{width - 12:.0f}" stroke="#000" stroke-width="2"/>')
        marks.append(f'<text x="{x:.0f}" y="{edge + size + 20}" text-anchor="middle">{name}</text>')
        marks.append(f'<text x="{x:.0f}" y="{edge + size + 36}" text-anchor="middle">promised {promise:g}</text>')
        for g, (method, set_name) in enumerate(groups):
            share = mean([r for r in results if r["set"] == set_name and r["method"] == method], name)
            across = x + (width - 30) * ((g + 0.5) / len(groups) - 0.5)
            marks.append(f'<circle cx="{across:.1f}" cy="{top(share):.1f}" r="2.5" fill="{colours[name]}" fill-opacity="0.6"/>')
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * edge + size}" height="{2 * edge + size}" font-family="sans-serif" '
                   f'font-size="12"><rect width="100%" height="100%" fill="#fff"/><text x="{edge}" y="{edge - 24}">Share of fresh normal rows, '
                   f'one point per table; the bar is what was promised</text>{"".join(marks)}</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--fleet", action="store_true")
    parser.add_argument("--method", default="default", help="several, separated by commas; default: none is named")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--sets", default="", help="only sets whose name has one of these parts")
    parser.add_argument("--train", default="", help="further flags of cugad train")
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", default="calibration.jsonl")
    parser.add_argument("--plot", default="")
    arguments = parser.parse_args()
    parts = [part for part in arguments.sets.split(",") if part]
    paths = [path for folder in arguments.data for path in sorted(glob.glob(os.path.join(folder, "adbench", "*.npz")))]
    tables = [(os.path.splitext(os.path.basename(path))[0], path) for path in paths]
    tables = [(name, path) for name, path in tables if not parts or any(part in name for part in parts)]
    if arguments.fleet:
        tables = [("fleet", None)]
    if not tables:
        sys.exit("no adbench/*.npz below --data")
    known = []
    if os.path.exists(arguments.results):
        with open(arguments.results) as file:
            known = [json.loads(line) for line in file]
    jobs = [(name, path, split, method) for split in range(arguments.splits) for method in arguments.method.split(",") for name, path in tables]
    wanted = {(name, split, method, arguments.train) for name, _, split, method in jobs}
    done = {key(result) for result in known}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool, open(arguments.results, "a") as file:
        missing = [job for job in jobs if (job[0], job[2], job[3], arguments.train) not in done]
        for future in concurrent.futures.as_completed([pool.submit(run, job, arguments) for job in missing]):
            result = future.result()
            known.append(result)
            file.write(json.dumps(result) + "\n")
            file.flush()
            print(result["method"], result["set"], result["split"], *(f"{m} {result[m]:.3f}" for m, _ in MEASURES), file=sys.stderr)
    results = [result for result in known if key(result) in wanted]
    summary(results)
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
