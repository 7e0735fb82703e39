"""What a fit reports: kept as history, shown by tqdm or logged."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

LOGGER = logging.getLogger("cugad")
Callback = Callable[[dict[str, Any]], Any]  # called with each entry of history_ as it is made
AUTOMATIC: list[Callable[[Any], Callback]] = []  # each makes a further callback for the fit of a detector


@contextmanager
def entered(detector: Any, callbacks: Sequence[Callback]) -> Iterator[list[Callback]]:
    """Yield the callbacks of a fit. Those that are context managers are entered for as long as it takes."""
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise TypeError(f"callbacks is {callbacks!r}, expected a list of callables")
    failure: BaseException | None = None
    with ExitStack() as stack:
        everyone = [*callbacks, *(make(detector) for make in AUTOMATIC)]
        for callback in everyone:
            if isinstance(callback, AbstractContextManager):
                stack.enter_context(callback)
        try:
            yield everyone
        except BaseException as error:
            failure = error
            raise
    if failure is not None:  # a callback's __exit__ would hide it, but the fit has no model
        raise failure


class Progress:
    """Receives the progress of a fit; a context that closes the bar."""

    def __init__(self, verbose: int, logger: logging.Logger, callbacks: Sequence[Callback] = ()) -> None:
        self.history: list[dict[str, Any]] = []
        self._callbacks = callbacks
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
        for callback in self._callbacks:
            callback(copy.deepcopy(self.history[-1]))

    def message(self, text: str) -> None:
        """One line: a model was restored, a column is constant, ..."""
        self._logger.info("%s", text)
