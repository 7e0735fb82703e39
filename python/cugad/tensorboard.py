"""Training statistics for TensorBoard: ``pip install 'cugad[tensorboard]'``, then ``tensorboard --logdir FOLDER``."""

from __future__ import annotations

import os
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from cugad._progress import runs_of


def write(detector: Any, folder: "str | os.PathLike[str]") -> "list[str]":
    """Write the training statistics of a fitted detector as event files, one run per model of the population.

    Returns the folders of the runs: ``folder/model-0``, ... Their tags are the statistics of ``history_``. ValueError
    for a detector without history: one that was loaded, or whose method trains no networks.
    """
    if not detector.history_:
        raise ValueError("the detector has no history: nothing was trained, or it was loaded from a file")
    folders = []
    for name, points in runs_of(detector.history_).items():
        folders.append(os.path.join(os.fspath(folder), name))
        writer = EventFileWriter(folders[-1])
        for step, statistics in points:
            values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in statistics.items()]
            writer.add_event(Event(step=step, summary=Summary(value=values)))
        writer.close()
    return folders
