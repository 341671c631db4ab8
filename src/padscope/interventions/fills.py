"""What comes in place of padding, by name, and the fill that is drawn from the input's core."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.errors import PadscopeError, near
from padscope.plugins import look_up, names
from padscope.regions import Layout
from padscope.sites import (
    Box,
    Call,
    Constant,
    Cut,
    Fill,
    Window,
    contact_boxes,
    gather_positions,
    receptive_box,
    select_channels,
)
from padscope.sites.fill_words import FILL_WORDS, FILLS_GROUP
from padscope.sites.fills import FILLS, NamedFill, alike

FillName: TypeAlias = str | float | tuple[Literal["constant"], float]


def find_fill(fill: FillName) -> Callable[[int, Sequence[int]], Fill]:
    """Find what makes a fill, from a seed and an index for every row of the batch.

    Raises
    ------
    PadscopeError
        There is no such fill, or the package that adds it cannot be imported.
    """
    if isinstance(fill, str):
        if (named := look_up(FILLS, FILLS_GROUP, fill)) is not None:
            return named.make
    else:
        kind, value = fill if isinstance(fill, tuple) and len(fill) == 2 else ("constant", fill)
        if kind == "constant" and isinstance(value, int | float) and math.isfinite(value):
            return alike(Constant(float(value)))
    known = [*FILLS, *(name for name in names({}, FILLS_GROUP) if name not in FILLS)]
    raise PadscopeError(
        f"fill {fill!r} is not known; {near(str(fill), known)}; from Python, a finite number too"
    )


def generator(seed: int, name: str, image: int) -> np.random.Generator:
    """Random numbers of one image at one site: the same however images are batched."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), image])


@dataclass(frozen=True)
class CoreValues:
    """Values from random positions of the core of the same image's input map.

    Every padded position takes one real position, the same for all channels, so what stands there
    is a vector that the input does hold.

    Parameters
    ----------
    seed : int
    images : tuple of int
        An index for every row of the batch; with the seed and the site's name it fixes the draw.
    """

    seed: int
    images: tuple[int, ...]

    def unchanged(self, call: Call) -> bool:  # noqa: ARG002 - of `Fill`
        """Say no: no padding is made this way."""
        return False

    def around(self, call: Call) -> Cut:
        """Cut boxes from the input, with its core's values beyond it; see `padscope.sites.Fill`."""
        window, offset = call.operation.window, call.operation.offset
        dims = len(window.size)
        batched = call.input.ndim == dims + 2
        source = call.input if batched else call.input[None]
        frame, places, core = _frame(window, offset, tuple(source.shape[2:]))
        drawn = np.tile(places, (len(source), 1))
        padding = np.flatnonzero(places < 0)
        for row, image in enumerate(self.images):
            rng = generator(self.seed, call.name, image)
            drawn[row, padding] = core[rng.integers(len(core), size=len(padding))]
        sizes = [stop - first for first, stop in frame]
        index = torch.from_numpy(drawn).view(len(drawn), *sizes).to(source.device)

        def cut(box: Box, channels: Tensor | None = None) -> Tensor:
            inside = index
            for axis, ((first, stop), (start, _)) in enumerate(zip(box, frame, strict=True)):
                inside = inside.narrow(axis + 1, first - start, stop - first)
            slab = gather_positions(source, inside.flatten(1), inside.shape[1:])
            slab = slab if batched else slab[0]
            return slab if channels is None else select_channels(slab, channels, dims)

        return cut


@lru_cache(maxsize=1024)
def _frame(
    window: Window, offset: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[Box, NDArray[np.int64], NDArray[np.int64]]:
    """Box that an input and all its padding fill, its flat places in the input, and the core's.

    Places are -1 in the padding.
    """
    axes = range(len(shape))
    seen = [receptive_box(window, box) for box in contact_boxes(window)]
    frame = tuple(
        (min(0, *(box[a][0] for box in seen)), max(window.size[a], *(box[a][1] for box in seen)))
        for a in axes
    )
    along = [np.arange(*span) for span in frame]
    real = [(at >= 0) & (at < n) for at, n in zip(along, window.size, strict=True)]
    inside = [np.where(is_real, at, 0) + offset[a]
              for a, (at, is_real) in enumerate(zip(along, real, strict=True))]  # fmt: skip
    places = np.ravel_multi_index(np.ix_(*inside), shape)
    places[~np.logical_and.reduce(np.meshgrid(*real, indexing="ij"))] = -1
    layout = Layout(window.size, ((0, 0),) * len(shape))
    spans = [np.arange(*layout.core_range(a)) + offset[a] for a in axes]
    return frame, places.ravel(), np.ravel_multi_index(np.ix_(*spans), shape).ravel()


FILLS["core"] = NamedFill(lambda seed, images: CoreValues(seed, tuple(images)), FILL_WORDS["core"])
