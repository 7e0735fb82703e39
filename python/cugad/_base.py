"""The base classes of estimators: scikit-learn's, or as much of them as detectors need where it is not installed."""
import inspect

try:
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.exceptions import NotFittedError
except ImportError:

    class NotFittedError(ValueError, AttributeError):
        """A method that needs `fit` was called before it."""

    class BaseEstimator:
        """Parameters by name."""

        def get_params(self, deep=True):
            """Return the parameters of the constructor as a dictionary."""
            return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

        def set_params(self, **params):
            """Change parameters; returns self."""
            known = self.get_params()
            for name, value in params.items():
                if name not in known:
                    raise ValueError(f"Invalid parameter {name!r} for estimator {type(self).__name__}.")
                setattr(self, name, value)
            return self

    class OutlierMixin:
        """Fits and predicts the same rows."""

        def fit_predict(self, X, y=None, **kwargs):
            """Fit on the rows of X, and return 1 for each normal one and -1 for each anomaly."""
            return self.fit(X, **kwargs).predict(X)
