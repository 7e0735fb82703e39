"""What a fit reports: kept as history, shown by tqdm or logged."""

from __future__ import annotations

import logging
from typing import Any


class Progress:
    """Receives the progress of a fit; a context that closes the bar."""

    def __init__(self, verbose: int, logger: logging.Logger) -> None:
        self.history: list[dict[str, Any]] = []
        self._logger = logger
        self._verbose = verbose
        self._bar: Any = None
        self._bar_type: Any = None
        if verbose:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar_type = tqdm

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, step: int, steps: int, models: list[dict[str, Any]]) -> None:
        """Every 100 steps and at the end: `models` has the training statistics of each model."""
        self.history.append({"step": step, "steps": steps, "models": models})
        if self._bar_type is not None:
            if self._bar is None:
                self._bar = self._bar_type(total=steps, unit="step")
            self._bar.total = steps
            self._bar.update(step - self._bar.n)
        elif self._verbose:
            self._logger.warning("step %d of %d", step, steps)

    def message(self, text: str) -> None:
        """One line: a model was restored, a column is constant, ..."""
        self._logger.info("%s", text)


def runs_of(history: list[dict[str, Any]]) -> dict[str, list[tuple[int, dict[str, float]]]]:
    """Return for each model of a `history_` its name and its [(step, statistics)].

    Methods of an ensemble train one after the other: the curve of model 0 is that of each method's first model.
    """
    runs: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for entry in history:
        for number, statistics in enumerate(entry["models"]):
            runs.setdefault(f"model-{number}", []).append((entry["step"], statistics))
    return runs
