"""Detectors as models of MLflow, and their fits in its runs: ``pip install 'cugad[mlflow]'``."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import mlflow
import numpy as np
from mlflow.models import Model

from cugad import _cugad
from cugad._detector import AnomalyDetector
from cugad._fleet import FleetDetector
from cugad._image import ImageDetector
from cugad._progress import AUTOMATIC

FILE = "model.safetensors"


class Scorer:
    """What mlflow.pyfunc calls: a table of the scores of rows, and whether these are anomalies."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Return a DataFrame with the columns anomaly_score and is_anomaly."""
        import pandas
        scores = self.detector.anomaly_score(model_input)
        return pandas.DataFrame({"anomaly_score": scores, "is_anomaly": ~(scores < self.detector.threshold_)})


def _load_detector(path: str) -> AnomalyDetector | FleetDetector:
    if _cugad.Fleet.is_fleet(path):
        return FleetDetector.load(path)
    detector = AnomalyDetector.load(path)
    return detector if detector.image is None else ImageDetector.load(path)


def _load_pyfunc(path: str) -> Scorer:
    """Called by mlflow.pyfunc.load_model()."""
    return Scorer(_load_detector(path))


def _pyfunc_arguments(detector: Any, folder: str, keywords: dict[str, Any]) -> dict[str, Any]:
    file = os.path.join(folder, FILE)
    detector.save(file)
    return {"loader_module": "cugad.mlflow", "data_path": file,
            "pip_requirements": [f"cugad=={_cugad.version()}", "pandas"], **keywords}


def save_model(detector: Any, path: "str | os.PathLike[str]", **keywords: Any) -> None:
    """Save a fitted detector as a model of MLflow with the flavour python_function.

    `keywords` are those of mlflow.pyfunc.save_model, such as ``input_example``.
    """
    with tempfile.TemporaryDirectory() as folder:
        mlflow.pyfunc.save_model(path=os.fspath(path), **_pyfunc_arguments(detector, folder, keywords))


def log_model(detector: Any, name: str = "model", **keywords: Any) -> Any:
    """Log a fitted detector to the active run of MLflow; returns what mlflow.pyfunc.log_model does."""
    with tempfile.TemporaryDirectory() as folder:
        return mlflow.pyfunc.log_model(name=name, **_pyfunc_arguments(detector, folder, keywords))


def load_model(uri: str) -> "AnomalyDetector | FleetDetector":
    """Return the detector of a model that `save_model` or `log_model` wrote (mlflow.pyfunc.load_model: its scores)."""
    folder = mlflow.artifacts.download_artifacts(os.fspath(uri))
    flavour = Model.load(folder).flavors.get("python_function", {})
    if flavour.get("loader_module") != "cugad.mlflow":
        raise ValueError(f"{uri}: is a model of {flavour.get('loader_module')}, expected one that cugad.mlflow saved")
    return _load_detector(os.path.join(folder, flavour["data"]))


def _metrics_of(entry: dict[str, Any]) -> dict[str, float]:
    return {f"model-{number}/{name}": float(value) for number, statistics in enumerate(entry["models"])
            for name, value in statistics.items() if np.isfinite(value)}


def _log_parameters(detector: Any) -> None:
    mlflow.log_params({name: value for name, value in detector.get_params().items() if value is not None})


def _log_threshold(detector: Any) -> None:
    if hasattr(detector, "threshold_"):
        mlflow.log_metric("threshold", float(detector.threshold_))


class Callback:
    """Logs training statistics to the active run while a fit runs: ``detector.fit(X, callbacks=[Callback()])``.

    The run is the one that is active when the fit begins; ValueError if there is none.
    """

    def __enter__(self) -> "Callback":
        run = mlflow.active_run()
        if run is None:
            raise ValueError("no run of MLflow is active, expected a fit in `with mlflow.start_run():`")
        self._run = run.info.run_id  # runs are active in one thread, and progress comes from another
        return self

    def __call__(self, entry: dict[str, Any]) -> None:
        """Log one entry of ``history_``."""
        mlflow.log_metrics(_metrics_of(entry), step=entry["step"], run_id=self._run)

    def __exit__(self, kind: Any, *_: Any) -> None:
        pass


class _Autolog(Callback):
    """Logs a whole fit: to the active run, or to one of its own."""

    def __init__(self, detector: Any) -> None:
        self._detector, self._own = detector, False

    def __enter__(self) -> "_Autolog":
        self._own = mlflow.active_run() is None
        if self._own:
            mlflow.start_run()
        _log_parameters(self._detector)
        super().__enter__()
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            _log_threshold(self._detector)
        if self._own:
            mlflow.end_run("FINISHED" if kind is None else "FAILED")


def log_fit(detector: Any) -> None:
    """Log parameters, threshold and training statistics of a fitted detector to the active run of MLflow."""
    _log_parameters(detector)
    _log_threshold(detector)
    for entry in detector.history_:
        mlflow.log_metrics(_metrics_of(entry), step=entry["step"])


def autolog(disable: bool = False) -> None:
    """Log each fit of a detector from now on, while it runs: to the active run, or to one of its own."""
    if _Autolog in AUTOMATIC:
        AUTOMATIC.remove(_Autolog)
    if not disable:
        AUTOMATIC.append(_Autolog)
