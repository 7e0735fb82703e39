#!/usr/bin/env python3
"""Compares `cugad fill` with scikit-learn's imputers on tables of bench/table_pool.py.

usage: bench/filling.py CUGAD POOL [--half dev|confirm] [--tables N] [--incomplete] [--train "FLAGS"]

Of each table the rows of class 0, shuffled (seed 0): the first half, at most 2,000, train, at most 1,000 others test; columns that are
constant in the training rows are left out. A fifth of the test cells is hidden at random; with --incomplete of the training cells, too.
The tables are the first N in alphabetical order that have at least 300 such rows and at most 40 columns left, at least half of which have
more than 20 distinct training values (numbers). Error: root mean square over
the hidden cells, columns in units of their standard deviation in the (complete) training rows. Coverage: the share of hidden cells inside
the bands of --bands 0.9; on other columns than numbers bands can only hold too much.
numpy and scikit-learn are needed.
"""
import argparse
import glob
import os
import shlex
import subprocess
import tempfile
import time
import warnings

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

METHODS = ["mean", "nearest rows", "iterative", "cugad", "cugad, rounded"]


def split(path):
    """The training rows and the test rows of a table; None if the rule leaves it out."""
    file = np.load(path, allow_pickle=True)
    rows = file["X"].astype(np.float64)[file["y"].ravel() == 0]
    if len(rows) < 300:
        return None
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    count = min(len(rows) // 2, 2000)
    training, test = rows[:count], rows[count:count + 1000]
    kept = training.std(axis=0) > 0
    return (training[:, kept], test[:, kept]) if kept.sum() <= 40 and 2 * numbers(training).sum() >= kept.sum() else None


def numbers(training):
    """Which columns have more than 20 distinct values."""
    return np.array([len(np.unique(column)) > 20 for column in training.T])


def write_csv(path, rows):
    """With names: an array keeps no decimals of its columns."""
    with open(path, "w", encoding="utf-8") as file:
        print(",".join(f"c{c}" for c in range(rows.shape[1])), file=file)
        for row in rows:
            print(",".join("" if np.isnan(x) else repr(float(x)) for x in row), file=file)


def fill(cugad, folder, flags, training, hidden):
    """The filled rows, the ends of their bands, the rounded rows, and seconds of training and of filling."""
    paths = {name: os.path.join(folder, name) for name in ("training.csv", "hidden.csv", "model", "filled.csv", "rounded.csv")}
    write_csv(paths["training.csv"], training)
    write_csv(paths["hidden.csv"], hidden)
    names = ",".join(f"c{c}" for c in range(hidden.shape[1]))
    start = time.time()
    command = [cugad, "train", paths["training.csv"], "--output", paths["model"], "--include", names, "--quiet", "--threads", "1"]
    subprocess.run(command + shlex.split(flags), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trained = time.time()
    run = [cugad, "fill", paths["hidden.csv"], "--model", paths["model"], "--threads", "1", "--output"]
    subprocess.run(run + [paths["filled.csv"], "--bands", "0.9", "--no-round"], check=True, stderr=subprocess.DEVNULL)
    filled = time.time()
    subprocess.run(run + [paths["rounded.csv"]], check=True, stderr=subprocess.DEVNULL)
    values = np.genfromtxt(paths["filled.csv"], delimiter=",", skip_header=1)
    rounded = np.genfromtxt(paths["rounded.csv"], delimiter=",", skip_header=1)
    columns = hidden.shape[1]
    return values[:, :columns], values[:, columns::2], values[:, columns + 1::2], rounded, trained - start, filled - trained


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cugad")
    parser.add_argument("pool")
    parser.add_argument("--half", default="confirm")
    parser.add_argument("--tables", type=int, default=10)
    parser.add_argument("--incomplete", action="store_true")
    parser.add_argument("--train", default="--preset gain-tables")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| table | rows | columns | " + " | ".join(METHODS) + " | coverage | of numbers | seconds |")
    print("|---|--:|--:|" + "--:|" * (len(METHODS) + 3))
    errors, covered, of_numbers, seconds = [], [], [], []
    for path in sorted(glob.glob(os.path.join(options.pool, options.half, "adbench", "*.npz"))):
        if len(errors) == options.tables:
            break
        table = split(path)
        if table is None:
            continue
        training, test = table
        mean, deviation = training.mean(axis=0), training.std(axis=0)
        numeric = numbers(training)
        random = np.random.default_rng(1)
        mask = random.random(test.shape) < 0.2
        hidden, shown = np.where(mask, np.nan, test), training.copy()
        if options.incomplete:
            shown[random.random(training.shape) < 0.2] = np.nan

        def error(filled):
            return float(np.sqrt((((filled - test) / deviation)[mask] ** 2).mean()))

        row = []
        for imputer in (SimpleImputer(), KNNImputer(), IterativeImputer(random_state=0)):
            imputer.fit((shown - mean) / deviation)
            row.append(error(imputer.transform((hidden - mean) / deviation) * deviation + mean))
        with tempfile.TemporaryDirectory() as folder:
            filled, low, high, rounded, *spent = fill(options.cugad, folder, options.train, shown, hidden)
        row += [error(filled), error(rounded)]
        slack = 1e-6 * np.maximum(1, np.abs(test))  # numbers went through single precision
        inside = (low - slack <= test) & (test <= high + slack)
        errors.append(row)
        covered.append(inside[mask].mean())
        of_numbers.append(inside[:, numeric][mask[:, numeric]].mean())
        seconds.append(spent)
        name = os.path.basename(path).removesuffix(".npz")
        cells = " | ".join(f"{x:.3f}" for x in row)
        print(f"| {name} | {len(training)} | {training.shape[1]} | {cells} | {covered[-1]:.3f} | {of_numbers[-1]:.3f} |"
              f" {spent[0]:.1f} + {spent[1]:.1f} |", flush=True)
    errors = np.array(errors)
    for title, chosen in (("mean", errors.mean(axis=0)), ("mean rank", None)):
        if chosen is None:  # of the first four
            chosen = np.append((errors[:, :4].argsort(axis=1).argsort(axis=1) + 1).mean(axis=0), np.nan)
        cells = " | ".join("" if np.isnan(x) else f"{x:.3f}" for x in chosen)
        rest = f"{np.mean(covered):.3f} | {np.mean(of_numbers):.3f} | {np.mean(seconds, axis=0).round(1)}" if title == "mean" else " | |"
        print(f"| {title} | | | {cells} | {rest} |")


if __name__ == "__main__":
    main()
