"""ImageDetector."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cugad._detector import AnomalyDetector
from cugad._progress import Callback


class ImageDetector(AnomalyDetector):
    """An AnomalyDetector for images: X has shape [images, height, width] or [images, height, width, channels].

    Values are numbers of any dtype, such as uint8 from 0 to 255; all images have one size. The parameters are those of
    AnomalyDetector; `image` follows from X. `cell_scores` has the shape of the images: a heatmap of each.
    """

    def _extra_options(self) -> dict[str, Any]:
        return {"image": "x".join(map(str, self._shape))}

    def _flat(self, X: Any) -> tuple[np.ndarray, tuple[int, ...]]:
        X = X if isinstance(X, np.ndarray) else np.asarray(X)
        if X.ndim not in (3, 4):
            raise ValueError(f"Found array with dim {X.ndim}, expected images of shape [images, height, width] or "
                             "[images, height, width, channels].")
        shape = X.shape[1:] if X.ndim == 4 else (*X.shape[1:], 1)
        return X.reshape(len(X), -1), shape

    def fit(self, X: Any, y: Any = None, *, callbacks: Sequence[Callback] = (),
            row_directory: "str | os.PathLike[str] | None" = None) -> "ImageDetector":
        """Train on normal images X of shape [images, height, width(, channels)], as AnomalyDetector.fit does."""
        rows, self._shape = self._flat(X)
        super().fit(rows, callbacks=callbacks, row_directory=row_directory)
        self.image_shape_ = self._shape
        return self

    def fit_part(self, X: Any, y: Any = None, *, shard: str | tuple[int, int], output: str | os.PathLike[str]) -> str:
        """Train one shard of the population on normal images X, see AnomalyDetector.fit_part."""
        rows, self._shape = self._flat(X)
        return super().fit_part(rows, shard=shard, output=output)

    def _chunks(self, X: Any) -> Iterator[tuple[np.ndarray, tuple[Any, ...]]]:
        rows, shape = self._flat(X)
        if shape != self.image_shape_:
            raise ValueError(f"X has images of {shape}, but {type(self).__name__} is expecting {self.image_shape_}.")
        yield from super()._chunks(rows)

    def anomaly_score(self, X: Any) -> np.ndarray:
        """Return the anomaly score of each image, float32 of shape [images]; higher is more anomalous."""
        return super(AnomalyDetector, self).anomaly_score(X)

    def cell_scores(self, X: Any) -> np.ndarray:
        """Return a heatmap of each image, float32 of shape [images, height, width, channels]."""
        cells = super().cell_scores(X)
        return cells.reshape(len(cells), *self.image_shape_)

    def sample(self, n_samples: int = 1, *, given: Any = None, random_state: Any = None) -> np.ndarray:
        """Return synthetic images, float32 of shape [n_samples, height, width, channels]."""
        rows = super().sample(n_samples, given=given, random_state=random_state)
        return rows.reshape(*rows.shape[:-1], *self.image_shape_)

    def decode(self, z: Any, *, model: int = 0) -> np.ndarray:
        """Return the images G(z), float32 of shape [rows, height, width, channels], see AnomalyDetector.decode."""
        rows = super().decode(z, model=model)
        return rows.reshape(len(rows), *self.image_shape_)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **keywords: Any) -> "ImageDetector":
        """Return the detector of a model file of images, as AnomalyDetector.load does."""
        made = super().load(path, **keywords)
        if made.image is None:
            raise ValueError(f"{path}: the model was not trained on images, expected one with the option image")
        made.image_shape_ = tuple(map(int, made.image.split("x")))
        return made
