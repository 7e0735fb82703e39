"""Training statistics for TensorBoard: ``pip install 'cugad[tensorboard]'``, then ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import os
import time
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class Callback:
    """Writes training statistics while a fit runs: ``detector.fit(X, callbacks=[Callback(folder)])``.

    There is one run per model of the population: ``folder/model-0``, ... Their tags are the statistics of ``history_``.
    (Methods of an ensemble train one after the other: the curve of model 0 is that of each method's first model.)
    """

    def __init__(self, folder: "str | os.PathLike[str]") -> None:
        self._folder = os.fspath(folder)
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> "Callback":
        return self

    def __call__(self, entry: dict[str, Any]) -> None:
        """Write one entry of ``history_``."""
        for number, statistics in enumerate(entry["models"]):
            folder = os.path.join(self._folder, f"model-{number}")
            if folder not in self._writers:
                self._writers[folder] = EventFileWriter(folder)
            values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in statistics.items()]
            event = Event(step=entry["step"], wall_time=time.time(), summary=Summary(value=values))
            self._writers[folder].add_event(event)
            self._writers[folder].flush()

    def __exit__(self, *_: Any) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def write(detector: Any, folder: "str | os.PathLike[str]") -> "list[str]":
    """Write the training statistics of a fitted detector as `Callback` does; returns the folders of the runs.

    ValueError for a detector without history: one that was loaded, or whose method trains no networks.
    """
    if not detector.history_:
        raise ValueError("the detector has no history: nothing was trained, or it was loaded from a file")
    with Callback(folder) as callback:
        for entry in detector.history_:
            callback(entry)
        return list(callback._writers)
