"""Small pictures of weights and maps that stand in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float64]

# ColorBrewer RdBu and matplotlib's viridis, sampled: both readable with any colour vision.
DIVERGING = ("#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b")
SEQUENTIAL = (
    "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30",
    "#fde725",
)  # fmt: skip
MISSING = (128, 128, 128)  # cells that are NaN or infinite
ENDS = 48  # positions at each end of a long 1D map that are drawn


def colour_cells(
    values: FloatArray, low: float, high: float, palette: Sequence[str]
) -> NDArray[np.uint8]:
    """Colour an array by a palette that runs from `low` to `high`.

    Returns
    -------
    (*values.shape, 3) uint8
        Values beyond the ends take the colour of the end; NaN and infinities are `MISSING`.

    Examples
    --------
    >>> colour_cells(np.array([-1.0, 0, np.nan]), -1, 1, ["#000000", "#646464", "#c8c8c8"]).tolist()
    [[0, 0, 0], [100, 100, 100], [128, 128, 128]]
    """
    stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in palette], dtype=float)
    finite = np.isfinite(values)
    width = high - low
    share = (
        (np.where(finite, values, low) - low) / width if width > 0 else np.full(values.shape, 0.5)
    )
    at = np.linspace(0, 1, len(stops))
    colours = np.stack([np.interp(share, at, stop) for stop in stops.T], axis=-1)
    colours[~finite] = MISSING
    cells: NDArray[np.uint8] = np.rint(colours).astype(np.uint8)
    return cells


def picture(
    values: FloatArray, low: float, high: float, palette: Sequence[str], box: int, alt: str
) -> Markup:
    """Draw a 2D array as an image, one pixel a cell, first row on top.

    Parameters
    ----------
    box : int
        Longest side on the page, in CSS pixels.
    alt : str
        What the image says, in words.
    """
    colours = colour_cells(values, low, high, palette)
    image = Image.fromarray(colours)
    if values.size > 512:  # a palette of 256 colours costs less than three bytes a cell
        image = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    rows, columns = values.shape
    scale = box / max(rows, columns)
    width, height = (max(20, round(n * scale)) for n in (columns, rows))
    return Markup('<img src="{}" width="{}" height="{}" alt="{}">').format(
        data_url(image), width, height, alt
    )


def data_url(image: Image.Image) -> str:
    """Write an image as an address that holds it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def planes(values: FloatArray) -> list[tuple[str, FloatArray]]:
    """Cut a kernel or map of 1 to 3 axes into what can be drawn flat, with a name each.

    Examples
    --------
    >>> [(name, plane.shape) for name, plane in planes(np.zeros((5, 7, 9)))]
    [('depth 2 of 0–4', (7, 9)), ('height 3 of 0–6', (5, 9))]
    """
    if values.ndim < 3:
        return [("", np.atleast_2d(values))]
    depth, height = (n // 2 for n in values.shape[:2])
    return [
        (f"depth {depth} of 0–{values.shape[0] - 1}", values[depth]),
        (f"height {height} of 0–{values.shape[1] - 1}", values[:, height]),
    ]


def ends_of(values: FloatArray) -> FloatArray:
    """Both ends of a long 1D map, where borders show, with a gap of NaN between them."""
    if len(values) <= 2 * ENDS:
        return values
    return np.concatenate([values[:ENDS], np.full(ENDS // 8, np.nan), values[-ENDS:]])
