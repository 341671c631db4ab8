"""The photographs on which a filter's border fires most and least."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from padscope.study import Study

if TYPE_CHECKING:
    from padscope.measurements import FirstImages

EACH = 3  # photographs at either end
IntArray = NDArray[np.int64]


def first_images(study: Study) -> FirstImages | None:
    """Give what an explanation has kept of its first images, if there are pictures among it."""
    first = study.explanation.counts.first if study.explanation else None
    return first if first is not None and first.photos is not None else None


def encode_photos(first: FirstImages) -> list[str]:
    """Write every small photograph as a JPEG in base64."""
    assert first.photos is not None
    encoded = []
    for photo in np.moveaxis(np.asarray(first.photos), 1, -1):
        buffer = io.BytesIO()
        Image.fromarray(photo.squeeze(-1) if photo.shape[-1] == 1 else photo).save(buffer, "JPEG")
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    return encoded


def ends_of_firing(borders: NDArray[np.float32]) -> tuple[IntArray, IntArray]:
    """Find on which images borders fire most and least.

    Parameters
    ----------
    borders : (N, C) float array
        Mean activation on the line, of N images; NaN counts for neither end.

    Returns
    -------
    most, least : (K, C) int64 array
        Images, most and least first; K is `EACH`, or half of N if that is less.

    Examples
    --------
    >>> ends_of_firing(np.array([[0.1], [0.9], [0.5], [-2]], dtype=np.float32))
    (array([[1],
           [2]]), array([[3],
           [0]]))
    """
    count = min(EACH, len(borders) // 2)
    upwards = np.where(np.isfinite(borders), borders, np.inf)
    downwards = np.where(np.isfinite(borders), -borders, np.inf)
    most = np.argsort(downwards, axis=0, kind="stable")[:count].astype(np.int64)
    least = np.argsort(upwards, axis=0, kind="stable")[:count].astype(np.int64)
    return most, least
