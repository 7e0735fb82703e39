"""AnomalyDetector as an estimator of scikit-learn."""
import copy
import pickle
import warnings

import numpy as np
import pytest

import cugad

pytest.importorskip("sklearn", minversion="1.6")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

# A detector that keeps its training rows finds all of them normal, unless `contamination` asks for a share of them.
KNOWS_ITS_ROWS = {name: "the training rows lie at distance 0 from themselves"
                  for name in ("check_outliers_train", "check_outliers_fit_predict")}


@pytest.mark.parametrize("parameters, expected", [
    ({"method": "anogan", "steps": 20, "population": 1, "bank_rows": 100}, {}),
    ({"method": "gain", "steps": 20, "population": 1}, {}),
    ({"steps": 20, "population": 1, "contamination": 0.1}, {}),
    ({"method": "knn"}, KNOWS_ITS_ROWS),
], ids=["anogan", "gain", "recipe", "knn"])
def test_passes_the_checks_of_scikit_learn(parameters, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(cugad.AnomalyDetector(**parameters), on_fail=None, expected_failed_checks=expected)
    failed = [(result["check_name"], result["exception"]) for result in results if result["status"] == "failed"]
    assert not failed
    assert sum(result["status"] == "passed" for result in results) >= 40


def test_scores_are_consistent(fitted, rows):
    scores = fitted.anomaly_score(rows)
    assert scores.dtype == np.float32 and scores.shape == (400,)
    assert (fitted.score_samples(rows) == -scores).all()
    decisions = fitted.decision_function(rows)
    assert ((decisions < 0) == (scores >= fitted.threshold_)).all()
    assert (fitted.predict(rows) == np.where(scores >= fitted.threshold_, -1, 1)).all()
    at_threshold = copy.deepcopy(fitted)
    at_threshold.threshold_ = scores[5]
    assert at_threshold.predict(rows)[5] == -1 and at_threshold.decision_function(rows)[5] < 0


def test_far_rows_are_anomalies(fitted):
    assert (fitted.predict(np.full((3, 5), 30.0)) == -1).all()
    assert (fitted.probability(np.full((3, 5), 30.0)) > 0.99).all()
    assert (fitted.probability(np.full((3, 5), 30.0), kind="gaussian") > 0.99).all()
    assert (fitted.confidence(np.full((3, 5), 30.0)) > 0.99).all()
    with pytest.raises(ValueError, match="expected 'rank' or 'gaussian'"):
        fitted.probability(np.zeros((1, 5)), kind="rnak")


def test_contamination_is_a_share_of_the_training_rows(rows):
    detector = cugad.AnomalyDetector(method="knn", contamination=0.1)
    assert (detector.fit_predict(rows) == -1).sum() == 40
    with pytest.raises(ValueError, match="contamination is 0.7"):
        cugad.AnomalyDetector(method="knn", contamination=0.7).fit(rows)


def test_same_parameters_give_the_same_bits(fitted, rows, quick):
    scores = fitted.anomaly_score(rows)
    again = cugad.AnomalyDetector(**quick, n_jobs=1).fit(rows)
    assert (again.anomaly_score(rows) == scores).all()
    assert (again.anomaly_score(rows[::-1])[::-1] == scores).all()
    other = cugad.AnomalyDetector(**quick, random_state=1).fit(rows)
    assert (other.anomaly_score(rows) != scores).any()
    drawn = cugad.AnomalyDetector(**quick, random_state=np.random.RandomState(3)).fit(rows)
    assert (drawn.anomaly_score(rows) != scores).any()
    with pytest.raises(ValueError, match="cannot be used to seed"):
        cugad.AnomalyDetector(random_state="x").fit(rows)


def test_copies_score_to_the_bit(fitted, rows, tmp_path):
    joblib = pytest.importorskip("joblib")
    scores = fitted.anomaly_score(rows)
    fitted.save(tmp_path / "model.safetensors")
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = cugad.AnomalyDetector.load(tmp_path / "model.safetensors")
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), loaded,
                   joblib.load(tmp_path / "model.joblib")):
        assert (copied.anomaly_score(rows) == scores).all()
        assert (copied.predict(rows) == fitted.predict(rows)).all()
        assert copied.n_features_in_ == 5
    assert loaded.method == "anogan" and loaded.steps == 100
    with pytest.raises(NotFittedError):
        clone(fitted).predict(rows)


