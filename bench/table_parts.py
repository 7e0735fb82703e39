#!/usr/bin/env python3
"""Caches what the parts of a score make of each row of labelled tables, for bench/table_study.py.

usage: bench/table_parts.py OUT DIR ... [--cugad build/cpu/cugad] [--rows 6000] [--seeds 0] [--parts distances,gain] [--sets PART,PART]

DIR/adbench/*.npz as in `cugad reproduce adbench`, split in the same way. Three kinds of rows per table: `held`, training rows that are new
to the part (distances leave the row itself out; the member of gain has left out its fold); `swapped`, the same rows with up to half of the
columns replaced by another row's, as anomalies that need no label; `test`. The command trains on rows that are transformed already, so
that its networks can be read from the model file and asked anything: G's likelihood of a cell hidden alone and under random masks, D's
logit. One file per table, seed and part; those that exist are not made again.
"""
import argparse
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.stats import skew

from spread import split

FOLDS, MEMBERS = 4, 2  # two members of four choose as four do, at half the cost
COMMON = ["--population", str(MEMBERS), "--folds", str(FOLDS), "--steps", "1500", "--decay-steps", "1500", "--generator-learning-rate", "1e-3",
          "--discriminator-learning-rate", "1e-3", "--log1p", "none", "--scale", "none", "--no-centre", "--threads", "1", "--quiet"]
TRAINED = {
    "gain": ["--method", "gain", "--adversarial", "0.1", "--discriminator-weight", "0"],
    "gain_no_adversary": ["--method", "gain", "--adversarial", "0", "--discriminator-weight", "0"],
    "gain_4500": ["--method", "gain", "--adversarial", "0.1", "--discriminator-weight", "0", "--steps", "4500", "--decay-steps", "4500"],
    "gain_500": ["--method", "gain", "--adversarial", "0.1", "--discriminator-weight", "0", "--steps", "500", "--decay-steps", "500"],
    "anogan": ["--method", "anogan"],
}
NEIGHBOURS = 20
HELD = 2000


class Columns:
    """The detector's transform: log1p where the minimum is at least 0 and the skewness above 2, then standard scaling."""

    def __init__(self, train):
        self.logged = (train.min(0) >= 0) & (np.nan_to_num(skew(train, axis=0)) > 2)
        x = self.log(train)
        self.shift, deviation = x.mean(0), x.std(0)
        self.varies = deviation > 1e-12
        self.scale = np.where(self.varies, deviation, 1)

    def log(self, x):
        x = x.astype(np.float64)
        return np.where(self.logged, np.log1p(np.maximum(x, -1 + 1e-6)), x)

    def __call__(self, x):
        return ((self.log(x) - self.shift) / self.scale).astype(np.float32)


def nearest(query, bank, skip=None, k=NEIGHBOURS, chunk=500):
    """Distances to, and indices of, the k nearest rows of the bank; skip[i] is the row that query i may not find."""
    k = min(k, len(bank) - 1)
    distance, index = np.empty((len(query), k), np.float32), np.empty((len(query), k), np.int32)
    squares = (bank.astype(np.float64) ** 2).sum(1)
    for first in range(0, len(query), chunk):
        part = query[first:first + chunk].astype(np.float64)
        found = np.maximum((part ** 2).sum(1)[:, None] + squares - 2 * part @ bank.T, 0)
        if skip is not None:
            found[np.arange(len(part)), skip[first:first + chunk]] = np.inf
        best = np.argpartition(found, k - 1, 1)[:, :k]
        order = np.argsort(np.take_along_axis(found, best, 1), 1)
        best = np.take_along_axis(best, order, 1)
        index[first:first + chunk] = best
        distance[first:first + chunk] = np.sqrt(np.take_along_axis(found, best, 1))
    return distance, index


