"""Kernels and mean maps as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from padscope.store.files import readable
from padscope.study import Kernels, Portrait, Study


def pack_pictures(study: Study) -> bytes:
    """Pack the portraits of a study, and the kernels of all filters."""
    arrays: dict[str, NDArray[Any]] = {}
    for portrait in study.portraits:
        key = f"{portrait.site}/{portrait.filter}"
        arrays |= {f"{key}/kernel": portrait.kernel, f"{key}/map": portrait.mean_map}
    for site, kernels in study.kernels.items():
        arrays |= {
            f"{site}/total": kernels.total,
            f"{site}/channels": kernels.channels,
            f"{site}/slices": kernels.slices,
            f"{site}/inputs": np.array(kernels.inputs),
        }
    # The format takes an array's memory as it lies: it has to lie in order.
    return bytes(save({name: np.array(each, order="C") for name, each in arrays.items()}))


def read_pictures(
    path: Path, shown: Sequence[tuple[str, int]], sites: Sequence[str]
) -> tuple[tuple[Portrait, ...], dict[str, Kernels]]:
    """Read what `pack_pictures` packed.

    Parameters
    ----------
    path : Path
    shown : sequence of (str, int)
        Site and filter of every portrait.
    sites : sequence of str
        Sites whose kernels there may be: earlier versions kept those of the portraits alone.

    Raises
    ------
    PadscopeError
        The file is missing or damaged.
    """
    with readable(path) as file:
        arrays = load(file.read_bytes())
        get = arrays.__getitem__
        portraits = tuple(
            Portrait(site, index, get(f"{site}/{index}/kernel"), get(f"{site}/{index}/map"))
            for site, index in shown
        )
        kernels = {
            site: Kernels(
                get(f"{site}/total"), get(f"{site}/channels"), get(f"{site}/slices"),
                int(get(f"{site}/inputs")),
            )
            for site in sites
            if f"{site}/total" in arrays
        }  # fmt: skip
    return portraits, kernels
