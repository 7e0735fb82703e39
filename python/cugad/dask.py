"""Detectors on Dask: needs ``pip install "dask[dataframe]"``, and for workers in other processes ``dask[distributed]``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import dask
import pandas

from cugad._engines import dtype_of, merged, part_of, prepared, shard_count
from cugad._shards import Training


def _client() -> Any:
    """The current client of dask.distributed, or None."""
    try:
        from distributed import default_client
        return default_client()
    except (ImportError, ValueError):
        return None


def _check(frame: Any) -> None:
    if not hasattr(frame, "to_delayed") or not hasattr(frame, "map_partitions"):
        raise TypeError(f"frame is a {type(frame).__module__}.{type(frame).__name__}, expected a Dask DataFrame: "
                        "dask.dataframe.from_pandas(frame, npartitions=...) makes one of pandas")


def fit(detector: Any, frame: Any, output: str | os.PathLike[str], *, shards: int | None = None) -> Any:
    """Train a detector on a Dask DataFrame, write its model file, and return it as `load` does.

    The file is, to the byte, that of ``detector.fit(frame.compute().reset_index(drop=True)).save(output)``, for any
    number of partitions, workers and `shards`, and if workers die: the model files of one kind of processor agree. Each
    shard is a task of one thread, unless `n_jobs` of the detector says more. One worker turns the table into numbers,
    which each worker holds as float32. `shards` is twice the workers' threads for a fleet, else the population.
    """
    _check(frame)
    client = _client()
    threads = sum(client.nthreads().values()) if client else os.cpu_count() or 1
    count = shard_count(detector, shards, threads)
    training = dask.delayed(_prepared)(detector, frame.to_delayed())
    parts = [dask.delayed(part_of)(training, number, count) for number in range(1, count + 1)]
    return merged(detector, dask.compute(*parts), output)


def _prepared(detector: Any, pieces: Sequence[Any]) -> Training:
    return prepared(detector, (piece.reset_index(drop=True) for piece in pieces if len(piece) > 0))


def score(detector: Any, frame: Any, method: str = "anomaly_score") -> Any:
    """Return what a method of a fitted detector gives for each row of a Dask DataFrame, as a lazy Series.

    Partitions are scored where they are, so that the frame may be larger than any worker's memory. Each worker gets the
    model once. `method`: "anomaly_score", "decision_function", "predict", "probability" or "confidence".
    """
    _check(frame)
    dtype, client = dtype_of(method), _client()
    model = client.scatter(detector, broadcast=True, hash=False) if client else detector
    return frame.map_partitions(_scores, dask.delayed(model), method, dtype, meta=(method, dtype))


def _scores(piece: pandas.DataFrame, detector: Any, method: str, dtype: Any) -> pandas.Series:
    scores = getattr(detector, method)(piece.reset_index(drop=True)) if len(piece) > 0 else []
    return pandas.Series(scores, index=piece.index, name=method, dtype=dtype)
