"""What a module takes, found by running it where its structure is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from padscope.models.borrowing import as_found
from padscope.models.preprocessing import InputDefaults, Preprocessing, resolve_preprocessing
from padscope.models.structure import spatial_dims, traced_input_shape

PHOTO_CHANNELS = (3, 1)
PHOTO_AXES = 2
IMAGES = (2, 3)  # two numbers tell a batch axis from one that the module is built for


def takes(module: nn.Module, channels: int, size: Sequence[int]) -> bool:
    """Try whether a module runs on batches of images of one shape.

    Parameters
    ----------
    module : torch.nn.Module
        Comes back as it was; see `as_found`.
    channels : int
        Of the images.
    size : sequence of int
        Pixels per spatial axis.

    Returns
    -------
    bool
        Whether it raised nothing.
    """
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    with as_found(module, channels_last=False), torch.no_grad():
        try:
            for images in IMAGES:
                module(like.new_zeros(images, channels, *size))
        except Exception:  # somebody's own code raises what it likes
            return False
    return True


def settle_input(
    module: nn.Module,
    defaults: InputDefaults,
    *,
    size: int | Sequence[int] | None,
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
) -> tuple[Preprocessing | None, int | None]:
    """Find what to feed a module, and the channels that it takes.

    What its structure lets one guess stands behind what is given, if the module runs on that.

    Parameters
    ----------
    module : torch.nn.Module
        Comes back as it was.
    defaults : InputDefaults
        What is known of its input.
    size, mean, std : optional
        What is given, as for `resolve_preprocessing`.

    Returns
    -------
    preprocessing : Preprocessing or None
        None if no size is known.
    channels : int or None
        As far as they are known.

    Raises
    ------
    PadscopeError
        The values do not fit the module.
    """
    rank, traced = spatial_dims(module), traced_input_shape(module) is not None
    given = max(len(value) if isinstance(value, Sequence) else 1 for value in (mean, std))
    guesses = (given,) if given > 1 else (defaults.channels, *PHOTO_CHANNELS)
    candidates = [channels for channels in dict.fromkeys(guesses) if channels]
    if isinstance(size, int):
        shapes = [(size,) * rank, (size,) * PHOTO_AXES]
    else:
        shapes = [tuple(size or defaults.size or (0,) * rank)]
    if not traced and any(len(shape) != rank for shape in shapes):
        fitting = (
            len(shape)
            for shape in shapes
            if any(takes(module, channels, shape) for channels in candidates)
        )
        rank = next(fitting, rank)
    wishes: dict[str, Any] = {"size": size, "mean": mean, "std": std}
    found = resolve_preprocessing(defaults, rank, **wishes)
    if found is None or traced:
        return found, defaults.channels
    if found.channels == defaults.channels and found.channels in PHOTO_CHANNELS:
        return found, defaults.channels
    for channels in candidates:
        if takes(module, channels, found.size):
            if channels != found.channels:
                known = InputDefaults(channels=channels, size=defaults.size)
                found = resolve_preprocessing(known, rank, **wishes)
            return found, channels
    return found, defaults.channels
