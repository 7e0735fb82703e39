"""What the estimators share: parameters to options, rows of any kind to float32, scores to decisions."""

from __future__ import annotations

import json
import os
import numbers
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cugad import _cugad
from cugad._base import BaseEstimator, NotFittedError, OutlierMixin
from cugad._explanation import Reason, reasons_of
from cugad._parameters import OPTIONS
from cugad._progress import LOGGER, Callback, Progress
from cugad._rows import is_sparse, is_table, row_chunks, to_rows
from cugad._shards import Training
from cugad._tables import TableColumns, numbers_of, open_table, read_chunks, table_names

ATTACHMENT = "python"  # what a model file does not hold otherwise: the threshold and the names of a fit in Python


def plain(value: Any) -> Any:
    """Return a parameter's value as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(one) for one in value]
    return value


def options_of(estimator: Any, extra: dict[str, Any] | None = None) -> str:
    """Return the options that the parameters of an estimator name, as JSON."""
    options = {"preset": estimator.preset} if estimator.preset is not None else {}
    for parameter, option in OPTIONS.items():
        value = plain(getattr(estimator, parameter))
        if value is None:
            continue
        if isinstance(value, list) and option in ("method", "image"):
            value = ("," if option == "method" else "x").join(map(str, value))
        options[option] = value
    options.update(extra or {})
    seed = seed_of(estimator.random_state)
    if seed is not None:
        options["seed"] = seed
    return json.dumps(options)


def seed_of(random_state: Any) -> int | None:
    """Return the seed for a random_state as scikit-learn takes it; None for None."""
    if random_state is None:
        return None
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    raise ValueError(f"{random_state!r} cannot be used to seed a detector, expected None, an integer or a "
                     "numpy.random.RandomState")


def note_of(threshold: Any, names: np.ndarray | None, width: int) -> str:
    """Return what a model file holds as ATTACHMENT."""
    return json.dumps({"threshold": None if threshold is None else float(threshold),
                       "names": None if names is None else list(names), "width": int(width)})


class Estimator(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """The base of the estimators.

    `_model` is the fitted detector or fleet, `_columns` the TableColumns of a fit on a table, else None. Rows of X go
    with further arguments of the model's calls: `_chunks` yields (rows, further).
    """

    # ---- Fitting ----

    def _threads(self) -> int:
        if self.n_jobs is None or self.n_jobs == -1:
            return 0
        if not isinstance(self.n_jobs, numbers.Integral) or self.n_jobs < 1:
            raise ValueError(f"n_jobs is {self.n_jobs!r}, expected None, -1 or at least 1")
        return int(self.n_jobs)

    def _read_table(self, X: Any, without: Sequence[str] = (), look: Callable[[_cugad.Table], None] | None = None
                    ) -> tuple[np.ndarray, TableColumns, np.ndarray | None, int]:
        """Read a table once, and return its rows, its TableColumns, the names and the number of its columns."""
        reader = open_table(X)
        names = table_names(X, reader)
        if not reader.names:
            raise ValueError("Found array with 0 feature(s) (a table without columns) while a minimum of 1 is "
                             "required.")
        settled = [*(self.condition or ()), *(self.target or ()),
                   *(self.log1p if isinstance(self.log1p, (list, tuple)) else ())]
        columns, rows = TableColumns.learn(
            reader, look, categorical=self.categorical, exclude=[*(self.exclude or ()), *without],
            include=self.include, max_categories=self.max_categories, settled=settled)
        return rows, columns, names, len(reader.names)

    def _fit_model(self, model: Any, rows: Any, further: tuple[Any, ...], columns: TableColumns | None,
                   callbacks: Sequence[Callback], **controls: Any) -> list[dict[str, Any]]:
        """Fit the model with the progress and the controls that the parameters ask for, and further ones."""
        progress = Progress(self.verbose, LOGGER, callbacks)
        with progress:
            model.fit(rows, *further, names=columns.encoder.feature_names if columns else [],
                      binary=columns.binary if columns else 0, on_progress=progress.update,
                      on_message=progress.message, checkpoint_directory=self.checkpoint_directory or "",
                      resume=bool(self.resume), **controls)
        if columns:
            model.attach("encoder", columns.encoder.to_json())
        return progress.history

    def _keep(self, model: Any, columns: TableColumns | None, names: np.ndarray | None, width: int,
              history: list[dict[str, Any]]) -> None:
        """Keep the result of a fit."""
        self._model, self._columns = model, columns
        self.n_features_in_ = width
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.history_ = history

    def _extra_options(self) -> dict[str, Any]:
        """Options that follow from X."""
        return {}

    def _training(self, X: Any, groups: Any = None) -> Training:
        """Return what each shard of a fit on X is given."""
        raise NotImplementedError

    def _shared_training(self, rows: np.ndarray, groups: list[str] | None, columns: TableColumns | None,
                         names: np.ndarray | None, width: int, **further: Any) -> Training:
        """Return the training on rows that were read: its parts hold what `save` would write beside the models."""
        if self.contamination is not None:
            raise ValueError(f"contamination is {self.contamination!r}: its threshold is that of the scores of all "
                             "training rows, which no shard has; expected false_alarm_rate or neither")
        attachments = {ATTACHMENT: note_of(None, names, width)}
        if columns:
            attachments["encoder"] = columns.encoder.to_json()
            if self._further_columns():
                [attachments["group_column"]] = self._further_columns()
        return Training(rows, groups, {
            "options": options_of(self, self._extra_options()), "device": self.device, "threads": self._threads(),
            "names": columns.encoder.feature_names if columns else [], "binary": columns.binary if columns else 0,
            "attachments": attachments, **further})

    def _fit_part(self, training: Training, shard: Any, output: "str | os.PathLike[str]") -> str:
        training.fit_part(shard, output, self.verbose, checkpoint_directory=self.checkpoint_directory or "",
                          resume=bool(self.resume))
        return os.fspath(output)

    # ---- Rows ----

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in self.__dict__

    def _fitted(self) -> Any:
        model = self.__dict__.get("_model")
        if model is None:
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
                                 "arguments before using this estimator.")
        return model

    def _check_width(self, width: int) -> None:
        if width != self.n_features_in_:
            raise ValueError(f"X has {width} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                             "features as input.")

    def _check_names(self, names: Any) -> None:
        """Compare the names of columns with those of the fit, in the words of scikit-learn."""
        fitted, name = getattr(self, "feature_names_in_", None), type(self).__name__
        if fitted is None and names is not None:
            warnings.warn(f"X has feature names, but {name} was fitted without feature names", UserWarning,
                          stacklevel=4)
        elif fitted is not None and names is None:
            warnings.warn(f"X does not have valid feature names, but {name} was fitted with feature names",
                          UserWarning, stacklevel=4)
        if fitted is None or names is None or list(fitted) == list(names):
            return
        message = "The feature names should match those that were passed during fit.\n"
        unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
        for heading, listed in (("Feature names unseen at fit time", unseen),
                                ("Feature names seen at fit time, yet now missing", missing)):
            if listed:
                message += f"{heading}:\n" + "".join(f"- {one}\n" for one in listed[:5])
                message += "- ...\n" if len(listed) > 5 else ""
        if not unseen and not missing:
            message += "Feature names must be in the same order as they were in fit.\n"
        raise ValueError(message)

    def _table_chunks(self, X: Any, also: Sequence[str] = ()) -> Iterator[tuple[np.ndarray, _cugad.Table]]:
        """Yield (rows, table) for a table, which has the columns `also` beside the features."""
        reader = open_table(X)
        if not self._loaded():
            self._check_names(table_names(X, reader))
            self._check_width(len(reader.names))
        if self._columns is not None:
            reader.keep([*self._columns.used, *self._further_columns(), *also])
        for table in read_chunks(reader):
            yield (numbers_of(table) if self._columns is None else self._columns.encoder.encode(table)), table

    def _array_chunks(self, X: Any) -> Iterator[np.ndarray]:
        """Yield rows for an array, a sparse matrix or a tensor."""
        if self._loaded() is False and hasattr(self, "feature_names_in_"):
            self._check_names(None)
        for rows in row_chunks(X):
            self._check_width(rows.shape[1])
            if self._columns is not None:
                rows = self._columns.encode_array(rows, self._array_names())
            yield rows

    def _array_names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return list(self.feature_names_in_)
        return [str(c) for c in range(self.n_features_in_)]

    def _loaded(self) -> bool:
        """Whether the model comes from a file: its tables may have more columns, in any order."""
        return bool(self.__dict__.get("_from_file", False))

    def _further_columns(self) -> list[str]:
        """Columns of a table that are read for other ends than as features."""
        return []

    def _chunks(self, X: Any) -> Iterator[tuple[np.ndarray, tuple[Any, ...]]]:
        """Yield (rows, further arguments) for X."""
        if is_table(X):
            for rows, _ in self._table_chunks(X):
                yield rows, ()
        else:
            for rows in self._array_chunks(X):
                yield rows, ()

    def _over_chunks(self, call: Callable[[Any, Any], np.ndarray], X: Any) -> np.ndarray:
        """Return call(rows, further) for all rows of X."""
        results = [call(rows, further) for rows, further in self._chunks(X)]
        return results[0] if len(results) == 1 else np.concatenate(results)

    # ---- Scores ----

    def anomaly_score(self, X: Any) -> np.ndarray:
        """Return the anomaly score of each row, float32 of shape [rows]; higher is more anomalous.

        A row's score does not depend on the rows beside it, their order, or `n_jobs`, to the bit. A row without any
        value has NaN. Float32 rows in C order are not copied.
        """
        model = self._fitted()
        return self._over_chunks(lambda rows, further: model.score(rows, *further), X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the opposite of the anomaly score, so that lower is more anomalous, as in scikit-learn."""
        return -self.anomaly_score(X).astype(np.float64)

    def probability(self, X: Any, kind: str = "rank") -> np.ndarray:
        """Return each row's score as a probability in [0, 1].

        "rank": the share of calibration scores that are no larger, which is about uniform for new normal rows;
        "gaussian": by mean and deviation of the calibration scores, as PyOD's "unify".
        """
        model = self._fitted()
        return self._over_chunks(
            lambda rows, further: model.probability(model.score(rows, *further), *further, kind=kind), X)

    def confidence(self, X: Any) -> np.ndarray:
        """Return the confidence, in [0, 1], of each row's label: the probability of the same label after training on
        other rows of the same distribution (Perini, Vercruyssen, Davis 2020), at the threshold of the calibration."""
        model = self._fitted()
        return self._over_chunks(lambda rows, further: model.confidence(model.score(rows, *further), *further), X)

    def explain(self, X: Any, count: int = 5) -> "list[list[Reason]]":
        """Return a list of the `count` most important `Reason`s for each row, which may be fewer.

        Costs about 1 + 2 max(count, 8) scores of each row.
        """
        model = self._fitted()
        offsets = self._columns.encoder.offsets if self._columns else []
        reasons = []
        for rows, further in self._chunks(X):
            _, arrays = model.explain(rows, *further, count)
            reasons += reasons_of(arrays, model.column_names, offsets)
        return reasons

    # ---- Files ----

    def _write_attachment(self) -> None:
        threshold = self.__dict__.get("_threshold")
        names = getattr(self, "feature_names_in_", None)
        self._model.attach(ATTACHMENT, note_of(threshold, names, self.n_features_in_))

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the model file, which `load`, the command and the C interface read. Atomic: whole or not at all."""
        self._fitted()
        self._write_attachment()
        self._model.save(str(path))

    @classmethod
    def _loaded_estimator(cls, model: Any, **parameters: Any) -> Any:
        """Return an estimator with the options and the model of a file."""
        options = json.loads(model.options)
        made = cls(random_state=options["seed"], **{
            parameter: options[option] for parameter, option in OPTIONS.items() if options[option] not in ("", [])},
            **parameters)
        encoder, note = model.attachment("encoder"), model.attachment(ATTACHMENT)
        note = json.loads(note) if note else {"threshold": None, "names": None, "width": None}
        columns = TableColumns.from_json(encoder) if encoder else None
        names = note["names"] if note["width"] else columns.used if columns else None
        made._keep(model, columns, None if names is None else np.asarray(names, dtype=object),
                   note["width"] or (len(names) if names is not None else model.columns), [])
        made._from_file = note["width"] is None
        made._threshold = None if note["threshold"] is None else np.float32(note["threshold"])
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


def read_rows(X: Any) -> np.ndarray:
    """Return the rows of an array, a sparse matrix or a tensor for a fit."""
    return to_rows(X.toarray() if is_sparse(X) else X)
