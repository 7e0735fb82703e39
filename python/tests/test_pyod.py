"""CugadDetector, by the assertions of PyOD's tests of its own detectors."""
import numpy as np
import pytest
from numpy.testing import assert_allclose

import cugad

pytest.importorskip("pyod")
from pyod.utils.data import generate_data
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from cugad.pyod import CugadDetector


@pytest.fixture(scope="module")
def data():
    return generate_data(n_train=200, n_test=100, contamination=0.1, random_state=42)


@pytest.fixture(scope="module", params=["knn", "anogan"])
def detector(request, data):
    template = cugad.AnomalyDetector(method="knn") if request.param == "knn" else cugad.AnomalyDetector(
        method="anogan", steps=200, population=2, bank_rows=500, trim=0.1)
    return CugadDetector(contamination=0.1, detector=template).fit(data[0])


def test_attributes(detector, data):
    for name in ("decision_scores_", "labels_", "threshold_", "_mu", "_sigma"):
        assert getattr(detector, name) is not None
    assert len(detector.decision_scores_) == len(data[0]) == len(detector.labels_)
    assert detector.labels_.sum() == 20
    assert not hasattr(clone(detector), "detector_")


def test_prediction_scores(detector, data):
    scores = detector.decision_function(data[1])
    assert scores.shape == data[3].shape
    assert roc_auc_score(data[3], scores) >= 0.8


def test_prediction_labels(detector, data):
    labels, confidence = detector.predict(data[1], return_confidence=True)
    assert labels.shape == confidence.shape == data[3].shape
    assert (labels == detector.predict(data[1])).all() and set(labels) <= {0, 1}
    assert confidence.min() >= 0 and confidence.max() <= 1


@pytest.mark.parametrize("method", ["linear", "unify"])
def test_prediction_probabilities(detector, data, method):
    probabilities, confidence = detector.predict_proba(data[1], method=method, return_confidence=True)
    assert probabilities.shape == (100, 2) and probabilities.min() >= 0 and probabilities.max() <= 1
    assert_allclose(probabilities.sum(axis=1), 1)
    assert confidence.min() >= 0 and confidence.max() <= 1
    with pytest.raises(ValueError):
        detector.predict_proba(data[1], method="something")


def test_prediction_with_rejection(detector, data):
    labels, statistics = detector.predict_with_rejection(data[1], return_stats=True)
    assert labels.shape == data[3].shape and set(labels) <= {0, 1, -2}
    assert all(0 <= value for value in statistics)


def test_ranks(detector, data):
    scores, ranks = detector.decision_function(data[1]), detector._predict_rank(data[1])
    # PyOD allows 3; of kept rows few scores lie between those of new ones, which therefore tie.
    assert_allclose(rankdata(ranks), rankdata(scores), atol=8 if detector.detector.method == "knn" else 3)
    assert 0 <= ranks.min() and ranks.max() <= len(data[0]) + 1
    assert detector._predict_rank(data[1], normalized=True).max() <= 1.01


def test_fit_predict_score(detector, data):
    copied = clone(detector)
    copied.fit_predict_score(data[1], data[3])
    copied.fit_predict_score(data[1], data[3], scoring="prc_n_score")
    with pytest.raises(NotImplementedError):
        copied.fit_predict_score(data[1], data[3], scoring="something")


def test_the_default_is_the_recipe(data):
    detector = CugadDetector(detector=cugad.AnomalyDetector(steps=50, population=1)).fit(data[0])
    assert detector.get_params()["contamination"] == 0.1
    assert CugadDetector().detector is None
    with pytest.raises(ValueError, match="contamination"):
        CugadDetector(contamination=0.7)
