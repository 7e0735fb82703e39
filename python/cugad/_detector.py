"""AnomalyDetector."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cugad import _cugad
from cugad._estimator import Estimator, options_of, read_rows, seed_of
from cugad._parameters import DetectorParameters
from cugad._progress import Callback, entered
from cugad._rows import is_on_gpu, is_table, mapped_rows, tensor_rows
from cugad._shards import Training
from cugad._tables import TableColumns, errors_in_python


def labels_of(y: Any) -> np.ndarray:
    """Return labels as a report takes them: 1 for an anomaly, 0 for a normal row, -1 for one without a label."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y has {labels.ndim} dimensions, expected one label per row")
    if any(isinstance(label, str) for label in labels.tolist()):
        raise ValueError("y holds texts, expected numbers or truth values, such as kinds != 'normal'")
    unknown = np.array([label is None or label != label for label in labels.tolist()], dtype=bool)
    return np.where(unknown, -1, np.where(unknown, 0, labels) != 0).astype(np.int8)


class AnomalyDetector(Estimator, DetectorParameters):
    """Finds anomalous rows: fitted on normal rows, scores any. An estimator of scikit-learn.

    Without parameters it takes the recipe for tables: distances to training rows, and a GAN that predicts hidden cells.
    `method` names one of the others. All parameters are keywords, and those of the library's options have its names,
    but for ``score_rule``, ``lambda_`` and ``random_state``.

    X is an array of numbers of any dtype, order and stride (NaN is a missing cell), a sparse matrix of scipy, a DLPack
    tensor of the CPU, or a table: whatever hands out its columns by the Arrow PyCapsule interface, such as a DataFrame
    of pandas or polars, or a Table or RecordBatchReader of pyarrow. Columns of text, categories and truth values become
    0/1 columns. Of tables, columns that number the rows or hold dates are left out with a warning, unless `include`
    names them.

    Attributes
    ----------
    threshold_ : float
        Rows are anomalous from this anomaly score on.
    offset_ : float
        ``decision_function(X) = score_samples(X) - offset_``, which is negative for anomalies.
    n_features_in_, feature_names_in_
        The number of columns of X in `fit`, and their names if it had some.
    columns_ : list of str
        The columns that the model sees: of a table numbers first, then "category=value".
    history_ : list of dict
        Training statistics of each model every 100 steps: "step", "steps", "models".
    notes_ : list of str
        What a user of the scores has to know, a line each.

    Examples
    --------
    >>> import cugad, numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = cugad.AnomalyDetector(method="knn").fit(rows)
    >>> detector.predict([[0, 0, 0, 0], [9, 9, 9, 9]])
    array([ 1, -1])
    """

    def fit(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = (),
            row_directory: str | os.PathLike[str] | None = None) -> "AnomalyDetector":
        """Train on the normal rows X of shape [rows, columns]; y is ignored. Returns self.

        Same parameters, rows and kind of device give the same bits. Ctrl-C cancels, and leaves a checkpoint if
        `checkpoint_directory` names a folder: ``resume=True`` continues there.

        Each of `callbacks` is called every 100 steps, on a thread of the fit, with a new entry of `history_`: a
        dictionary of "step", "steps" and "models". What one raises ends the fit, as Ctrl-C does. Context managers are
        entered for the fit: ``cugad.tensorboard.Callback(folder)``, ``cugad.mlflow.Callback()``.

        With `row_directory` X may be larger than memory, such as ``numpy.load(file, mmap_mode="r")``: what the fit
        makes of the rows lies in files without a name in that folder, as large as float32 rows (twice that with missing
        cells and `gain`), and so do the rows of an array that is not of float32 in C order. Same bits as without. The
        features of a table stay in memory. Not with `trim` (NotImplementedError) or tensors of a GPU (ValueError).
        """
        folder = None if row_directory is None else os.fspath(row_directory)
        if folder is not None and (not isinstance(folder, str) or not folder):
            raise ValueError(f"row_directory is {row_directory!r}, expected the path of a folder")
        with entered(self, callbacks) as everyone:
            self._fit(X, everyone, folder)
        return self

    def _fit(self, X: Any, callbacks: Sequence[Callback], row_directory: str | None) -> None:
        with errors_in_python():
            model = _cugad.Detector(options_of(self, self._extra_options()), self.device, self._threads(),
                                    self.precision)
        if row_directory is not None and not is_table(X):
            X = mapped_rows(X, row_directory)
        if is_on_gpu(X):
            if self.contamination is not None:
                raise ValueError(f"contamination is {self.contamination!r} and X on a GPU, expected one or the other: "
                                 "its threshold is found on the CPU")
            rows, columns, names = tensor_rows(X), None, None
            width = rows.shape[1]
        else:
            rows, columns, names, width = self._read(X)
        history = self._fit_model(model, rows, (), columns, callbacks, row_directory=row_directory or "")
        self._keep(model, columns, names, width, history)
        self._from_file = False
        self._threshold = None
        if self.contamination is not None:
            self._threshold = self._training_threshold(model.score(rows), self.contamination)

    def _read(self, X: Any) -> tuple[np.ndarray, TableColumns | None, np.ndarray | None, int]:
        """Return the training rows of X in memory of the CPU, and what there is to know of its columns."""
        if is_table(X):
            return self._read_table(X)
        rows = read_rows(X)
        return rows, None, None, rows.shape[1]

    def _training(self, X: Any, groups: Any = None) -> Training:
        rows, columns, names, width = self._read(X)
        return self._shared_training(rows, None, columns, names, width, precision=self.precision)

    def fit_part(self, X: Any, y: Any = None, *, shard: str | tuple[int, int], output: str | os.PathLike[str]) -> str:
        """Train one shard of the population on the normal rows X, and write it to `output`, which is returned.

        `shard` is (i, n), i from 1 to n, or "i/n": as many processes as models may train one each, on all rows.
        `cugad.merge` makes of all parts the file that `fit` and `save` would have written, to the byte. The first part
        holds the training rows. The estimator itself is not fitted.
        """
        return self._fit_part(self._training(X), shard, output)

    def _training_threshold(self, scores: np.ndarray, contamination: float) -> np.float32:
        """The score from which on the share `contamination` of the training rows is flagged."""
        if not 0 < contamination <= 0.5:
            raise ValueError(f"contamination is {contamination!r}, expected a number above 0 and up to 0.5")
        place = len(scores) - int(round(contamination * len(scores))) - 1
        # Above the largest score that is not flagged: of equal ones all or none are.
        return np.float32(np.nextafter(np.partition(scores, place)[place], np.float32(np.inf)))

    def anomaly_score(self, X: Any) -> np.ndarray:
        # The way without any check but the model's own, for single rows.
        if type(X) is np.ndarray and X.dtype == np.float32 and X.ndim == 2 and X.flags.c_contiguous:
            model: _cugad.Detector | None = self.__dict__.get("_model")
            if model is not None and self._columns is None and X.shape[1] == self.n_features_in_ and len(X) > 0:
                return model.score(X)
        if is_on_gpu(X):
            fitted, rows = self._fitted(), tensor_rows(X)
            self._check_width(rows.shape[1])
            if self._columns is not None:
                raise ValueError("The detector was fitted on a table: expected a table or an array, got a tensor of a "
                                 "GPU.")
            scores: np.ndarray = fitted.score_placed(rows)  # or another object of the DLPack protocol
            return scores
        return super().anomaly_score(X)

    anomaly_score.__doc__ = (Estimator.anomaly_score.__doc__ or "") + """
        Of a tensor on the detector's GPU (float32, any library that knows DLPack) the scores stay there, and are
        returned as an object of the DLPack protocol: ``torch.from_dlpack(detector.anomaly_score(X))``.
        """

    def score_samples(self, X: Any) -> np.ndarray:
        return -super().anomaly_score(X).astype(np.float64)

    score_samples.__doc__ = Estimator.score_samples.__doc__

    def decision_function(self, X: Any) -> np.ndarray:
        """Return ``score_samples(X) - offset_`` of each row: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return 1 for each normal row of X and -1 for each anomaly. A row without any value is an anomaly."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    @property
    def threshold_(self) -> np.float32:
        """Rows are anomalous from this anomaly score on; it may be set."""
        model = self._fitted()
        return np.float32(model.threshold if self._threshold is None else self._threshold)

    @threshold_.setter
    def threshold_(self, value: Any) -> None:
        self._fitted()
        threshold = np.float32(value)
        if not np.isfinite(threshold):
            raise ValueError(f"threshold_ is {value}, expected a finite number")
        self._threshold = threshold

    @property
    def offset_(self) -> float:
        """What `decision_function` takes from `score_samples`."""
        # The next number, as a score that equals the threshold is that of an anomaly.
        return float(np.nextafter(-self.threshold_, np.float32(np.inf)))

    @property
    def columns_(self) -> "list[str]":
        """The columns that the model sees."""
        return list(self._fitted().column_names)

    @property
    def notes_(self) -> "list[str]":
        """What a user of the scores has to know, a line each."""
        return list(self._fitted().notes)

    def cell_scores(self, X: Any) -> np.ndarray:
        """Return the residual of each cell, float32 of shape [rows, len(columns_)]: its share in the row's anomaly, in
        the units of the method."""
        model = self._fitted()
        return self._over_chunks(lambda rows, further: model.score_cells(rows)[1], X)

    def part_scores(self, X: Any) -> "dict[str, np.ndarray]":
        """Return the scores of the parts of an ensemble as a dictionary of arrays [rows] by their names."""
        model = self._fitted()
        parts = self._over_chunks(lambda rows, further: model.score_methods(rows)[1], X)
        return {name: parts[:, p] for p, name in enumerate(model.parts)}

    def fill(self, X: Any, coverage: float = 0.9) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
        """Return (filled, low, high), float32 of shape [rows, len(columns_)]: the rows with their missing cells filled
        by what the others of their row say, and bands that hold the true value in a share `coverage` of all cells.

        For detectors with the method gain, of which the recipe for tables is one; NotImplementedError for others.
        """
        model = self._fitted()
        chunks = [model.fill(rows, coverage) for rows, _ in self._chunks(X)]
        return tuple(np.concatenate(arrays) + self._shift() for arrays in zip(*chunks))

    def sample(self, n_samples: int = 1, *, given: Any = None, random_state: Any = None) -> np.ndarray:
        """Return synthetic rows, float32 of shape [n_samples, len(columns_)], in the units of the training rows.

        With `given`, rows whose missing cells are drawn (method gain): [rows, n_samples, len(columns_)]. Same model and
        random_state, same rows. NotImplementedError for a method without a prior.
        """
        model, seed = self._fitted(), seed_of(random_state) or 0
        if given is None:
            drawn: np.ndarray = model.sample(n_samples, seed) + self._shift()
            return drawn
        rows = np.concatenate([rows for rows, _ in self._chunks(given)])
        of_given: np.ndarray = model.sample_given(rows, n_samples, seed) + self._shift()
        return of_given

    def draw_latents(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Return latents z from the prior, float32 of shape [n_samples, size of z]: those of `sample`.

        Row i of ``sample(n, random_state=s)`` is that of ``draw_latents(n, random_state=s)[i]`` by model i % population.
        NotImplementedError for a method without a prior.
        """
        drawn: np.ndarray = self._fitted().draw_latents(n_samples, seed_of(random_state) or 0)
        return drawn

    def encode(self, X: Any, *, model: int = 0) -> np.ndarray:
        """Return the latents E(x) of the rows of X by one model of the population, float32 of shape [rows, size of z].

        A missing cell enters as its column's centre. NotImplementedError for a method without an encoder.
        """
        fitted = self._fitted()
        return self._over_chunks(lambda rows, further: fitted.encode(rows, model), X)

    def decode(self, z: Any, *, model: int = 0) -> np.ndarray:
        """Return the rows G(z) that one model of the population makes of latents z, as `sample` gives rows.

        z has shape [rows, size of z] and is finite; its size is that of ``draw_latents(1)[0]``.
        """
        z = np.asarray(z)
        if z.ndim != 2 or z.dtype.kind not in "biuf":
            raise ValueError(f"z has shape {z.shape} and dtype {z.dtype}, expected numbers [rows, size of z]")
        if len(z) == 0:
            return np.empty((0, len(self.columns_)), np.float32)
        z = np.ascontiguousarray(z, dtype=np.float32)
        made: np.ndarray = self._fitted().decode(z, model) + self._shift()
        return made

    def report(self, X: Any, y: Any = None, *, path: str | os.PathLike[str], title: str = "rows",
               ids: Sequence[str] = (), top: int = 25) -> None:
        """Write a page to look at, one HTML file that needs no network: the scores of X with a threshold that can be
        moved, the most anomalous rows and why they are, columns and training curves.

        With labels y (not 0: an anomaly; None or NaN: unknown) also curves and measures. `ids` names columns of a table
        that name its rows. Needs a build with Chart.js: NotImplementedError in others. Atomic: whole or not at all.
        """
        model = self._fitted()
        labels = None if y is None else labels_of(y)
        page = model.report(title=title, encoder=self._columns.encoder if self._columns else None,
                            threshold=float(self.threshold_), ids=list(ids), history=self.history_,
                            sources=[("SHA-256 of the model", hashlib.sha256(model.to_bytes()).hexdigest())], top=top)
        first = 0
        for rows, table in self._described_chunks(X, ids):
            page.add(rows, None if labels is None else labels[first:first + len(rows)], table)
            first += len(rows)
        if labels is not None and len(labels) != first:
            raise ValueError(f"y has {len(labels)} labels for {first} rows, expected one per row")
        page.write(os.fspath(path))

    def _described_chunks(self, X: Any, also: Sequence[str]) -> Iterator[tuple[np.ndarray, _cugad.Table | None]]:
        """Yield (rows, table) for X, with a table if it is one."""
        if is_table(X):
            yield from self._table_chunks(X, also)
        elif also:
            raise ValueError(f"ids names columns ({', '.join(also)}), and X is an array, expected a table")
        else:
            for rows, _ in self._chunks(X):
                yield rows, None

    def _shift(self) -> np.ndarray:
        """What the encoder of a table took from the numbers."""
        shift = np.zeros(self._model.columns, dtype=np.float32)
        if self._columns is not None:
            offsets = self._columns.encoder.offsets
            shift[:len(offsets)] = offsets
        return shift

    def to_onnx(self, path: str | os.PathLike[str], *, output_prefix: str = "") -> None:
        """Write an ONNX model: one graph from rows, or the columns of a table, to scores and decisions.

        Inputs and outputs: docs/onnx.md. `output_prefix` goes before the names of the outputs. NotImplementedError for
        scores that search the latent space.
        """
        self._fitted().export_onnx(str(path), threshold=float(self.threshold_), output_prefix=output_prefix)

    @classmethod
    def load(cls, path: "str | os.PathLike[str]", *, device: str = "auto", n_jobs: "int | None" = None,
             precision: str = "fp32") -> "AnomalyDetector":
        """Return the detector of a model file, of whatever program. Its scores are those of the saved one, to the bit.

        Raises ValueError for a damaged file.
        """
        made: AnomalyDetector = cls._loaded_estimator(_cugad.Detector.load(str(path), device, 0 if n_jobs in (None, -1) else n_jobs,
                                                          precision), device=device, n_jobs=n_jobs, precision=precision)
        return made
