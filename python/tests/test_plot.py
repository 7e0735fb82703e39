"""What the plots show."""
import numpy as np
import pytest

import cugad

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot

from cugad import plot


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_training_curves(fitted):
    ax = plot.training(fitted)
    assert [line.get_label() for line in ax.lines] == ["model 0", "model 1"]
    assert ax.lines[1].get_ydata()[0] == fitted.history_[0]["models"][1]["generator_loss"]
    with pytest.raises(ValueError, match="statistic is 'loss', expected one of discriminator_loss"):
        plot.training(fitted, "loss")
    with pytest.raises(ValueError, match="no history"):
        plot.training(cugad.AnomalyDetector(method="knn").fit(np.random.default_rng(0).normal(size=(50, 2))))


def test_scores_by_class(fitted, rows):
    ax = plot.scores(fitted, rows)
    assert sum(bar.get_height() for bar in ax.patches) == 400
    assert ax.lines[0].get_xdata()[0] == fitted.threshold_
    labels = np.arange(400) < 30
    by_class = plot.scores(fitted, rows, labels, ax=pyplot.subplots()[1])
    assert [sum(bar.get_height() for bar in bars) for bars in by_class.containers] == [370, 30]


def test_bars_of_an_explanation(fitted, rows):
    odd = rows[:1].copy()
    odd[0, 3] += 8
    ax = plot.explanation(fitted, odd, count=3)
    reasons = fitted.explain(odd, count=3)[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [reason.column for reason in reasons[::-1]]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([reason.share for reason in reasons[::-1]])
    with pytest.raises(ValueError, match="2 rows"):
        plot.explanation(fitted, rows[:2])


def test_marginals_of_drawn_rows(fitted, rows):
    axes = plot.marginals(fitted, rows, n_samples=50, columns=[0, 3])
    assert [ax.get_title() for ax in axes] == ["0", "3"]
    assert len(plot.marginals(fitted, rows, n_samples=50)) == 5


def test_latents_of_rows(fitted):
    z = fitted.draw_latents(3, random_state=4)
    axes = plot.latent(fitted, z, steps=5, columns=[3, 0])
    assert [ax.get_title() for ax in axes] == ["3", "0"]
    way = axes[0].lines[0].get_ydata()
    assert len(way) == 10 and way[[0, 5, -1]] == pytest.approx(fitted.decode(z)[:, 3], rel=1e-5)
    assert len(plot.latent(fitted)) == 5
    with pytest.raises(ValueError, match=r"z has shape \(1, 3\) and steps is 8"):
        plot.latent(fitted, z[:1])


def test_the_way_between_latents_keeps_their_norm():
    first, last = np.array([2.0, 0, 0]), np.array([0, 0, 2.0])
    way = plot._way(first, last, 3)
    assert np.allclose(way, [first, [2**0.5, 0, 2**0.5], last])
    assert np.allclose(plot._way(first, -first, 3), [first, [0, 0, 0], -first])  # no way is shorter than others
    assert np.allclose(plot._way(np.zeros(3), last, 3)[1], last / 2)


def test_latents_of_images():
    images = np.random.default_rng(0).integers(0, 255, size=(60, 8, 6), dtype=np.uint8)
    detector = cugad.ImageDetector(method="gan", steps=20, population=1, batch=16).fit(images)
    axes = plot.latent(detector, steps=3)
    assert axes.shape == (4, 3) and all(ax.images[0].get_array().shape == (8, 6) for ax in axes.flat)
    coloured = cugad.ImageDetector(method="gan", steps=20, population=1, batch=16).fit(
        np.stack([images, images, 255 - images], axis=-1))
    pixels = plot.latent(coloured, coloured.draw_latents(2), steps=2)[0, 1].images[0].get_array()
    assert pixels.shape == (8, 6, 3) and pixels.min() >= 0 and pixels.max() <= 1
