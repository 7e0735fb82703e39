"""Latents: drawn, encoded and decoded."""
import numpy as np
import pytest

import cugad


def test_latents_of_a_sample_give_its_rows(fitted):
    z, rows = fitted.draw_latents(7, random_state=3), fitted.sample(7, random_state=3)
    assert z.dtype == np.float32 and z.shape == (7, z.shape[1]) and rows.shape == (7, 5)
    for model in range(2):
        assert (fitted.decode(z[model::2], model=model) == rows[model::2]).all()
    assert (fitted.decode(z[::2].tolist()) == rows[::2]).all()
    assert not (fitted.decode(z[::2], model=1) == rows[::2]).all()


def test_encoded_rows_are_rebuilt(rows):
    detector = cugad.AnomalyDetector(method="ganomaly", steps=300, population=1).fit(rows)
    z = detector.encode(rows[:9])
    assert z.dtype == np.float32 and (z[4:5] == detector.encode(rows[4:5])).all()
    rebuilt = detector.decode(z)
    assert np.abs(rebuilt - rows[:9]).mean() < np.abs(rows[:9][::-1] - rows[:9]).mean()


def test_latents_of_tables_have_their_units():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    random = np.random.default_rng(1)
    table = pandas.DataFrame({"when": 1.7e9 + random.normal(size=200), "state": random.choice(["a", "b"], size=200)})
    detector = cugad.AnomalyDetector(method="fanogan", steps=50, population=1).fit(table)
    z = detector.draw_latents(4)
    assert (detector.decode(z) == detector.sample(4)).all() and detector.decode(z)[:, 0].min() > 1.6e9
    assert detector.encode(table).shape == (200, z.shape[1])


def test_latents_of_images():
    images = np.random.default_rng(0).normal(size=(60, 4, 3)).astype(np.float32)
    detector = cugad.ImageDetector(method="gan", steps=20, population=1, batch=16).fit(images)
    z = detector.draw_latents(5)
    made = detector.decode(z)
    assert made.shape == (5, 4, 3, 1) and (made == detector.sample(5)).all()


def test_what_cannot_be_is_refused(fitted, rows):
    size = fitted.draw_latents(1).shape[1]
    with pytest.raises(ValueError, match=f"z has 9 columns, expected {size}, the latent size"):
        fitted.decode(np.zeros((2, 9)))
    with pytest.raises(ValueError, match=r"z has shape \(9,\)"):
        fitted.decode(np.zeros(9))
    with pytest.raises(ValueError, match="dtype complex128, expected numbers"):
        fitted.decode(np.zeros((1, size), complex))
    assert fitted.decode(fitted.draw_latents(0)).shape == (0, rows.shape[1])
    for value, what in ((np.nan, "no number"), (np.inf, "an infinite number")):
        z = np.zeros((2, size))
        z[1, 0] = value
        with pytest.raises(ValueError, match=f"z has {what} in row 1, column 0"):
            fitted.decode(z)
    with pytest.raises(ValueError, match="model is 2, expected 0 to 1"):
        fitted.decode(np.zeros((1, size)), model=2)
    with pytest.raises(ValueError, match="negative"):
        fitted.draw_latents(-1)
    with pytest.raises(NotImplementedError, match="anogan has no encoder"):
        fitted.encode(rows)
    without = cugad.AnomalyDetector(method="knn").fit(rows)
    for call in (lambda: without.decode(np.zeros((1, 3))), without.draw_latents, lambda: without.encode(rows)):
        with pytest.raises(NotImplementedError, match="knn has no latent space"):
            call()
    with pytest.raises(cugad._base.NotFittedError):
        cugad.AnomalyDetector().decode(np.zeros((1, 3)))
