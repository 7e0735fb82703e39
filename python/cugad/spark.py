"""Detectors on Spark: needs ``pip install pyspark pyarrow``, on the driver and on all executors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow

from cugad._engines import dtype_of, merged, part_of, prepared, shard_count


def fit(detector: Any, frame: Any, output: str | os.PathLike[str], *, shards: int | None = None) -> Any:
    """Train a detector on a Spark DataFrame, write its model file, and return it as `load` does.

    The file is, to the byte, that of ``detector.fit(frame.toArrow()).save(output)``, for any number of executors and
    `shards`, and if executors die: the model files of one kind of processor agree. The driver turns the table into
    numbers of float32, which are broadcast. Each shard is a task of one thread, unless `n_jobs` of the detector says
    more. `shards` is twice the default parallelism for a fleet, else the population.
    """
    context = frame.sparkSession.sparkContext
    count = shard_count(detector, shards, context.defaultParallelism)
    training = context.broadcast(prepared(detector, frame.toArrow()))

    def train(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                part = part_of(training.value, number, count)
                yield pyarrow.RecordBatch.from_pydict({"part": pyarrow.array([part], pyarrow.binary())})

    try:
        rows = frame.sparkSession.range(1, count + 1, 1, count).mapInArrow(train, "part binary").collect()
    finally:
        training.destroy()
    return merged(detector, (bytes(row.part) for row in rows), output)


def score(detector: Any, frame: Any, method: str = "anomaly_score") -> Any:
    """Return a Spark DataFrame with a further column: what a method of a fitted detector gives for each row.

    Partitions are scored where they are, so that the frame may be larger than any executor's memory. The model is
    broadcast once. `method`: "anomaly_score", "decision_function", "predict", "probability" or "confidence".
    """
    dtype = dtype_of(method)
    if method in frame.columns:
        raise ValueError(f"the frame has a column {method!r} already: frame.drop({method!r}) leaves it out")
    model = frame.sparkSession.sparkContext.broadcast(detector)
    names = {np.float32: "float", np.float64: "double", np.int64: "long"}

    def scores(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for batch in batches:
            if batch.num_rows > 0:
                column = getattr(model.value, method)(pyarrow.table(batch))
                yield batch.append_column(method, pyarrow.array(column, pyarrow.from_numpy_dtype(dtype)))

    schema = type(frame.schema)(list(frame.schema.fields)).add(method, names[dtype])
    return frame.mapInArrow(scores, schema)
