"""Trainings that several processes divide into shards, whose parts make the very file of one process."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from cugad import _cugad
from cugad._progress import LOGGER, Progress
from cugad._tables import errors_in_python


@dataclasses.dataclass
class Training:
    """What each shard of a training is given: what a fit makes of its table. It can be sent to workers."""

    rows: np.ndarray
    groups: list[str] | None  # of each row; None: one detector
    arguments: dict[str, Any]  # further ones of _cugad.fit_part

    def fit_part(self, shard: str | tuple[int, int], output: str | os.PathLike[str], verbose: int = 0,
                 **changes: Any) -> None:
        """Train the models of a shard, "2/4" or (2, 4), and write its part. `changes`: of the arguments."""
        if not isinstance(shard, (str, tuple, list)):
            raise ValueError(f"shard is {shard!r}, expected its number and their count: \"2/4\" or (2, 4)")
        text = shard if isinstance(shard, str) else "/".join(str(number) for number in shard)
        progress = Progress(verbose, LOGGER)
        with progress, errors_in_python():
            _cugad.fit_part(self.rows, self.groups, text, os.fspath(output), on_progress=progress.update,
                            on_message=progress.message, **{**self.arguments, **changes})


def merge(parts: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, device: str = "auto",
          n_jobs: int | None = None) -> None:
    """Write the model file that one process would have written, from the parts of all shards in any order.

    ValueError names the shard that is missing or there twice, or what differs between parts of different trainings.
    """
    if isinstance(parts, (str, bytes, os.PathLike)):
        raise ValueError(f"parts is {parts!r}, expected a list of the parts of all shards")
    if os.path.exists(output) and any(os.path.exists(part) and os.path.samefile(part, output) for part in parts):
        raise ValueError(f"output is {os.fspath(output)!r}, which is one of the parts")
    _cugad.merge_parts([os.fspath(part) for part in parts], os.fspath(output), device,
                       0 if n_jobs in (None, -1) else n_jobs, on_message=lambda text: LOGGER.info("%s", text))
