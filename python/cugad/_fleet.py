"""FleetDetector."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cugad import _cugad
from cugad._detector import labels_of
from cugad._estimator import Estimator, options_of, read_rows
from cugad._explanation import Reason
from cugad._parameters import FleetParameters
from cugad._progress import Callback, entered
from cugad._rows import is_table
from cugad._shards import Training
from cugad._tables import TableColumns, errors_in_python


def group_texts(cells: Any) -> list[str]:
    """Return the groups of rows as texts: whole numbers without decimals, "" where there is none."""
    if not isinstance(cells, np.ndarray) or cells.dtype.kind != "f":
        return ["" if cell is None else str(cell) for cell in cells]
    return ["" if np.isnan(cell) else f"{cell:.17g}" for cell in cells]


class FleetDetector(Estimator, FleetParameters):
    """One detector for each group of rows (a machine, a user, a sensor), and a pooled one for small and unseen groups.

    The groups are a column of the table, which `groups` names; of arrays they are given beside the rows, as `groups` of
    each method. The detector of a group equals, to the bit, one that is fitted on its rows alone with a seed of its own.
    Scores are on each group's own scale, and so are thresholds.

    Attributes
    ----------
    groups_ : list of tuple
        Name, training rows, whether it has a model of its own, and threshold, of each group.
    n_features_in_, feature_names_in_, history_
        As those of AnomalyDetector.
    """

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, callbacks: Sequence[Callback] = ()) -> "FleetDetector":
        """Train on the normal rows X; y is ignored. `groups`: the group of each row of an array. Returns self.

        `callbacks` are those of AnomalyDetector.fit.
        """
        with entered(self, callbacks) as everyone:
            self._fit(X, groups, everyone)
        return self

    def _fit(self, X: Any, groups: Any, callbacks: Sequence[Callback]) -> None:
        with errors_in_python():
            model = _cugad.Fleet(options_of(self), self.device, self._threads(), self.minimum_rows, self.pooled_rows,
                                 self.group_seed)
        if self.contamination is not None:
            raise ValueError("contamination is not for fleets, expected false_alarm_rate or neither")
        rows, texts, columns, names, width = self._read(X, groups)
        history = self._fit_model(model, rows, (texts,), columns, callbacks)
        if columns and self.groups is not None:
            model.attach("group_column", self.groups)
        self._keep(model, columns, names, width, history)

    def _read(self, X: Any, groups: Any
              ) -> tuple[np.ndarray, list[str], TableColumns | None, np.ndarray | None, int]:
        """Return the training rows of X, the group of each, and what there is to know of the columns."""
        columns: TableColumns | None = None
        names: np.ndarray | None = None
        if is_table(X) and groups is not None and self.groups is not None:
            raise ValueError(f"groups is given, and is the column {self.groups!r} of the table, expected one of the two")
        if is_table(X) and groups is None:
            if self.groups is None:
                raise ValueError("groups is None, expected the name of the column that holds the groups")
            groups, column = [], self.groups
            rows, columns, names, width = self._read_table(
                X, without=[column], look=lambda piece: groups.extend(group_texts(piece.cells(column))))
        elif is_table(X):
            rows, columns, names, width = self._read_table(X)
        else:
            rows = read_rows(X)
            width = rows.shape[1]
        return rows, self._texts(groups, len(rows)), columns, names, width

    def _training(self, X: Any, groups: Any = None) -> Training:
        if self.contamination is not None:
            raise ValueError("contamination is not for fleets, expected false_alarm_rate or neither")
        rows, texts, columns, names, width = self._read(X, groups)
        return self._shared_training(rows, texts, columns, names, width, minimum_rows=self.minimum_rows,
                                     pooled_rows=self.pooled_rows, group_seed=self.group_seed)

    def fit_part(self, X: Any, y: Any = None, *, shard: str | tuple[int, int], output: str | os.PathLike[str],
                 groups: Any = None) -> str:
        """Train the groups of one shard on the normal rows X, and write them to `output`, which is returned.

        `shard` is (i, n), i from 1 to n, or "i/n". Each of n processes is given all rows and trains the groups whose
        names hash to its shard. `cugad.merge` makes of all parts the file that `fit` and `save` would have written, to
        the byte. The estimator itself is not fitted.
        """
        return self._fit_part(self._training(X, groups), shard, output)

    @staticmethod
    def _texts(groups: Any, rows: int) -> list[str]:
        if groups is None:
            raise ValueError("groups is None, expected the group of each row")
        texts = group_texts(groups)
        if len(texts) != rows:
            raise ValueError(f"groups has {len(texts)} entries for {rows} rows, expected one per row")
        return texts

    def _further_columns(self) -> list[str]:
        return [self.groups] if self.groups is not None else []

    def _chunks(self, X: Any) -> Iterator[tuple[np.ndarray, tuple[Any, ...]]]:
        X, groups = X
        if not is_table(X):
            first = 0
            texts = self._texts(groups, X.shape[0])
            for rows in self._array_chunks(X):
                yield rows, (texts[first:first + len(rows)],)
                first += len(rows)
            return
        for rows, _, texts in self._grouped_chunks(X, groups, ()):
            yield rows, (texts,)

    def anomaly_score(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the anomaly score of each row by the model of its group, float32 of shape [rows]."""
        return super().anomaly_score((X, groups))

    def score_samples(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the opposite of the anomaly score."""
        return -self.anomaly_score(X, groups).astype(np.float64)

    def thresholds(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return for each row the threshold of the model that scores it."""
        model = self._fitted()
        return self._over_chunks(lambda rows, further: model.thresholds(*further), (X, groups))

    def decision_function(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return how far below its threshold each row's score is: negative for anomalies."""
        model = self._fitted()
        return self._over_chunks(
            lambda rows, further: np.nextafter(model.thresholds(*further), np.float32(-np.inf)) -
            model.score(rows, *further), (X, groups))

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return 1 for each normal row of X and -1 for each anomaly."""
        return np.where(self.decision_function(X, groups) >= 0, 1, -1)

    def fit_predict(self, X: Any, y: Any = None, *, groups: Any = None, **keywords: Any) -> np.ndarray:
        """Fit on the rows of X, and return 1 for each normal one and -1 for each anomaly."""
        return self.fit(X, y, groups=groups, **keywords).predict(X, groups)

    def probability(self, X: Any, groups: Any = None, kind: str = "rank") -> np.ndarray:  # type: ignore[override]
        """Return each row's score as a probability in [0, 1], see AnomalyDetector.probability."""
        return super().probability((X, groups), kind)

    def confidence(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the confidence of each row's label, see AnomalyDetector.confidence."""
        return super().confidence((X, groups))

    def explain(self, X: Any, groups: Any = None,  # type: ignore[override]
                count: int = 5) -> "list[list[Reason]]":
        """Return a list of `Reason`s for each row, see AnomalyDetector.explain."""
        return super().explain((X, groups), count)

    def report(self, X: Any, y: Any = None, *, group: Any, path: str | os.PathLike[str], groups: Any = None,
               title: str | None = None, ids: Sequence[str] = (), top: int = 25) -> None:
        """Write a page about the detector of one group and its rows of X, see AnomalyDetector.report.

        A group without a detector of its own has the pooled one. ValueError for an unknown group.
        """
        model, [name] = self._fitted(), group_texts([group])
        own = {known: has_own for known, _, has_own, _ in model.groups}
        if name not in own:
            raise ValueError(f"group is {group!r}, expected one of the {len(own)} groups of the fit")
        labels = None if y is None else labels_of(y)
        page = model.report(group=name if own[name] else "", title=title or f"group {name}",
                            encoder=self._columns.encoder if self._columns else None, ids=list(ids), top=top)
        first = 0
        for rows, table, texts in self._grouped_chunks(X, groups, ids):
            kept = np.flatnonzero([text == name for text in texts])
            page.add(np.ascontiguousarray(rows[kept]), None if labels is None else labels[first:first + len(rows)][kept],
                     None if table is None else table.take(kept.tolist()), kept + first)
            first += len(rows)
        if labels is not None and len(labels) != first:
            raise ValueError(f"y has {len(labels)} labels for {first} rows, expected one per row")
        page.write(os.fspath(path))

    def _grouped_chunks(self, X: Any, groups: Any, also: Sequence[str]
                        ) -> Iterator[tuple[np.ndarray, _cugad.Table | None, list[str]]]:
        """Yield (rows, table, groups) for X, with a table if it is one."""
        if not is_table(X):
            if also:
                raise ValueError(f"ids names columns ({', '.join(also)}), and X is an array, expected a table")
            for rows, (texts,) in self._chunks((X, groups)):
                yield rows, None, texts
            return
        first = 0
        for rows, table in self._table_chunks(X, also):
            here = table.cells(str(self.groups)) if groups is None else groups[first:first + len(rows)]
            yield rows, table, self._texts(here, len(rows))
            first += len(rows)

    @property
    def groups_(self) -> list[tuple[str, int, bool, float]]:
        """Name, training rows, whether it has a model of its own, and threshold, of each group."""
        return list(self._fitted().groups)

    @property
    def columns_(self) -> list[str]:
        """The columns that the models see."""
        return list(self._fitted().column_names)

    def to_onnx(self, path: str | os.PathLike[str], group: str, *, output_prefix: str = "") -> None:
        """Write the model of one group as an ONNX model, see AnomalyDetector.to_onnx."""
        self._fitted().export_onnx(str(path), str(group), output_prefix=output_prefix)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto",
             n_jobs: int | None = None) -> FleetDetector:
        """Return the fleet of a model file."""
        model = _cugad.Fleet.load(str(path), device, 0 if n_jobs in (None, -1) else n_jobs)
        made: FleetDetector = cls._loaded_estimator(model, device=device, n_jobs=n_jobs)
        made.groups = model.attachment("group_column") or None
        return made
