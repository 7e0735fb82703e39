#!/usr/bin/env python3
"""Sketches of parts of a score that the product does not have, for bench/table_study.py (docs/tables.md).

usage: bench/table_sketches.py PARTS [--make gsaal,noise,bags] [--without NAME,NAME] [--cugad build/cpu/cugad] [--seconds 900]

PARTS is a folder that bench/table_parts.py has filled; the tables that have the part `gain` get these too, in a random order, until the
seconds are over. Every network leaves out a fold of the rows, on which it is calibrated, as gain does.

gsaal: Generative Subspace Adversarial Active Learning (Cribeiro-Ramallo et al. 2024, arXiv 2404.14451): DETECTORS discriminators, each
of which sees a random subset of the columns, against one generator; then they go on against the generator as it is. noise: G of gain, a
conditional Gaussian without a discriminator, with noise on the visible cells while it trains. bags: gain by the command on two thirds of
the columns.
"""
import argparse
import glob
import os
import sys
import time

import numpy as np

from table_parts import MEMBERS, folds_of, save_trained, scoring_masks

BATCH, RATE = 64, 1e-3
DETECTORS = 20
NOISE = .2
BAGS = 3


class Networks:
    """A stack of dense networks, leaky ReLU of `slope` between the layers, trained by Adam; arrays are networks x rows x columns."""

    def __init__(self, random, count, sizes, slope, beta1=.5):
        self.slope, self.beta1, self.time = np.float32(slope), beta1, 0
        limit = [np.sqrt(6 / (i + o)) for i, o in zip(sizes, sizes[1:])]
        self.values = [random.uniform(-l, l, (count, i, o)).astype(np.float32) for l, i, o in zip(limit, sizes, sizes[1:])]
        self.values += [np.zeros((count, 1, o), np.float32) for o in sizes[1:]]
        self.first, self.second = ([np.zeros_like(value) for value in self.values] for _ in range(2))
        self.layers = len(sizes) - 1

    def __call__(self, x):
        self.inputs = []
        for n in range(self.layers):
            self.inputs.append(x)
            x = x @ self.values[n] + self.values[self.layers + n]
            if n < self.layers - 1:
                x = np.maximum(x, self.slope * x)
        return x

    def back(self, gradient):
        """The gradient of the last call's input; those of the parameters are kept."""
        self.gradients = [None] * len(self.values)
        for n in reversed(range(self.layers)):
            self.gradients[n] = self.inputs[n].transpose(0, 2, 1) @ gradient
            self.gradients[self.layers + n] = gradient.sum(1, keepdims=True)
            gradient = gradient @ self.values[n].transpose(0, 2, 1)
            if n > 0:
                gradient *= self.slope + (1 - self.slope) * (self.inputs[n] > 0)
        return gradient

    def step(self, rate):
        self.time += 1
        rate *= np.sqrt(1 - .99 ** self.time) / (1 - self.beta1 ** self.time)
        for value, gradient, first, second in zip(self.values, self.gradients, self.first, self.second):
            first += (1 - self.beta1) * (gradient - first)
            second += .01 * (gradient * gradient - second)
            value -= np.float32(rate) * first / (np.sqrt(second) + np.float32(1e-8))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def decayed(t, steps):
    return RATE * (.02 + .49 * (1 + np.cos(np.pi * t / steps)))


class Folds:
    """The rows of a table by members: each member trains on the rows outside its fold."""

    def __init__(self, table):
        self.x, self.test = table["x"][:, table["varies"]], table["test"][:, table["varies"]]
        folds, held = folds_of(self.x), table["held"]
        self.trained = [np.flatnonzero(folds != member) for member in range(MEMBERS)]
        self.left_out = [held[folds[held] == member] for member in range(MEMBERS)]

    def draw(self, random):
        return np.stack([self.x[rows[random.integers(0, len(rows), BATCH)]] for rows in self.trained])


def subspaces(random, d, kind):
    """DETECTORS subsets of the columns: of any size, as in the authors' program, or of the root of their number."""
    size = np.full(DETECTORS, int(np.ceil(np.sqrt(d)))) if kind == "root" else random.integers(1, max(2, d), DETECTORS)
    return (np.argsort(np.argsort(random.random((DETECTORS, d)), 1), 1) < size[:, None]).astype(np.float32)


def gsaal(table, kind, adversarial=400, alone=100):
    rows, random = Folds(table), np.random.default_rng(0)
    d = rows.x.shape[1]
    seen = np.tile(subspaces(random, d, kind), (MEMBERS, 1))[:, None]
    generator = Networks(random, MEMBERS, [d, 64, 64, d], 0.)
    judges = Networks(random, MEMBERS * DETECTORS, [d, 32, 32, 1], .2)
    for t in range(adversarial + alone):
        rate = decayed(t, adversarial + alone)
        real, fake = rows.draw(random), generator(random.standard_normal((MEMBERS, BATCH, d), np.float32))
        logit = judges(np.repeat(np.concatenate([real, fake], 1), DETECTORS, 0) * seen)
        gradient = sigmoid(logit)
        gradient[:, :BATCH] -= 1
        judges.back(gradient / BATCH)
        judges.step(rate)
        if t < adversarial:
            logit = judges(np.repeat(fake, DETECTORS, 0) * seen)
            gradient = judges.back((sigmoid(logit) - 1) / (BATCH * DETECTORS)) * seen
            generator.back(gradient.reshape(MEMBERS, DETECTORS, BATCH, d).sum(1))
            generator.step(rate)

    def scores(x):
        """Per member and row the mean probability that the row is generated."""
        return sigmoid(-judges(x[None] * seen).astype(float)).reshape(MEMBERS, DETECTORS, len(x)).mean(1)
    held = np.concatenate([scores(rows.x[left])[member] for member, left in enumerate(rows.left_out)])
    return {"test": scores(rows.test).mean(0), "held": held}


