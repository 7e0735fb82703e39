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


class Watching:
    """A callback that keeps what it is given; a context manager."""

    def __init__(self, stop_at=None):
        self.entries, self.moments, self.stop_at = [], [], stop_at

    def __enter__(self):
        self.moments.append("entered")
        return self

    def __call__(self, entry):
        self.entries.append(entry)
        self.moments.append(entry["step"])
        if entry["step"] == self.stop_at:
            raise RuntimeError("that is enough")

    def __exit__(self, kind, *_):
        self.moments.append(kind)


@pytest.mark.parametrize("make", [
    lambda: (cugad.AnomalyDetector(method="gan", steps=200, population=1), {}),
    lambda: (cugad.FleetDetector(method="gan", steps=200, population=1), {"groups": np.arange(400) % 2})])
def test_callbacks_see_the_history_as_it_is_made(rows, make):
    detector, further = make()
    plain, watching = [], Watching()
    detector.fit(rows, callbacks=[plain.append, watching], **further)
    assert plain == watching.entries == detector.history_ and len(plain) >= 2
    assert watching.moments == ["entered", *[entry["step"] for entry in plain], None]
    stopping = Watching(stop_at=100)
    with pytest.raises(RuntimeError, match="that is enough"):
        detector.fit(rows, callbacks=[stopping], **further)
    assert stopping.moments == ["entered", 100, RuntimeError]
    assert plain == detector.history_, "the former fit is kept"


class Hiding(Watching):
    def __exit__(self, kind, *_):
        return True


def test_callbacks_hide_no_failure_and_change_no_history(rows):
    detector = cugad.AnomalyDetector(method="gan", steps=200, population=1)
    with pytest.raises(RuntimeError, match="that is enough"):
        detector.fit(rows, callbacks=[Hiding(stop_at=100)])
    detector.fit(rows, callbacks=[dict.clear, lambda entry: entry.clear()])
    assert [entry["step"] for entry in detector.history_] == [100, 200]


def test_callbacks_of_other_kinds_are_refused(rows):
    for wrong in (print, [1], ["tensorboard"], None, 5):
        with pytest.raises(TypeError, match="callbacks is .*, expected a list of callables"):
            cugad.AnomalyDetector(method="knn").fit(rows, callbacks=wrong)


def test_images_and_pipelines_take_callbacks(rows):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    pipeline = make_pipeline(StandardScaler(), cugad.AnomalyDetector(method="gan", steps=100, population=1))
    entries = []
    pipeline.fit(rows, anomalydetector__callbacks=[entries.append])
    assert [entry["step"] for entry in entries] == [100]
    cugad.ImageDetector(method="gan", steps=20, batch=16).fit(np.zeros((40, 3, 3)) + np.arange(40)[:, None, None],
                                                              callbacks=[entries.append])
    assert [entry["step"] for entry in entries] == [100, 20]


def test_event_files_grow_while_a_fit_runs(rows, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from cugad import tensorboard
    seen = []

    def look(entry):
        events = EventAccumulator(str(tmp_path / "model-1")).Reload().Scalars("discriminator_loss")
        seen.append([event.step for event in events])
        assert events[-1].wall_time > 1.7e9

    writing = tensorboard.Callback(tmp_path)
    detector = cugad.AnomalyDetector(method="gan", steps=300, population=2)
    detector.fit(rows, callbacks=[writing, look])
    assert seen == [[100], [100, 200], [100, 200, 300]]


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


def test_metrics_are_logged_while_a_fit_runs(tracking, rows):
    from cugad import mlflow
    client, seen = tracking.MlflowClient(), []
    with pytest.raises(ValueError, match="no run of MLflow is active"):
        cugad.AnomalyDetector(method="knn").fit(rows, callbacks=[mlflow.Callback()])
    with tracking.start_run() as run:
        name = "model-0/generator_loss"
        look = lambda entry: seen.append([m.step for m in client.get_metric_history(run.info.run_id, name)])
        cugad.AnomalyDetector(method="gan", steps=200, population=1).fit(rows, callbacks=[mlflow.Callback(), look])
    assert seen == [[100], [100, 200]]
    assert len(tracking.search_runs()) == 1


def test_a_fit_that_fails_ends_its_run(tracking, rows):
    from cugad import mlflow
    mlflow.autolog()
    mlflow.autolog()  # once is enough
    try:
        with pytest.raises(ValueError):
            cugad.AnomalyDetector(method="knn").fit(rows[:, :0])
        cugad.FleetDetector(method="gan", steps=100, population=1).fit(rows, groups=np.arange(400) % 2)
    finally:
        mlflow.autolog(disable=True)
    assert tracking.active_run() is None
    runs = tracking.search_runs(order_by=["start_time"])
    assert list(runs["status"]) == ["FAILED", "FINISHED"]
    assert runs["metrics.model-0/generator_loss"].notna().tolist() == [False, True]


def test_a_fitted_detector_is_logged(tracking, fitted):
    from cugad import mlflow
    with tracking.start_run() as run:
        mlflow.log_fit(fitted)
    logged = tracking.MlflowClient().get_run(run.info.run_id).data
    assert logged.params["method"] == "anogan" and logged.metrics["threshold"] == pytest.approx(float(fitted.threshold_))
    assert logged.metrics["model-1/generator_loss"] == fitted.history_[0]["models"][1]["generator_loss"]


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
