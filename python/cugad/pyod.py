"""The face of PyOD: needs ``pip install pyod``."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyod.models.base import BaseDetector
from sklearn.base import clone

from cugad._detector import AnomalyDetector


class CugadDetector(BaseDetector):  # type: ignore[misc]
    """A cugad detector as a detector of PyOD: ``decision_scores_``, ``labels_`` (1: anomaly), ``predict_proba``, ...

    Parameters
    ----------
    contamination : float, default 0.1
        The share of the training rows that is anomalous, from which PyOD computes the threshold.
    detector : AnomalyDetector, default None
        The detector with its parameters, which is not changed; None: ``AnomalyDetector()``.

    Attributes
    ----------
    detector_ : AnomalyDetector
        The fitted detector.
    decision_scores_, threshold_, labels_
        As PyOD documents them. The scores of training rows are those of rows that the detector has seen: one that keeps
        its rows, as that without parameters does, ranks them all lower than new ones.
    """

    def __init__(self, contamination: float = 0.1, detector: "AnomalyDetector | None" = None) -> None:
        super().__init__(contamination=contamination)
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> "CugadDetector":
        """Train on the rows X; y is ignored. Returns self."""
        self._set_n_classes(y)
        self.detector_ = AnomalyDetector() if self.detector is None else clone(self.detector)
        self.detector_.fit(X)
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the anomaly score of each row, higher is more anomalous."""
        return self.detector_.anomaly_score(X).astype(np.float64)
