#!/usr/bin/env python3
"""What combinations of parts of a score are worth: means over groups of tables, beside distances (docs/tables.md).

usage: bench/table_study.py PARTS [--groups dev,adbench] [--seeds 0] [--against "tables w.5"] [--only NAME,NAME] [--complete PART]

PARTS is a folder that bench/table_parts.py has filled; nothing is trained here. Every recipe below is a function of one table; a part is
compared in robust units of rows that are new to it and compressed, as the detector does it. Wins, ties and losses: more than .004.
"""
import argparse
import glob
import os
import sys

import numpy as np
from scipy.stats import norm, rankdata, wilcoxon

from table_parts import nearest
from table_sketches import BAGS, VARIANTS, kurtosis

TIE = .004


def auroc(label, score):
    rank, positive = rankdata(score), label.sum()
    return (rank[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive))


def average_precision(label, score):
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]  # tied scores are one step
    true = np.cumsum(label[order])[last]
    return float((np.diff(np.r_[0, true]) * true / (last + 1)).sum() / label.sum())


def units(values, held):
    """Compressed robust units: sign(t) log(1 + |t|)."""
    low, middle, high = np.quantile(held, [.05, .5, .95])
    spread = (high - low) / 3.29
    t = (values - middle) / (spread if spread > 0 else max(1e-6, abs(middle)))
    return np.sign(t) * np.log1p(np.abs(t))


def p_values(values, held, leave_out=False):
    """-log of the conformal p-value of each value among held ones, column by column; with leave_out the values are the held ones."""
    ranks = np.empty(values.shape)
    for c in range(values.shape[1]):
        ordered = np.sort(held[:, c])
        ranks[:, c] = len(ordered) - np.searchsorted(ordered, values[:, c], "left")
    n = len(held) - leave_out
    return np.log((n + 1) / (1 + ranks - leave_out))


class Table:
    def __init__(self, stem):
        self.parts, self.stem = {}, stem
        part = self.part("distances")
        self.label, self.held = part["rows_label"].astype(bool), part["rows_held"]
        self.x, self.test, self.swapped = part["rows_x"], part["rows_test"], part["rows_swapped"]
        self.cache = {}

    def part(self, name):
        if name not in self.parts:
            with np.load(f"{self.stem}.{name}.npz") as file:
                self.parts[name] = {key: file[key] for key in file.files}
        return self.parts[name]

    def neighbours(self, kind):
        """Distances of the training rows (each left out) or of `test` or `swapped` rows to their nearest."""
        return self.part("distances")["train" if kind == "held" else kind]

    def distance(self, kind, k=0, mean=False):
        found = self.neighbours(kind)
        k = min(k, found.shape[1] - 1)
        return found[:, :k + 1].mean(1) if mean else found[:, k]

    def in_units(self, find):
        """A part, as `find(kind)` gives it, of test rows."""
        return units(find("test"), find("held"))

    def same_rows(self, find, kind):
        """Values of those held or swapped rows that all parts know."""
        values, known = find(kind), self.part("gain")["known"]
        values = values[self.held] if kind == "held" and len(values) == len(self.x) else values
        return values[known] if len(values) == len(known) else values

    def likelihood(self, kind, weight, part="gain", which="both"):
        """Mean over columns of -log p of a cell's likelihood and D's logit."""
        def value(kind):
            alone, random, logit = self.part(part)[kind]
            g = {"both": None, "alone": alone, "random": random, "none": 0 * alone}[which]
            if g is None:
                groups = 1.0  # the product's mean over masks: hidden alone once, under random masks 12 * .317 times on average
                g = (groups * alone + 3.8 * random) / (groups + 3.8)
            return g - weight * logit
        held = value("held")
        return p_values(held if kind == "held" else value(kind), held, kind == "held").mean(1)


def d1(t):
    return t.in_units(lambda kind: t.distance(kind))


def dm(t):
    return t.in_units(lambda kind: t.distance(kind, 4, True))


def g(t, weight, **how):
    return t.in_units(lambda kind: t.likelihood(kind, weight, **how))


def scaled(t, exponent=1., first=0, k=4):
    """Distances in units of the found row's own: LOF's idea without its sums (d(x, neighbour) / (mean distance of the neighbour))."""
    part = t.part("distances")
    own = part["train"][:, :k + 1].mean(1)
    floor = np.quantile(own, .05) + 1e-9
    def find(kind):
        distance, index = t.neighbours(kind), part[("train" if kind == "held" else kind) + "_index"]
        return (distance / np.maximum(own, floor)[index] ** exponent)[:, first:k + 1].mean(1)
    return t.in_units(find)


