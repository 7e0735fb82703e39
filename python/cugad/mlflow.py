"""Detectors as models of MLflow, and their fits in its runs: ``pip install 'cugad[mlflow]'``."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import mlflow
import numpy as np
from mlflow.models import Model

from cugad import _cugad, _estimator
from cugad._detector import AnomalyDetector
from cugad._fleet import FleetDetector
from cugad._image import ImageDetector
from cugad._progress import runs_of

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


def log_fit(detector: Any) -> None:
    """Log parameters, threshold and training statistics of a fitted detector to the active run of MLflow."""
    given = {name: value for name, value in detector.get_params().items() if value is not None}
    mlflow.log_params(given)
    if hasattr(detector, "threshold_"):
        mlflow.log_metric("threshold", float(detector.threshold_))
    for run, points in runs_of(detector.history_).items():
        for step, statistics in points:
            finite = {f"{run}/{name}": float(value) for name, value in statistics.items() if np.isfinite(value)}
            mlflow.log_metrics(finite, step=step)


def _log_in_some_run(detector: Any) -> None:
    if mlflow.active_run() is not None:
        log_fit(detector)
        return
    with mlflow.start_run():
        log_fit(detector)


def autolog(disable: bool = False) -> None:
    """Log each fit of a detector from now on: to the active run, or to one of its own."""
    if _log_in_some_run in _estimator.AFTER_FIT:
        _estimator.AFTER_FIT.remove(_log_in_some_run)
    if not disable:
        _estimator.AFTER_FIT.append(_log_in_some_run)
