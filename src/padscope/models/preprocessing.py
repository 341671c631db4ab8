"""The input a model expects: its size, and the mean and std its channels are normalised with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from padscope.counts import plural
from padscope.errors import PadscopeError


@dataclass(frozen=True)
class Preprocessing:
    """What turns pixels in [0, 1] into a model's input: ``(pixels - mean) / std``.

    Attributes
    ----------
    size : tuple of int
        Spatial input size in pixels, one number per spatial axis: (height, width) in 2D.
    mean, std : tuple of float
        One value per channel, on the scale of pixels in [0, 1].

    Raises
    ------
    PadscopeError
        A size is below 1, a std is not above 0, or mean and std differ in length.
    """

    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what no input can have."""
        if not self.size or min(self.size) < 1:
            raise PadscopeError(f"the input size {self.size} must be 1 or more on every axis")
        if not self.mean or len(self.mean) != len(self.std):
            raise PadscopeError(
                f"mean has {plural(len(self.mean), 'value')} and std {len(self.std)}: "
                "both need one per input channel"
            )
        if not all(value > 0 for value in self.std):
            raise PadscopeError(f"std {self.std} must be above 0 for every channel")

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return len(self.mean)


@dataclass(frozen=True)
class InputDefaults:
    """What is known of a model's input before the user says anything; None where nothing is.

    Attributes
    ----------
    channels : int or None
        Number of input channels.
    size : tuple of int or None
        Spatial size in pixels.
    mean, std : tuple of float or None
        One value per channel.
    """

    channels: int | None = None
    size: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> InputDefaults:
        """Read timm's convention: ``{"input_size": (C, *size), "mean": ..., "std": ...}``."""
        shape, mean, std = (config.get(key) for key in ("input_size", "mean", "std"))
        return cls(
            channels=int(shape[0]) if shape else None,
            size=tuple(map(int, shape[1:])) if shape else None,
            mean=tuple(map(float, mean)) if mean is not None else None,
            std=tuple(map(float, std)) if std is not None else None,
        )


def resolve_preprocessing(
    defaults: InputDefaults,
    rank: int,
    *,
    size: int | Sequence[int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> Preprocessing | None:
    """Put the user's wishes above a model's defaults.

    Parameters
    ----------
    defaults : InputDefaults
        What the model says of itself. Without a mean and std, pixels are left as they are.
    rank : int
        Number of spatial axes of the model.
    size : int or sequence of int, optional
        Pixels; one int stands for every spatial axis.
    mean, std : float or sequence of float, optional
        One value stands for every channel.

    Returns
    -------
    Preprocessing or None
        None if the size is not known.

    Raises
    ------
    PadscopeError
        The values do not fit the model's axes or each other.
    """
    resolved = _resolve_size(size, rank) or defaults.size
    # Video weights of torchvision give height and width but not the number of frames.
    if resolved is None or len(resolved) != rank:
        return None
    given_mean, given_std = _values(mean), _values(std)
    channels = max(len(given_mean), len(given_std))
    if channels <= 1:
        channels = defaults.channels or channels
    if channels == 0:
        raise PadscopeError(
            "the number of input channels is not known: pass mean with one value per channel"
        )
    return Preprocessing(
        size=resolved,
        mean=_per_channel(given_mean or defaults.mean or (0.0,), channels),
        std=_per_channel(given_std or defaults.std or (1.0,), channels),
    )


def _resolve_size(size: int | Sequence[int] | None, rank: int) -> tuple[int, ...] | None:
    if size is None:
        return None
    resolved = (size,) * rank if isinstance(size, int) else tuple(size)
    if len(resolved) != rank:
        raise PadscopeError(
            f"the size {resolved} has {plural(len(resolved), 'number')}, but the model's input has "
            f"{plural(rank, 'spatial axis')}: give one number, or one per axis"
        )
    return resolved


def _values(given: float | Sequence[float] | None) -> tuple[float, ...]:
    if given is None:
        return ()
    return (float(given),) if isinstance(given, (int, float)) else tuple(map(float, given))


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values