def other_columns(t, transform, k=5, seed=0):
    """d1 + dm in columns made anew from the training rows."""
    change = transform(t)
    x = change(t.x)
    own, test = nearest(x, x, np.arange(len(x)), k)[0], nearest(change(t.test), x, None, k)[0]
    return units(test[:, 0], own[:, 0]) + units(test.mean(1), own.mean(1))


def ranks(t):
    ordered = np.sort(t.x, 0)
    def change(rows):
        return np.stack([(np.searchsorted(ordered[:, c], rows[:, c], "left") + np.searchsorted(ordered[:, c], rows[:, c], "right"))
                         / (2 * len(ordered)) for c in range(rows.shape[1])], 1).astype(np.float32) * 3.46
    return change


def whitened(t):
    covariance = np.cov(t.x.T) if t.x.shape[1] > 1 else np.ones((1, 1))
    covariance = .9 * covariance + .1 * np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors / np.sqrt(values)).astype(np.float32)
    return lambda rows: rows @ root


def bagged(t, bags=6, share=.6):
    """d1 + dm on random subsets of the columns, averaged (feature bagging, Lazarevic 2005)."""
    random, d = np.random.default_rng(0), t.x.shape[1]
    total = 0
    for _ in range(bags):
        columns = random.permutation(d)[:max(1, int(np.ceil(share * d)))]
        total = total + other_columns(t, lambda _: lambda rows: rows[:, columns])
    return total / bags


def mahalanobis(t):
    """Shrunk covariance; training rows are scored by what is left of their own pull (all but nothing with n >> d)."""
    from sklearn.covariance import ledoit_wolf
    mean = t.x.mean(0)
    inverse = np.linalg.inv(ledoit_wolf(t.x.astype(np.float64))[0] + 1e-6 * np.eye(t.x.shape[1]))
    return lambda rows: np.sqrt(np.maximum(0, ((rows - mean) @ inverse * (rows - mean)).sum(1)))


def centre(t):
    m = mahalanobis(t)
    return units(m(t.test), m(t.x))


def to_mean(t):
    return units(np.sqrt((t.test ** 2).mean(1)), np.sqrt((t.x ** 2).mean(1)))


def forest(t):
    from sklearn.ensemble import IsolationForest
    trees = IsolationForest(n_estimators=100, random_state=0).fit(t.x)
    return units(-trees.score_samples(t.test), -trees.score_samples(t.x))


def anogan(t):
    part = t.part("anogan")
    return units(part["test"], part["held"])


def once(function):
    """Kept per table: many recipes share a costly part."""
    def kept(t):
        if function not in t.cache:
            t.cache[function] = function(t)
        return t.cache[function]
    return kept


bag, mahal, trees, rank_distances, white_distances = (once(f) for f in (
    bagged, centre, forest, lambda t: other_columns(t, ranks), lambda t: other_columns(t, whitened)))


def joint(t, combine, weight=.2):
    """Parts as conformal p-values, put together by a rule of statistics; calibrated by nothing further (a ranking needs none)."""
    parts = [lambda kind: t.distance(kind), lambda kind: t.distance(kind, 4, True), lambda kind: t.likelihood(kind, weight)]
    p = np.stack([np.exp(-p_values(f("test")[:, None], f("held")[:, None])[:, 0]) for f in parts])
    return combine(p) + 1e-3 * sum(t.in_units(f) for f in parts)  # beyond all held rows p ties: the units go on


def learnt_weights(t, weight=.2, strength=1.):
    """Weights of (d1, dm, g) by how well each part separates held-out rows from swapped ones."""
    parts = [lambda kind: t.distance(kind), lambda kind: t.distance(kind, 4, True), lambda kind: t.likelihood(kind, weight)]
    gains = []
    for f in parts:
        held, pseudo = t.same_rows(f, "held"), t.same_rows(f, "swapped")
        label = np.r_[np.zeros(len(held), bool), np.ones(len(pseudo), bool)]
        gains.append(max(.02, auroc(label, np.r_[held, pseudo]) - .5) ** strength)
    gains = np.array(gains) / sum(gains)
    return sum(3 * w * t.in_units(f) for w, f in zip(gains, parts))


def logistic(t, weight=.2):
    """A logistic regression on the parts' units, held rows against swapped ones."""
    from sklearn.linear_model import LogisticRegression
    parts = [lambda kind: t.distance(kind), lambda kind: t.distance(kind, 4, True), lambda kind: t.likelihood(kind, weight)]
    def features(kind):
        return np.stack([units(f(kind) if kind == "test" else t.same_rows(f, kind), f("held")) for f in parts], 1)
    held, pseudo = features("held"), features("swapped")
    model = LogisticRegression(C=1.).fit(np.r_[held, pseudo], np.r_[np.zeros(len(held)), np.ones(len(pseudo))])
    return features("test") @ np.maximum(model.coef_[0], 0)


