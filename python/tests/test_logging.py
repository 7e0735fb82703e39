"""Training statistics in TensorBoard and MLflow; skipped where these are not installed."""
import numpy as np
import pytest

import cugad


@pytest.fixture(scope="module")
def ensemble(rows):
    return cugad.AnomalyDetector(method="anogan,ganomaly", steps=200, population=2, bank_rows=100).fit(rows)


def test_event_files_hold_the_history(ensemble, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from cugad import tensorboard
    folders = tensorboard.write(ensemble, tmp_path)
    assert folders == [str(tmp_path / "model-0"), str(tmp_path / "model-1")]
    for model, folder in enumerate(folders):
        events = EventAccumulator(folder).Reload()
        found = events.Scalars("generator_loss")
        assert [event.step for event in found] == [entry["step"] for entry in ensemble.history_] == [100, 200, 300, 400]
        assert [event.value for event in found] == pytest.approx(
            [entry["models"][model]["generator_loss"] for entry in ensemble.history_], rel=1e-6)
    with pytest.raises(ValueError, match="no history"):
        tensorboard.write(cugad.AnomalyDetector(method="knn").fit(np.eye(20, 3)), tmp_path)


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its data bases need more packages
    mlflow.set_tracking_uri(f"file:{tmp_path / 'runs'}")
    yield mlflow
    mlflow.set_tracking_uri(None)


def test_models_of_mlflow(tracking, tmp_path):
    pandas = pytest.importorskip("pandas")
    from cugad import mlflow
    random = np.random.default_rng(0)
    table = pandas.DataFrame({"x": random.normal(size=300), "state": random.choice(["a", "b"], size=300)})
    detector = cugad.AnomalyDetector(method="knn").fit(table)
    mlflow.save_model(detector, tmp_path / "model")
    assert (mlflow.load_model(tmp_path / "model").anomaly_score(table) == detector.anomaly_score(table)).all()
    new = pandas.DataFrame({"x": [0.0, 50.0], "state": ["a", "b"]})
    found = tracking.pyfunc.load_model(str(tmp_path / "model")).predict(new)
    assert list(found["is_anomaly"]) == [False, True] == list(detector.predict(new) < 0)
    assert (found["anomaly_score"] == detector.anomaly_score(new)).all()
    with pytest.raises(Exception, match="nosuch"):
        mlflow.load_model(str(tmp_path / "nosuch"))


def test_fits_are_logged(tracking, rows, quick):
    from cugad import mlflow
    mlflow.autolog()
    try:
        with tracking.start_run() as run:
            detector = cugad.AnomalyDetector(**quick).fit(rows)
        cugad.AnomalyDetector(method="knn").fit(rows)  # in a run of its own
    finally:
        mlflow.autolog(disable=True)
    cugad.AnomalyDetector(method="knn").fit(rows)
    client = tracking.MlflowClient()
    logged = client.get_run(run.info.run_id).data
    assert logged.params["method"] == "anogan" and logged.params["steps"] == "100"
    assert logged.metrics["threshold"] == pytest.approx(float(detector.threshold_))
    (point,) = client.get_metric_history(run.info.run_id, "model-1/generator_loss")
    assert point.step == 100 and point.value == detector.history_[0]["models"][1]["generator_loss"]
    assert len(tracking.search_runs()) == 2
