"""Plots of detectors, by matplotlib: ``pip install matplotlib``. Each function draws into `ax`, a new one by
default, and returns it."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np


def training(detector: Any, statistic: str = "generator_loss", ax: Any = None) -> Any:
    """Draw the curve of one training statistic for each model of the population, every 100 steps.

    `statistic` is a name in ``detector.history_[0]["models"][0]``; ValueError for another, and for a detector without
    history, such as one of the method knn.
    """
    history = detector.history_
    if not history or not history[0]["models"]:
        raise ValueError("the detector has no history: nothing was trained, or it was loaded from a file")
    known = history[0]["models"][0]
    if statistic not in known:
        raise ValueError(f"statistic is {statistic!r}, expected one of {', '.join(known)}")
    ax = plt.subplots()[1] if ax is None else ax
    # Methods of an ensemble train one after the other: each part of the curve has the models of its own.
    for model in range(max(len(entry["models"]) for entry in history)):
        points = [(entry["step"], entry["models"][model][statistic]) for entry in history
                  if model < len(entry["models"])]
        ax.plot(*zip(*points), label=f"model {model}")
    ax.set(xlabel="step", ylabel=statistic.replace("_", " "))
    ax.legend()
    return ax


def scores(detector: Any, X: Any, y: Any = None, ax: Any = None) -> Any:
    """Draw the histogram of the anomaly scores of X with the threshold; with labels y (not 0: anomaly) by class."""
    ax = plt.subplots()[1] if ax is None else ax
    found = detector.anomaly_score(X)
    found, labels = found[~np.isnan(found)], None if y is None else np.asarray(y)[~np.isnan(found)] != 0
    edges = np.histogram_bin_edges(found, bins=50)
    if labels is None:
        ax.hist(found, bins=edges, label="rows")
    else:
        ax.hist(found[~labels], bins=edges, alpha=0.6, label="normal")
        ax.hist(found[labels], bins=edges, alpha=0.6, label="anomalies")
    ax.axvline(float(detector.threshold_), color="black", linestyle="--", label="threshold")
    ax.set(xlabel="anomaly score", ylabel="rows")
    ax.legend()
    return ax


def explanation(detector: Any, row: Any, count: int = 8, ax: Any = None) -> Any:
    """Draw the shares of the columns that explain the score of one row, [1, columns] as the other methods take X."""
    reasons = detector.explain(row, count=count)
    if len(reasons) != 1:
        raise ValueError(f"row has {len(reasons)} rows, expected one")
    ax = plt.subplots()[1] if ax is None else ax
    shown = reasons[0][::-1]
    ax.barh([reason.column for reason in shown], [reason.share for reason in shown])
    for place, reason in enumerate(shown):
        ax.annotate(str(reason).split(": ", 1)[1], (reason.share, place), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize="small")
    ax.set(xlabel="share of the score", xlim=(0, max(1.0, *(reason.share for reason in shown))))
    return ax


def marginals(detector: Any, X: Any, n_samples: int = 1000, columns: Any = None, axes: Any = None) -> Any:
    """Draw the distribution of each column in X beside that of rows that the detector draws, for those of the first
    eight columns that are numbers, or those of the given positions. Returns an array of axes.

    For detectors that draw rows: NotImplementedError for others. X is an array.
    """
    real, drawn = np.asarray(X, dtype=np.float32), detector.sample(n_samples)
    columns = list(range(min(8, real.shape[1]))) if columns is None else list(columns)
    if axes is None:
        axes = plt.subplots(1, len(columns), figsize=(3 * len(columns), 3), squeeze=False)[1][0]
    for ax, column in zip(axes, columns):
        cells = real[:, column][~np.isnan(real[:, column])]
        edges = np.histogram_bin_edges(np.concatenate([cells, drawn[:, column]]), bins=30)
        ax.hist(cells, bins=edges, density=True, alpha=0.6, label="rows")
        ax.hist(drawn[:, column], bins=edges, density=True, alpha=0.6, label="drawn")
        ax.set_title(detector.columns_[column])
    axes[0].legend()
    return axes


def latent(detector: Any, z: Any = None, steps: int = 8, model: int = 0, columns: Any = None, random_state: Any = None,
           axes: Any = None) -> Any:
    """Draw what the generator of one model makes of latents on the way from each row of z to the next.

    Of images a grid: a row for each leg of the way, an image for each of its `steps` latents. Of other rows a curve for
    each of the first eight columns, or those of the given positions. z has shape [latents, size of z], such as
    ``detector.encode(X)[:2]``; by default it is drawn from the prior: 2 latents, of images 5. The way is spherical
    (White 2016, "Sampling generative networks"): it keeps to where latents of a normal prior lie.
    NotImplementedError for a method without latents. Returns an array of axes.
    """
    shape = getattr(detector, "image_shape_", None)
    z = detector.draw_latents(5 if shape else 2, random_state=random_state) if z is None else np.asarray(z)
    if z.ndim != 2 or len(z) < 2 or steps < 2:
        raise ValueError(f"z has shape {z.shape} and steps is {steps}, expected at least two latents and two steps")
    made = detector.decode(np.concatenate([_way(*ends, steps) for ends in zip(z, z[1:])]), model=model)
    if shape:
        if axes is None:
            axes = plt.subplots(len(z) - 1, steps, figsize=(steps, len(z) - 1), squeeze=False)[1]
        lowest, most = made.min(), made.max()
        for ax, image in zip(axes.flat, (made - lowest) / max(most - lowest, np.finfo(np.float32).tiny)):
            ax.imshow(image if shape[2] == 3 else image.mean(axis=-1), cmap="gray", vmin=0, vmax=1)
            ax.set_axis_off()
        return axes
    columns = list(range(min(8, made.shape[1]))) if columns is None else list(columns)
    if axes is None:
        axes = plt.subplots(1, len(columns), figsize=(3 * len(columns), 3), squeeze=False)[1][0]
    places = np.concatenate([leg + np.linspace(0, 1, steps) for leg in range(len(z) - 1)])
    for ax, column in zip(axes, columns):
        ax.plot(places, made[:, column])
        ax.set(title=detector.columns_[column], xlabel="latent")
        ax.set_xticks(range(len(z)))
    return axes


def _way(first: Any, last: Any, steps: int) -> Any:
    """Return `steps` latents from one to another, on the sphere through both if there is one way along it."""
    share = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths > 0 else 0.0
    if np.sin(angle) < 1e-6:
        return (1 - share) * first + share * last
    return (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