RECIPES = {
    "kNN k=5": lambda t: t.distance("test", 4),
    "kNN k=1": lambda t: t.distance("test"),
    "d1+dm": lambda t: d1(t) + dm(t),
    "tables w0": lambda t: d1(t) + dm(t) + g(t, 0),
    "tables w.1": lambda t: d1(t) + dm(t) + g(t, .1),
    "tables w.2": lambda t: d1(t) + dm(t) + g(t, .2),
    "tables w.3": lambda t: d1(t) + dm(t) + g(t, .3),
    "tables w.5": lambda t: d1(t) + dm(t) + g(t, .5),
    "tables w1": lambda t: d1(t) + dm(t) + g(t, 1),
    "gain w.1": lambda t: g(t, .1),
    "gain w.5": lambda t: g(t, .5),
    "G alone": lambda t: g(t, 0),
    "D alone": lambda t: g(t, 1, which="none"),
    "w.2, 2 g": lambda t: d1(t) + dm(t) + 2 * g(t, .2),
    "w.2, .5 g": lambda t: d1(t) + dm(t) + .5 * g(t, .2),
    "w.2, hidden alone": lambda t: d1(t) + dm(t) + g(t, .2, which="alone"),
    "w.2, random masks": lambda t: d1(t) + dm(t) + g(t, .2, which="random"),
    "G and D apart": lambda t: d1(t) + dm(t) + .7 * g(t, 0) + .3 * g(t, 1, which="none"),
    "d1 + g w.2": lambda t: d1(t) + g(t, .2),
    "d1 + d10 + d20": lambda t: d1(t) + t.in_units(lambda kind: t.distance(kind, 9)) + t.in_units(lambda kind: t.distance(kind, 19)),
    "d1 + m3": lambda t: d1(t) + t.in_units(lambda kind: t.distance(kind, 2, True)),
    "d1 + m20": lambda t: d1(t) + t.in_units(lambda kind: t.distance(kind, 19, True)),
    "local scaling": lambda t: scaled(t, 1, 0, 0) + scaled(t),
    "local scaling, root": lambda t: scaled(t, .5, 0, 0) + scaled(t, .5),
    "d1+dm + local": lambda t: d1(t) + dm(t) + scaled(t),
    "d1+dm + local root": lambda t: d1(t) + dm(t) + scaled(t, .5),
    "ranks": rank_distances,
    "d1+dm + .5 ranks": lambda t: d1(t) + dm(t) + .5 * rank_distances(t),
    "whitened": white_distances,
    "d1+dm + .5 whitened": lambda t: d1(t) + dm(t) + .5 * white_distances(t),
    "bagged": bag,
    "d1+dm + .5 bagged": lambda t: d1(t) + dm(t) + .5 * bag(t),
    "d1+dm + Mahalanobis": lambda t: d1(t) + dm(t) + mahal(t),
    "d1+dm + L2 to mean": lambda t: d1(t) + dm(t) + to_mean(t),
    "d1+dm + forest": lambda t: d1(t) + dm(t) + trees(t),
    "w.2 + Mahalanobis": lambda t: d1(t) + dm(t) + g(t, .2) + mahal(t),
    "w.2 + .5 Mahalanobis": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * mahal(t),
    "w.2 + .5 L2 to mean": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * to_mean(t),
    "w.2 + .5 forest": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * trees(t),
    "w.2, bagged": lambda t: bag(t) + g(t, .2),
    "w.2 + .5 bagged": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * bag(t),
    "w.2 + .5 ranks": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * rank_distances(t),
    "w.2 + .5 whitened": lambda t: d1(t) + dm(t) + g(t, .2) + .5 * white_distances(t),
    "w.2, d1 local": lambda t: scaled(t, .5, 0, 0) + dm(t) + g(t, .2),
    "w.2 + local": lambda t: d1(t) + dm(t) + g(t, .2) + scaled(t),
    "Fisher": lambda t: joint(t, lambda p: -np.log(p).sum(0)),
    "Stouffer": lambda t: joint(t, lambda p: norm.isf(np.minimum(p, .9999)).sum(0)),
    "least p": lambda t: joint(t, lambda p: -np.log(p.min(0))),
    "learnt weights": learnt_weights,
    "logistic on swapped": logistic,
    "tables + anogan": lambda t: d1(t) + dm(t) + g(t, .2) + anogan(t),
    "d1+dm + anogan": lambda t: d1(t) + dm(t) + anogan(t),
    "gain w.2 + anogan": lambda t: g(t, .2) + anogan(t),
    "anogan": anogan,
}
for variant in ("gain_no_adversary", "gain_4500", "gain_500"):
    RECIPES["w.2, " + variant] = lambda t, variant=variant: d1(t) + dm(t) + g(t, .2, part=variant)




