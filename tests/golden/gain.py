#!/usr/bin/env python3
"""Writes gain.npz: one step of gain and its scores in float64, by numpy alone, from the definitions in
docs/methods/gain.md. Gradients are central differences; nothing is shared with the library.

usage: gain.py FILE
"""
import sys

import numpy as np

COLUMNS, BATCH = 9, 12
GROUP = np.array([0, 1, 2, 3, 4, 5, 5, 5, 8])  # columns 5 to 7 are a category
CELLS = [np.flatnonzero(GROUP == g) for g in range(COLUMNS) if (GROUP == g).any()]
SLOPE, ADVERSARIAL, RATE = 0.25, 0.5, 1e-3
MODELS, FOLDS, SEED, WEIGHT = 2, 2, 7, 0.5
random = np.random.RandomState(3)


def float32(values):
    return np.asarray(values, np.float32).astype(np.float64)


def network(sizes):
    return [float32(random.normal(0, 0.6, shape)) for a, b in zip(sizes, sizes[1:]) for shape in ((a, b), (b,))]


def forward(parameters, x, slope):
    for at in range(0, len(parameters), 2):
        x = x @ parameters[at] + parameters[at + 1]
        if at + 2 < len(parameters):
            x = np.where(x > 0, x, slope * x)
    return x


