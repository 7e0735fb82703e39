"""Anomaly detection with generative adversarial networks, reproducible to the bit.

>>> import cugad
>>> detector = cugad.AnomalyDetector().fit(normal_rows)        # numpy, pandas, polars, pyarrow, scipy.sparse, ...
>>> detector.anomaly_score(new_rows)                           # one number per row, higher is more anomalous
>>> detector.predict(new_rows)                                 # -1 for anomalies, 1 for others
>>> detector.explain(new_rows[:1])                             # the columns behind the score
"""
from cugad import _cugad
from cugad._cugad import presets
from cugad._detector import AnomalyDetector
from cugad._explanation import Reason
from cugad._fleet import FleetDetector
from cugad._image import ImageDetector
from cugad._shards import merge

__version__ = _cugad.version()
__all__ = ["AnomalyDetector", "FleetDetector", "ImageDetector", "Reason", "describe_device", "merge", "presets"]


def describe_device(name: str = "auto") -> str:
    """Return one line about the device of that name: its instruction set or its chip."""
    return _cugad.describe_device(name)
