"""Arrays of any kind as rows of float32, refused in the words of scikit-learn."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

CHUNK_ROWS = 16384  # of tables and sparse matrices, converted in pieces as large as those that the library scores


def is_sparse(X: Any) -> bool:
    """Whether X is a matrix or array of scipy.sparse."""
    return hasattr(X, "tocsr") and hasattr(X, "toarray")


def is_table(X: Any) -> bool:
    """Whether X hands out its columns by the Arrow PyCapsule interface, or is a Parquet file or folder, or an iterator
    of tables."""
    return hasattr(X, "__arrow_c_stream__") or isinstance(X, (str, os.PathLike)) or hasattr(X, "__next__")


def is_on_gpu(X: Any) -> bool:
    """Whether X is a tensor in memory of a GPU by CUDA."""
    return hasattr(X, "__dlpack_device__") and X.__dlpack_device__()[0] in (2, 13)


def tensor_rows(X: Any) -> Any:
    """Return a tensor in memory of a GPU, which must be rows of float32: nothing is converted there."""
    shape, dtype = tuple(X.shape), str(X.dtype)
    if len(shape) != 2 or not dtype.endswith("float32"):
        raise ValueError(f"X is a tensor of a GPU of shape {shape} and {dtype}, expected [rows, columns] of float32, "
                         "such as X.float() of a tensor of PyTorch.")
    return _plain_tensor(X)


def _plain_tensor(X: Any) -> Any:
    """Return a tensor of PyTorch without its gradient and the sign that views of complex numbers leave open, which DLPack
    does not carry; others as they are."""
    X = X.detach() if hasattr(X, "detach") else X
    return X.resolve_neg() if hasattr(X, "resolve_neg") else X


def _from_dlpack(X: Any) -> Any:
    if X.__dlpack_device__()[0] not in (1, 3):  # the memory of the CPU, or pinned
        raise ValueError(f"X is in memory of device {tuple(map(int, X.__dlpack_device__()))} of DLPack, expected "
                         "memory of the CPU, as only fit and anomaly_score take tensors of a GPU: X.cpu() moves a tensor of "
                         "PyTorch there.")
    X = _plain_tensor(X)
    try:
        return np.from_dlpack(X)
    except (BufferError, RuntimeError) as error:  # dtypes that numpy lacks, such as bfloat16
        rows = np.asarray(X.float() if hasattr(X, "bfloat16") and str(X.dtype).endswith("bfloat16") else X)
        if rows.dtype == object and rows.ndim == 0:  # numpy knows nothing better
            raise ValueError(f"X ({type(X).__name__}) gives no rows by DLPack: {error}") from error
        return rows


def to_array(X: Any) -> np.ndarray:
    """Return X as a numpy array of two dimensions, without a copy if it is one or shares its memory by DLPack.

    Masked cells are missing ones.
    """
    if isinstance(X, np.ma.MaskedArray):
        X = np.where(np.ma.getmaskarray(X), np.nan, X.data) if np.ma.is_masked(X) else X.data
    if not isinstance(X, np.ndarray):
        if is_sparse(X):
            return np.asarray(X.toarray())
        X = _from_dlpack(X) if hasattr(X, "__dlpack__") else np.asarray(X)
    if X.ndim == 2:
        array: np.ndarray = X
        return array
    if X.ndim < 2:
        kind = "scalar" if X.ndim == 0 else "1D"
        raise ValueError(f"Expected 2D array, got {kind} array instead:\narray={X}.\nReshape your data either using "
                         "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it "
                         "contains a single sample.")
    raise ValueError(f"Found array with dim {X.ndim}, while dim <= 2 is required.")


def to_rows(X: Any) -> np.ndarray:
    """Return X as rows of float32 whose elements follow each other; NaN is a missing cell.

    Float32 rows of that form are returned as they are. Raises ValueError for complex or infinite numbers.
    """
    X = to_array(X)
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{X}\n")
    if X.dtype.kind in "mM":
        raise ValueError(f"Dates and durations are no numbers, found dtype {X.dtype}: give a table, or convert them.")
    if 0 in X.shape:
        what = "sample(s)" if X.shape[0] == 0 else "feature(s)"
        raise ValueError(f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is required.")
    with np.errstate(over="ignore", invalid="ignore"):
        rows: np.ndarray = X if X.dtype == np.float32 and X.dtype.isnative else X.astype(np.float32, order="C")
        if rows.strides[1] != 4 or rows.strides[0] < 4 * rows.shape[1] or rows.strides[0] % 4 or not rows.flags.aligned:
            rows = np.ascontiguousarray(rows)
        width = rows.max() - rows.min()  # NaN if a cell is missing; of finite rows it may overflow
    if not np.isfinite(width) and any(np.isinf(rows[first:first + CHUNK_ROWS]).any()
                                      for first in range(0, len(rows), CHUNK_ROWS)):
        raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
    return rows


def mapped_rows(X: Any, directory: str) -> Any:
    """Return X if to_rows() would not copy it, else its rows in a file without a name in `directory`.

    The file goes with the array. Raises OSError where it has no room.
    """
    if is_on_gpu(X):
        raise ValueError("row_directory is for rows on the CPU, and X is a tensor in memory of a GPU.")
    X = X.tocsr() if is_sparse(X) else to_array(X)
    if 0 in X.shape or (X.dtype == np.float32 and X.dtype.isnative and not is_sparse(X) and X.flags.c_contiguous):
        return X
    with tempfile.TemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, 4 * X.shape[0] * X.shape[1])  # later it would end the process
        rows = np.memmap(file, np.float32, "r+", shape=X.shape)
    for first in range(0, len(rows), CHUNK_ROWS):
        part = X[first:first + CHUNK_ROWS]
        rows[first:first + CHUNK_ROWS] = to_rows(part.toarray() if is_sparse(X) else part)
    return rows


def row_chunks(X: Any) -> Iterator[np.ndarray]:
    """Yield the rows of X as by to_rows(): all at once, but of a sparse matrix some at a time."""
    if not is_sparse(X):
        yield to_rows(X)
        return
    X = X.tocsr()
    for first in range(0, max(X.shape[0], 1), CHUNK_ROWS):
        yield to_rows(X[first:first + CHUNK_ROWS])
