"""ImageDetector."""
import pickle

import numpy as np
import pytest

import cugad


@pytest.fixture(scope="module")
def images():
    """Grey images [60, 8, 8] of uint8: a bright square on noise."""
    made = np.random.default_rng(2).integers(0, 40, size=(60, 8, 8), dtype=np.uint8)
    made[:, 2:5, 2:5] += 180
    return made


def test_heatmaps_have_the_shape_of_images(images, tmp_path):
    detector = cugad.ImageDetector(method="knn").fit(images)
    odd = images[:2].copy()
    odd[:, 6, 6] = 255
    assert (detector.anomaly_score(odd) > detector.anomaly_score(images[:2])).all()
    assert detector.predict(images).shape == (60,)
    maps = detector.cell_scores(odd)
    assert maps.shape == (2, 8, 8, 1)
    assert np.unravel_index(maps[0, :, :, 0].argmax(), (8, 8)) == (6, 6)
    detector.save(tmp_path / "model")
    assert (cugad.ImageDetector.load(tmp_path / "model").cell_scores(odd) == maps).all()
    with_channel = cugad.ImageDetector(method="knn").fit(images[..., None])
    assert (with_channel.anomaly_score(odd[..., None]) == detector.anomaly_score(odd)).all()
    assert (pickle.loads(pickle.dumps(detector)).anomaly_score(odd) == detector.anomaly_score(odd)).all()


def test_networks_draw_images(images):
    detector = cugad.ImageDetector(method="anogan", steps=4, population=1, batch=8, bank_rows=16).fit(
        np.repeat(images[..., None], 3, axis=3))
    assert detector.sample(2).shape == (2, 8, 8, 3)
    assert detector.anomaly_score(np.repeat(images[..., None], 3, axis=3)).shape == (60,)


def test_wrong_images(images, tmp_path):
    cugad.AnomalyDetector(method="knn").fit(images.reshape(60, -1)).save(tmp_path / "model")
    with pytest.raises(ValueError, match="not trained on images"):
        cugad.ImageDetector.load(tmp_path / "model")
    detector = cugad.ImageDetector(method="knn").fit(images)
    with pytest.raises(ValueError, match="dim 2"):
        cugad.ImageDetector().fit(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"\(8, 7, 1\), but ImageDetector is expecting \(8, 8, 1\)"):
        detector.predict(images[:, :, :7])