def swapped(rows, random):
    """Each row with 1 to half of its columns replaced by those of another row."""
    n, d = rows.shape
    other = rows[(np.arange(n) + random.integers(1, max(2, n), n)) % n]
    count = random.integers(1, max(2, d // 2 + 1), n)
    rank = np.argsort(np.argsort(random.random((n, d)), 1), 1)
    return np.where(rank < count[:, None], other, rows)


def prepare(path, rows, seed):
    train, test, label = split(path, rows, seed)
    columns = Columns(train)
    x, y = columns(train), columns(test)
    random = np.random.default_rng(seed + 12345)
    held = np.sort(random.permutation(len(x))[:HELD])
    return {"x": x, "test": y, "label": label, "held": held, "swapped": swapped(x[held], random), "varies": columns.varies}


def save_distances(file, table):
    x, held = table["x"], table["held"]
    own = nearest(x, x, np.arange(len(x)))
    of_swapped, of_test = nearest(table["swapped"], x, held), nearest(table["test"], x)
    np.savez(file, train=own[0], train_index=own[1], swapped=of_swapped[0], swapped_index=of_swapped[1], test=of_test[0],
             test_index=of_test[1], **{"rows_" + key: value for key, value in table.items()})


def folds_of(rows):
    """The fold of each row, as the command deals rows out: by their hash, copies together, to the smallest fold so far."""
    words = np.where(rows == 0, np.float32(0), rows).astype(np.float32).view(np.uint32).astype(np.uint64)
    hashes = np.full(len(rows), 1469598103934665603, np.uint64)
    for column in words.T:
        hashes = (hashes ^ column) * np.uint64(1099511628211)
    hashes = ((hashes ^ (hashes >> np.uint64(32))) & np.uint64(0xffffffff)).astype(np.uint32)
    size, fold = [0] * FOLDS, np.empty(len(rows), int)
    for value, first, count in zip(*np.unique(hashes, return_index=True, return_counts=True)):
        smallest = size.index(min(size))
        fold[hashes == value if count > 1 else first] = smallest
        size[smallest] += count
    return fold


def read_model(path):
    """Tensors by name, and the metadata, of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        content = file.read()
    metadata = header.pop("__metadata__")
    types = {"F32": np.float32, "I32": np.int32}
    return {name: np.frombuffer(content[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items() if entry["dtype"] in types}, metadata


def forward(model, network, member, x, slope):
    for layer in range(3):
        x = x @ model[f"{network}.{layer}.weight"][member].T + model[f"{network}.{layer}.bias"][member]
        if layer < 2:
            x = np.maximum(x, np.float32(slope) * x)
    return x


def scoring_masks(columns, seed):
    """Columns alone, or 40 groups of them, and 12 random masks."""
    random, groups = np.random.default_rng(seed), min(columns, 40)
    masks = np.zeros((groups + 12, columns), np.float32)
    for place, column in enumerate(random.permutation(columns)):
        masks[place % groups, column] = 1
    for k in range(12):
        masks[groups + k] = random.random(columns) < (.15, .3, .5)[k % 3]
    return masks, groups


def cells(model, member, x, seed):
    """Per cell: G's -log likelihood hidden alone (or in its group), that under random masks, and D's logit that the cell is real."""
    columns = x.shape[1]
    masks, groups = scoring_masks(columns, seed)
    count = masks[groups:].sum(0)
    alone, random = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.float32)
    for k, mask in enumerate(masks):
        out = forward(model, "generator", member, np.concatenate([x * (1 - mask), np.broadcast_to(mask, x.shape)], 1), 0.)
        variance = np.clip(out[:, columns:], -7, 5)
        value = .5 * ((x - out[:, :columns]) ** 2 * np.exp(-variance) + variance)
        (alone if k < groups else random)[:] += mask * value
    return np.stack([alone, np.where(count > 0, random / np.maximum(count, 1), alone), forward(model, "discriminator", member, x, .2)])


PRESETS = {
    "tables": ["--preset", "tables", "--discriminator-weight", "0.2"],
    "without_rows": ["--preset", "tables", "--method", "gain,anogan", "--discriminator-weight", "0.5"],
}


def save_preset(file, train, test, flags, seed, cugad):
    """The score of the command on the rows as they are, and those of its parts, by name."""
    with tempfile.TemporaryDirectory() as folder:
        rows, model, scores = (os.path.join(folder, name) for name in ("rows.npy", "model", "scores.csv"))
        common = ["--threads", "1", "--quiet"]
        np.save(rows, train)
        subprocess.run([cugad, "train", rows, "--output", model, *flags, "--seed", str(seed), *common], check=True, stdout=subprocess.DEVNULL)
        np.save(rows, test)
        subprocess.run([cugad, "score", rows, "--model", model, "--output", scores, "--parts", *common], check=True, stdout=subprocess.DEVNULL)
        table = np.genfromtxt(scores, delimiter=",", names=True)
        np.savez(file, **{name: table[name] for name in table.dtype.names if name.startswith("score")})


def save_trained(file, table, part, seed, cugad):
    varies = table["varies"]
    x, test, pseudo = (np.ascontiguousarray(table[key][:, varies]) for key in ("x", "test", "swapped"))
    held, folds = x[table["held"]], folds_of(x)[table["held"]]
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, name) for name in ("rows.npy", "model", "scores.npy")}
        np.save(paths["rows.npy"], x)
        flags = COMMON + TRAINED[part] + ["--seed", str(seed)]
        subprocess.run([cugad, "train", paths["rows.npy"], "--output", paths["model"], *flags], check=True, stdout=subprocess.DEVNULL)
        model, metadata = read_model(paths["model"])
        if not part.startswith("gain"):  # the score alone, and where it lies on rows that are new
            np.save(paths["rows.npy"], np.concatenate([test, pseudo]))
            subprocess.run([cugad, "score", paths["rows.npy"], "--model", paths["model"], "--output", paths["scores.npy"], "--threads", "1",
                            "--quiet"], check=True, stdout=subprocess.DEVNULL)
            scores = np.load(paths["scores.npy"]).reshape(-1)
            np.savez(file, test=scores[:len(test)], swapped=scores[len(test):],
                     held=np.array(json.loads(metadata["score_calibration"])["quantiles"]))
            return
    known = folds < MEMBERS  # rows that a member has left out
    kept = {"known": known, "test": np.mean([cells(model, member, test, seed) for member in range(MEMBERS)], 0)}
    folds = folds[known]
    for name, rows in (("held", held[known]), ("swapped", pseudo[known])):  # by the member that has not seen the row
        kept[name] = np.empty((3,) + rows.shape, np.float32)
        for member in range(MEMBERS):
            kept[name][:, folds == member] = cells(model, member, rows[folds == member], seed)
    np.savez(file, **kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--population", type=int, default=4, help="of tables and without_rows")
    parser.add_argument("--parts", default="distances,gain")
    parser.add_argument("--sets", default="")
    arguments = parser.parse_args()
    paths = [path for folder in arguments.folders for path in sorted(glob.glob(os.path.join(folder, "adbench", "*.npz")))]
    np.random.default_rng(0).shuffle(paths)  # so that a part of the study is a fair sample of the whole
    for seed in map(int, arguments.seeds.split(",")):
        for path in paths:
            if not any(part in os.path.basename(path) for part in arguments.sets.split(",")):
                continue
            group, name = os.path.basename(path.split("/adbench/")[0].rstrip("/")), os.path.splitext(os.path.basename(path))[0]
            folder = os.path.join(arguments.out, "adbench" if "/adbench/" in path and group == "data" else group)
            os.makedirs(folder, exist_ok=True)
            stem, begin, table = os.path.join(folder, f"{name}.{seed}"), time.time(), None
            for part in arguments.parts.split(","):
                if os.path.exists(f"{stem}.{part}.npz"):
                    continue
                table = table or prepare(path, arguments.rows, seed)
                if part == "distances":
                    save_distances(f"{stem}.{part}.npz", table)
                elif part in PRESETS:
                    train, test, _ = split(path, arguments.rows, seed)
                    save_preset(f"{stem}.{part}.npz", train, test, PRESETS[part] + ["--population", str(arguments.population)], seed,
                                arguments.cugad)
                else:
                    save_trained(f"{stem}.{part}.npz", table, part, seed, arguments.cugad)
            if table is not None:
                print(f"{stem} {time.time() - begin:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
