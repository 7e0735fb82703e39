"""The base classes of estimators: scikit-learn's, or as much of them as detectors need where it is not installed."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["BaseEstimator", "NotFittedError", "OutlierMixin"]

try:
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.exceptions import NotFittedError
except ImportError:

    class NotFittedError(ValueError, AttributeError):  # type: ignore[no-redef]
        """A method that needs `fit` was called before it."""

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name."""

        def get_params(self, deep: Any = True) -> Any:
            """Return the parameters of the constructor as a dictionary."""
            return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

        def set_params(self, **params: Any) -> Any:
            """Change parameters; returns self."""
            known = self.get_params()
            for name, value in params.items():
                if name not in known:
                    raise ValueError(f"Invalid parameter {name!r} for estimator {type(self).__name__}.")
                setattr(self, name, value)
            return self

    class OutlierMixin:  # type: ignore[no-redef]
        """Fits and predicts the same rows."""

        def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> Any:
            """Fit on the rows of X, and return 1 for each normal one and -1 for each anomaly."""
            return self.fit(X, **kwargs).predict(X)  # type: ignore[attr-defined]
