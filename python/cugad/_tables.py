"""Tables as rows of float32, by the library's own encoder."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cugad import _cugad
from cugad._rows import CHUNK_ROWS


def parquet_pieces(path: str | os.PathLike[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, batch) of a Parquet file or of the files of a folder, and hold the pages of one row group at a time."""
    import pyarrow.dataset
    import pyarrow.parquet
    for file in pyarrow.dataset.dataset(os.fspath(path), format="parquet").files:
        for batch in pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=65536).iter_batches(CHUNK_ROWS):
            yield file, batch


def batches_of(pieces: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """Yield the record batches of named tables, whose columns must be those of the first."""
    import pyarrow
    first, schema = None, None
    for name, table in pieces:
        if not isinstance(table, pyarrow.RecordBatch):
            try:
                table = pyarrow.table(table)
            except TypeError:
                raise ValueError(f"{name} is of type {type(table).__name__}, expected a table such as one of pandas, "
                                 "polars or pyarrow, or a record batch.") from None
        if schema is None:
            first, schema = name, table.schema
        if not table.schema.equals(schema):
            raise ValueError(f"{name} has other columns than {first}: {table.schema.names} of {table.schema.types}, "
                             f"expected {schema.names} of {schema.types}.")
        yield from [table] if isinstance(table, pyarrow.RecordBatch) else table.to_batches()


class Reader:
    """Reads a table in chunks. An error is that of the iterator behind the table, and not Arrow's account of it."""

    def __init__(self, table: Any, failed: list[BaseException]) -> None:
        capsule = table.__arrow_c_stream__()
        if type(capsule).__name__ != "PyCapsule":
            raise ValueError(f"__arrow_c_stream__() of {type(table).__name__} returns {type(capsule).__name__}, expected "
                             "a PyCapsule")
        self._reader, self._failed = _cugad.ArrowReader(capsule), failed
        self.keep = self._reader.keep

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return self._reader.names

    def read(self, max_rows: int) -> _cugad.Table:
        """Return the next rows; none at the end."""
        try:
            return self._reader.read(max_rows)
        except Exception:
            if self._failed:
                raise self._failed[0] from None
            raise


def in_pieces(X: Any) -> Reader:
    """Return a reader of a Parquet file, of a folder of them, or of an iterator of tables: none is held whole."""
    import pyarrow
    if hasattr(X, "__next__"):
        batches = batches_of((f"table {number} of the iterator", table) for number, table in enumerate(X))
    else:
        batches = batches_of(parquet_pieces(X))
    first = next(batches, None)
    if first is None:
        raise ValueError("Found array with 0 sample(s) (an iterator or files without rows) while a minimum of 1 is "
                         "required.")
    failed: list[BaseException] = []

    def watched() -> Iterator[Any]:
        try:
            yield first
            yield from batches
        except Exception as error:
            failed.append(error)
            raise

    return Reader(pyarrow.RecordBatchReader.from_batches(first.schema, watched()), failed)


def open_table(X: Any) -> Reader:
    """Return a reader for an object that is_table()."""
    try:
        return Reader(X, []) if hasattr(X, "__arrow_c_stream__") else in_pieces(X)
    except ImportError as error:  # pandas without pyarrow
        raise ValueError(f"{type(X).__name__} needs pyarrow to hand out its columns ({error}): pip install pyarrow, or "
                         "give the numbers as an array, X.to_numpy()") from error


def in_python(text: str) -> str:
    """Return a note of the library, which names flags of the command, in the words of a call."""
    text = re.sub(r"--missing '[^']*' reads them as cells without a value, ", "", text)
    text = re.sub(r"--label-column (\S+) takes it as the label", r"exclude=['\1'] leaves it out", text)
    text = re.sub(r"--(include|exclude|categorical) (\S+)", r"\1=['\2']", text)
    return re.sub(r"--([a-z][a-z-]*)", lambda match: match[1].replace("-", "_"), text)


@contextlib.contextmanager
def errors_in_python() -> Iterator[None]:
    """Raise errors of the library in the words of a call."""
    try:
        yield
    except ValueError as error:
        raise ValueError(in_python(str(error))) from None


def table_names(X: Any, reader: Reader) -> np.ndarray | None:
    """Return the names of the table's columns if all of them are texts, else None."""
    given = list(X.columns) if hasattr(X, "iloc") else reader.names  # pandas has names that are no texts
    if all(isinstance(name, str) for name in given):
        return np.asarray(reader.names, dtype=object)
    if any(isinstance(name, str) for name in given):
        raise TypeError("Feature names are only supported if all input features have string names, but your input has "
                        f"{sorted({type(name).__name__ for name in given})} as feature name / column name types. If "
                        "you want feature names to be stored and validated, you must convert them all to strings, by "
                        "using X.columns = X.columns.astype(str) for example.")
    return None


class TableColumns:
    """How the columns of a table become features: learnt from the table of a fit."""

    def __init__(self, encoder: _cugad.Encoder) -> None:
        self.encoder = encoder

    @classmethod
    def learn(cls, reader: Reader, look: Callable[[_cugad.Table], None] | None = None, *,
              categorical: Any = None, exclude: Any = None, include: Any = None, max_categories: int = 1000,
              settled: Sequence[str] = ()) -> tuple[TableColumns, np.ndarray]:
        """Read a table once, in pieces, and return its TableColumns and features; `look` is called with each piece."""
        categorical, exclude = list(categorical or ()), list(exclude or ())
        learner, encoder = _cugad.Learner(categorical, exclude, max_categories), _cugad.Encoder()
        with errors_in_python():
            for piece in read_chunks(reader):
                learner.add(piece)
                if look is not None:
                    look(piece)
        settled = [name for name in settled if name in set(reader.names)]
        left_out = []
        for column, advice, text in learner.examine([*categorical, *exclude, *(include or ()), *settled]):
            if advice == "refuse":
                raise ValueError(in_python(text))
            if advice == "leave_out":
                left_out.append(column)
            warnings.warn(in_python(text), UserWarning, stacklevel=5)
        with errors_in_python():
            rows = learner.finish(encoder, left_out)
        return cls(encoder), rows

    @classmethod
    def from_json(cls, json: str) -> TableColumns:
        """Return the columns of an encoder that a model file holds."""
        return cls(_cugad.Encoder.from_json(json))

    @property
    def used(self) -> list[str]:
        """Names of the columns that are features."""
        return [*self.encoder.numeric_columns, *self.encoder.text_columns]

    @property
    def binary(self) -> int:
        """How many features, the last ones, are 0 or 1."""
        return len(self.encoder.feature_names) - self.encoder.numeric_features

    def encode_array(self, rows: np.ndarray, names: list[str]) -> np.ndarray:
        """Return the features of an array whose columns are those of the table of the fit."""
        if self.encoder.text_columns:
            raise ValueError("The detector was fitted on a table with columns of text ("
                             f"{', '.join(self.encoder.text_columns)}): expected a table, got an array.")
        places = {name: place for place, name in enumerate(names)}
        taken = rows[:, [places[name] for name in self.encoder.numeric_columns]]
        return np.ascontiguousarray(taken.astype(np.float64) - self.encoder.offsets, dtype=np.float32)


def numbers_of(table: _cugad.Table) -> np.ndarray:
    """Return the columns of a table of numbers as rows of float32."""
    columns: list[Any] = [table.cells(name) for name in table.column_names]
    for name, cells in zip(table.column_names, columns):
        if isinstance(cells, list):
            raise ValueError(f"Column {name!r} holds text, expected numbers as in the rows of the fit.")
    return np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)


def read_chunks(reader: Reader) -> Iterator[_cugad.Table]:
    """Yield a table's rows, some at a time; an error if there are none."""
    count = 0
    while True:
        table = reader.read(CHUNK_ROWS)
        if table.rows == 0:
            break
        count += table.rows
        yield table
    if count == 0:
        shape = (0, len(reader.names))
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.")