def test_works_with_scikit_learn(rows):
    odd = np.random.default_rng(1).uniform(-9, 9, size=(40, 5)).astype(np.float32)
    X, labels = np.concatenate([rows, odd]), np.repeat([0, 1], [400, 40])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), cugad.AnomalyDetector(method="knn"))
    scorer = make_scorer(lambda y, score: roc_auc_score(y, -score), response_method="decision_function")
    grid = GridSearchCV(pipeline, {"anomalydetector__neighbours": [3, 7]}, scoring=scorer,
                        cv=KFold(2, shuffle=True, random_state=0))
    assert grid.fit(X, labels).best_score_ > 0.9
    assert cross_val_predict(cugad.AnomalyDetector(method="knn"), X, cv=3).shape == (440,)
    fitted = pipeline.fit(rows)
    assert list(fitted[-1].feature_names_in_) == [f"x{c}" for c in range(5)]
    assert (fitted.predict(np.full((1, 5), 9.0)) == -1).all()


def test_errors_name_what_was_given(rows):
    with pytest.raises(ValueError, match="method"):
        cugad.AnomalyDetector(method="anogna").fit(rows)
    with pytest.raises(ValueError, match="population"):
        cugad.AnomalyDetector(method="anogan", population=0).fit(rows)
    with pytest.raises(ValueError, match="n_jobs is 0"):
        cugad.AnomalyDetector(n_jobs=0).fit(rows)
    with pytest.raises(NotImplementedError):
        cugad.AnomalyDetector(method="knn").fit(rows).sample(3)
    with pytest.raises(ValueError):
        cugad.AnomalyDetector(method="knn").fit(np.full((20, 3), np.nan))


def test_samples_fills_and_explains(rows):
    detector = cugad.AnomalyDetector(method="gain", steps=100, population=1).fit(rows)
    holed = rows[:20].copy()
    holed[:, 3] = np.nan
    filled, low, high = detector.fill(holed)
    assert np.isfinite(filled).all() and (filled[:, :3] == holed[:, :3]).all()
    assert (low[:, 3] <= high[:, 3]).all()
    draws = detector.sample(4, given=holed, random_state=1)
    assert draws.shape == (20, 4, 5) and (draws == detector.sample(4, given=holed, random_state=1)).all()
    odd = rows[:1].copy()
    odd[0, 3] += 8
    reasons = detector.explain(odd, 2)
    assert len(reasons) == 1 and isinstance(reasons[0][0], cugad.Reason) and reasons[0][0].finding == "residual"
    assert "expected" in str(reasons[0][0])
    missing = detector.explain(holed[:1], 5)[0]
    assert any(reason.finding == "missing" and "no value" in str(reason) for reason in missing)
    assert detector.cell_scores(rows).shape == rows.shape


def test_samples_of_a_generator(fitted):
    samples = fitted.sample(10, random_state=2)
    assert samples.shape == (10, 5) and (samples == fitted.sample(10, random_state=2)).all()
    assert (samples != fitted.sample(10, random_state=3)).any()


def test_parts_of_an_ensemble(rows):
    detector = cugad.AnomalyDetector(method=["knn", "gain"], steps=50, population=1).fit(rows)
    parts = detector.part_scores(rows)
    assert list(parts) == ["knn_nearest", "knn_mean", "gain"]
    assert all(scores.shape == (400,) for scores in parts.values())
    assert detector.notes_ and all(isinstance(note, str) for note in detector.notes_)


def test_scores_of_more_rows_than_a_chunk(fitted, rows):
    many = np.tile(rows, (30, 1))
    assert (fitted.anomaly_score(many) == np.tile(fitted.anomaly_score(rows), 30)).all()


def test_history_and_parameters(fitted):
    assert [entry["step"] for entry in fitted.history_] == [100]
    assert len(fitted.history_[0]["models"]) == 2
    assert np.isfinite(fitted.history_[0]["models"][0]["discriminator_loss"])
    assert fitted.get_params()["population"] == 2 and "lambda_" in fitted.get_params()
    assert fitted.columns_ == list("01234")