def kurtosis(x):
    """(m4 / m2^2 / 3)^(1/4) per column, within 1/2 and 3: 1 for a normal one."""
    centred = x - x.mean(0)
    fourth = (centred ** 4).mean(0) / np.maximum((centred ** 2).mean(0), 1e-12) ** 2
    return np.clip((fourth / 3) ** .25, .5, 3).astype(np.float32)


VARIANTS = ("none", "same", "more", "less")  # noise on each column; more or less on those of heavy tails


def noisy(table, steps=400):
    """Per variant a part in the form of gain's: likelihoods of cells hidden alone and under random masks, logits of 0."""
    rows, random = Folds(table), np.random.default_rng(0)
    d, tails = rows.x.shape[1], kurtosis(rows.x)
    noise = np.stack([0 * tails, tails ** 0, tails, 1 / tails])
    noise = np.repeat(NOISE * noise / np.maximum(noise.mean(1, keepdims=True), 1e-6), MEMBERS, 0)[:, None]  # variants x members
    generator = Networks(random, len(noise), [2 * d, 128, 128, 2 * d], 0., .9)
    for t in range(steps):
        real = np.tile(rows.draw(random), (len(VARIANTS), 1, 1))
        mask = random.random((BATCH, d)) < random.uniform(.05, .6, (BATCH, 1))
        mask[np.arange(BATCH), random.integers(0, d, BATCH)] = True
        mask = np.broadcast_to(mask, real.shape).astype(np.float32)
        shown = real + random.standard_normal((BATCH, d), np.float32) * noise
        out = generator(np.concatenate([shown * (1 - mask), mask], 2))
        v, error = np.clip(out[..., d:], -7, 5), out[..., :d] - real
        share = mask / mask.sum(2, keepdims=True) / BATCH
        precision = np.exp(-v)
        of_v = share * .5 * (1 - error * error * precision) * (v == out[..., d:])
        generator.back(np.concatenate([share * error * precision, of_v], 2))
        generator.step(decayed(t, steps))
    masks, groups = scoring_masks(d, 0)
    count = masks[groups:].sum(0)

    def cells(x):
        """Networks x 3 x rows x columns."""
        kept = np.zeros((3, len(noise)) + x.shape, np.float32)
        for k, mask in enumerate(masks):
            shown = np.concatenate([x * (1 - mask), np.broadcast_to(mask, x.shape)], 1)
            out = generator(np.broadcast_to(shown, (len(noise),) + shown.shape))
            v = np.clip(out[..., d:], -7, 5)
            kept[int(k >= groups)] += mask * .5 * ((x - out[..., :d]) ** 2 * np.exp(-v) + v)
        kept[1] = np.where(count > 0, kept[1] / np.maximum(count, 1), kept[0])
        return kept.swapaxes(0, 1).reshape((len(VARIANTS), MEMBERS) + kept.shape[:1] + x.shape)
    test = cells(rows.test).mean(1)
    held = np.concatenate([cells(rows.x[left])[:, member] for member, left in enumerate(rows.left_out)], 2)
    return {name: {"test": test[n], "held": held[n]} for n, name in enumerate(VARIANTS)}


def bags(table, stem, cugad):
    """gain by the command on the columns without one third of them, each third in turn."""
    varying = np.flatnonzero(table["varies"])
    third = np.random.default_rng(0).permutation(len(varying)) % BAGS
    for bag in range(BAGS):
        columns = np.zeros(len(table["varies"]), bool)
        columns[varying[third != bag]] = True
        save_trained(f"{stem}.bag{bag}.npz", table | {"varies": columns}, "gain", 0, cugad)


def make(stem, part, cugad):
    with np.load(stem + ".distances.npz") as file:
        table = {key[len("rows_"):]: file[key] for key in file.files if key.startswith("rows_")}
    if part == "bags":
        bags(table, stem, cugad)
        return
    made = noisy(table) if part == "noise" else {kind: gsaal(table, kind) for kind in ("any", "root")}
    for name, values in made.items():
        np.savez(f"{stem}.{part}_{name}.npz", **values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts")
    parser.add_argument("--make", default="gsaal,noise,bags")
    parser.add_argument("--without", default="", help="tables to leave out, by name")
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--seconds", type=float, default=900)
    arguments = parser.parse_args()
    stems = [path[:-len(".gain.npz")] for path in sorted(glob.glob(os.path.join(arguments.parts, "*", "*.0.gain.npz")))]
    begin, last = time.time(), {"gsaal": "gsaal_root", "noise": "noise_less", "bags": f"bag{BAGS - 1}"}
    for n in np.random.default_rng(0).permutation(len(stems)):
        for part in arguments.make.split(","):
            if os.path.basename(stems[n])[:-2] in arguments.without.split(",") or os.path.exists(f"{stems[n]}.{last[part]}.npz"):
                continue
            since = time.time()
            if since - begin > arguments.seconds:
                return
            make(stems[n], part, arguments.cugad)
            print(f"{stems[n]} {part}: {time.time() - since:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