def column_factors(name, x):
    """In what distances weigh a column: less or more where its tails are heavy, or its spread without the tails."""
    if name == "robust":
        spread = (np.quantile(x, .95, 0) - np.quantile(x, .05, 0)) / 3.29
        return np.where(spread > .1, 1 / np.maximum(spread, .1), 1).astype(np.float32)
    return 1 / kurtosis(x) if name == "less" else kurtosis(x)


def judged(t, kind):
    part = t.part("gsaal_" + kind)
    return units(part["test"], part["held"])


def bagged_gain(t):
    return sum(g(t, .2, part=f"bag{bag}") for bag in range(BAGS)) / BAGS


for name in ("less", "more", "robust"):
    scaled_columns = lambda t, name=name: other_columns(t, lambda t: lambda rows: rows * column_factors(name, t.x))
    RECIPES |= {"heavy tails " + name: scaled_columns, "w.2, heavy tails " + name: lambda t, own=scaled_columns: own(t) + g(t, .2)}
for kind in ("any", "root"):
    RECIPES |= {"gsaal " + kind: lambda t, kind=kind: judged(t, kind),
                "d1+dm + gsaal " + kind: lambda t, kind=kind: d1(t) + dm(t) + judged(t, kind),
                "w.2 + gsaal " + kind: lambda t, kind=kind: d1(t) + dm(t) + g(t, .2) + judged(t, kind),
                "w.2 + .5 gsaal " + kind: lambda t, kind=kind: d1(t) + dm(t) + g(t, .2) + .5 * judged(t, kind)}
for variant in VARIANTS:
    RECIPES |= {"noise " + variant: lambda t, part="noise_" + variant: g(t, 0, part=part),
                "d1+dm + noise " + variant: lambda t, part="noise_" + variant: d1(t) + dm(t) + g(t, 0, part=part)}
RECIPES |= {
    "bags": bagged_gain,
    "d1+dm + bags": lambda t: d1(t) + dm(t) + bagged_gain(t),
    "w.2, half bags": lambda t: d1(t) + dm(t) + .5 * g(t, .2) + .5 * bagged_gain(t),
    "gain w.2": lambda t: g(t, .2),
    "preset tables": lambda t: t.part("tables")["score"],
    "gain of the preset": lambda t: t.part("tables")["score_gain"],
    "without rows": lambda t: t.part("without_rows")["score"],
    "anogan of it": lambda t: t.part("without_rows")["score_anogan"],
}


def figures(tables, names):
    """recipe -> tables x (AUROC, AP), means over the splits of a table; a recipe whose parts are missing has NaN."""
    found = {name: np.full((len(tables), 2), np.nan) for name in names}
    for n, stems in enumerate(tables):
        splits = [Table(stem) for stem in stems]
        for name in names:
            try:
                scores = [(table.label, RECIPES[name](table)) for table in splits]
            except FileNotFoundError:
                continue
            found[name][n] = np.mean([(auroc(*pair), average_precision(*pair)) for pair in scores], 0)
    return found


def compared(own, other):
    difference = own - other
    counts = "/".join(str(int(n)) for n in ((difference > TIE).sum(), (abs(difference) <= TIE).sum(), (difference < -TIE).sum()))
    p = wilcoxon(difference).pvalue if np.any(difference) else 1.
    return f"{difference.mean():+.4f} {counts:>8} {p:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts")
    parser.add_argument("--groups", default="dev,adbench")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--against", default="d1+dm,tables w.5")
    parser.add_argument("--only", default="", help="recipes whose names hold one of these")
    parser.add_argument("--complete", default="", help="only tables that have this part")
    arguments = parser.parse_args()
    against = arguments.against.split(",")
    names = [name for name in RECIPES if name in against or any(part in name for part in arguments.only.split(","))]
    for group in arguments.groups.split(","):
        seeds = arguments.seeds.split(",")
        paths = sorted(glob.glob(os.path.join(arguments.parts, group, f"*.{seeds[0]}.distances.npz")))
        tables = [[path[:-len(f"{seeds[0]}.distances.npz")] + seed for seed in seeds] for path in paths]
        if arguments.complete:
            tables = [stems for stems in tables if all(os.path.exists(f"{stem}.{arguments.complete}.npz") for stem in stems)]
        found = figures(tables, names)
        print(f"{group}: {len(tables)} tables, {len(seeds)} splits")
        complete = {name: values for name, values in found.items() if np.isfinite(values).all()}
        for name, values in complete.items():
            row = f"{name:22} {values[:, 0].mean():.4f} {values[:, 1].mean():.4f}"
            for other in against:
                if other in complete and other != name:
                    row += f" | {other}: " + ", ".join(compared(values[:, f], complete[other][:, f]) for f in (0, 1))
            print(row, flush=True)


if __name__ == "__main__":
    sys.exit(main())