def softmax(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cross_entropy(logit, target):
    return np.logaddexp(0, logit) - target * logit


def rows(count, missing):
    """Numbers that depend on each other, a category of centred 0/1 columns that follows them, and a last number."""
    base = random.normal(size=(count, 1))
    x = np.concatenate([base + 0.5 * random.normal(size=(count, 5)), np.zeros((count, 3)),
                        random.normal(size=(count, 1))], 1)
    value = np.clip(np.round(base[:, 0] + 1), 0, 2).astype(int)
    x[np.arange(count), 5 + value] = 1
    x[:, 5:8] -= np.array([0.25, 0.5, 0.25])
    for r, c in missing:
        x[r, CELLS[c]] = np.nan
    return float32(x)


def visible(x, mask):
    hidden = (mask != 0) | np.isnan(x)
    return np.concatenate([np.where(hidden, 0, x), hidden], 1), hidden


def likelihoods(statistics, x):
    """-log of the likelihood per column; that of a category in each of its columns."""
    mean, v = statistics[:, :COLUMNS], np.clip(statistics[:, COLUMNS:], -7, 5)
    value = 0.5 * ((mean - x) ** 2 * np.exp(-v) + v)
    for cell in CELLS:
        if len(cell) > 1:
            shown = np.nan_to_num(x[:, cell]).argmax(1)
            value[:, cell] = -np.log(softmax(mean[:, cell])[np.arange(len(x)), shown])[:, None]
    return value


def draw(statistics, x, hidden, noise):
    mean, v = statistics[:, :COLUMNS], np.clip(statistics[:, COLUMNS:], -7, 5)
    drawn = np.where(hidden, mean + np.exp(v / 2) * noise, x)
    for cell in CELLS:
        if len(cell) == 1:
            continue
        for r in np.flatnonzero(hidden[:, cell[0]]):  # the probabilities in place of the value
            drawn[r, cell] = x[r, cell] + softmax(mean[r, cell])
            drawn[r, cell[np.nan_to_num(x[r, cell]).argmax()]] -= 1
    return np.where(np.isnan(x), 0, drawn)


def mean_of_rows(values, counts):
    sums, cells = np.where(counts, values, 0).sum(1), counts.sum(1)
    return np.where(cells > 0, sums / np.maximum(cells, 1), 0).mean()


def gradient(parameters, loss):
    found = []
    for values in parameters:
        slopes = np.zeros_like(values)
        for at in np.ndindex(values.shape):
            kept = values[at]
            values[at] = kept + 1e-5
            above = loss()
            values[at] = kept - 1e-5
            slopes[at] = (above - loss()) / 2e-5
            values[at] = kept
        found.append(slopes)
    return found


def adam(parameters, slopes):
    """The first step: both moments, corrected, are the slope and its square."""
    return [p - RATE * g / (np.sqrt(g * g) + 1e-8) for p, g in zip(parameters, slopes)]


def training_step(out):
    G, D = network([2 * COLUMNS, 8, 2 * COLUMNS]), network([COLUMNS, 8, COLUMNS])
    x = rows(BATCH, [(0, 1), (0, 5), (3, 5), (7, 0)])
    mask = np.zeros((BATCH, COLUMNS))
    for cell in CELLS:
        mask[:, cell] = (random.uniform(size=(BATCH, 1)) < 0.45).astype(float)
    mask[4] = 0  # nothing is hidden
    noise = float32(random.normal(size=(BATCH, COLUMNS)))
    shown, hidden = visible(x, mask)
    there, real = ~np.isnan(x), np.nan_to_num(x)
    begins = np.zeros(COLUMNS, bool)
    begins[[cell[0] for cell in CELLS]] = True

    statistics = forward(G, shown, 0)
    imputed = draw(statistics, x, hidden, noise)

    def judge_losses():
        return (0.5 * mean_of_rows(cross_entropy(forward(D, real, SLOPE), 1), there),
                mean_of_rows(cross_entropy(forward(D, imputed, SLOPE), np.where(hidden, 0, 1)), there))

    out["losses_D"] = np.array(judge_losses())
    slopes_D = gradient(D, lambda: sum(judge_losses()))
    updated = adam(D, slopes_D)

    def generator_losses():
        now = forward(G, shown, 0)
        drawn = draw(now, x, hidden, noise)
        likelihood = mean_of_rows(likelihoods(now, real), hidden & there & begins)
        fooled = mean_of_rows(cross_entropy(forward(updated, drawn, SLOPE), 1), hidden & there)
        return likelihood, ADVERSARIAL * fooled

    out["loss_G"] = np.array([generator_losses()[0]])
    slopes_G = gradient(G, lambda: sum(generator_losses()))
    out.update(x=x, mask=hidden, noise=noise, imputed=imputed)
    for name, values in (("G", G), ("D", D), ("gradG", slopes_G), ("gradD", slopes_D), ("D_new", updated),
                         ("G_new", adam(G, slopes_G))):
        put(out, name, values)


def put(out, name, values):
    for layer in range(len(values) // 2):
        out[f"{name}_W{layer + 1}"], out[f"{name}_b{layer + 1}"] = values[2 * layer], values[2 * layer + 1]


def philox(counter, key):
    counter, low, high = [int(c) for c in counter], key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ low, b & 0xFFFFFFFF, (a >> 32) ^ counter[3] ^ high, a & 0xFFFFFFFF]
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return counter[0] / 2**32


def scoring_masks():
    """Each cell alone, then 12 random masks; purpose 8 of the stream of random numbers."""
    masks = []
    for cell in CELLS:
        masks.append(np.isin(np.arange(COLUMNS), cell))
    for k in range(12):
        share = (0.15, 0.3, 0.5)[k % 3]
        masks.append(np.array([philox((g, 0, k, 8), SEED) < share for g in GROUP]))
    return masks


def scores(out):
    models = [(network([2 * COLUMNS, 8, 2 * COLUMNS]), network([COLUMNS, 8, COLUMNS])) for _ in range(MODELS)]
    calibration = rows(20, [(2, 0), (11, 5)])
    queries = rows(15, [(1, 1), (6, 5)])
    queries[3, 2] += 8  # beyond all calibration rows
    queries[9, 5:8] = float32([-0.25, -0.5, -0.25])  # a value without a column
    masks = scoring_masks()

    def values(model, x):
        G, D = model
        total, times = np.zeros(x.shape), np.zeros(COLUMNS)
        for mask in masks:
            statistics = forward(G, visible(x, np.tile(mask, (len(x), 1)))[0], 0)
            one = likelihoods(statistics, np.nan_to_num(x))
            none = (np.nan_to_num(x[:, 5:8]) <= 0).all(1)
            one[np.ix_(none, range(5, 8))] = -np.log(softmax(statistics[none, 5:8]).min(1, initial=1))[:, None]
            total[:, mask] += one[:, mask]
            times += mask
        value = total / times - WEIGHT * forward(D, np.nan_to_num(x), SLOPE)
        of_cells = np.stack([value[:, cell].mean(1) for cell in CELLS], 1)
        return np.where(np.isnan(x[:, [cell[0] for cell in CELLS]]), np.nan, of_cells)

    def rank(value, others):
        others = np.sort(others[~np.isnan(others)])
        tail, spread = max(0, value - others[-1]), others[-1] - others[(len(others) - 1) // 2]
        return np.log((len(others) + 1) / (1 + (others >= value).sum())) + np.log(1 + tail / spread)

    # Model m has not seen fold m, the m-th half of the calibration rows.
    half = len(calibration) // FOLDS
    held = np.concatenate([values(models[m], calibration[m * half:(m + 1) * half]) for m in range(MODELS)])
    new = np.mean([values(model, queries) for model in models], 0)
    out["query_ranks"] = np.array([[rank(v, held[:, c]) if not np.isnan(v) else 0 for c, v in enumerate(row)]
                                   for row in new])
    out["query_scores"] = np.array([ranks[~np.isnan(row)].mean() for ranks, row in zip(out["query_ranks"], new)])
    own = np.full(held.shape, np.nan)
    for r, row in enumerate(held):
        for c, v in enumerate(row):
            if not np.isnan(v):
                own[r, c] = rank(v, np.delete(held[:, c], r))
    out["calibration_scores"] = np.nanmean(own, 1)
    out.update(calibration=calibration, queries=queries)
    for m, (G, D) in enumerate(models):
        put(out, f"G{m}", G)
        put(out, f"D{m}", D)


arrays = {}
training_step(arrays)
scores(arrays)
np.savez(sys.argv[1], **{name: np.asarray(a, np.float64) for name, a in arrays.items()})
