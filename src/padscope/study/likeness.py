"""Whether the given network is what it is taken for: before it is compared with any other.

Baselines have their statistics of batch norm estimated on the images; a given network keeps its
own. Where these belong to other values than it gets here, or to none, like is not compared with
like, and a network that was never trained passes for one that was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.models import (
    NEVER_ESTIMATED,
    LoadedModel,
    NormFit,
    at_initial_values,
    compare_norms,
    fresh_weights,
    never_estimated,
)

UNTRAINED = (
    "The weights are what a fresh initialisation draws: the network was probably never trained."
)
LIKENESS_IMAGES = 16  # what tells statistics that fit from others is far greater than their noise
RANDOM = "The weights are random, as asked for: nothing here was learned."


@dataclass(frozen=True)
class Likeness:
    """What speaks against comparing a network with its baselines.

    Attributes
    ----------
    warnings : tuple of str
        Sentences; none if nothing does.
    fits : bool or None
        Whether its statistics of batch norm fit the images; None without any.
    """

    warnings: tuple[str, ...]
    fits: bool | None

    @property
    def open_training(self) -> str:
        """Why nothing can be said of what training does; "" if something can."""
        if self.fits is False:
            return "the statistics of its batch norms do not fit the images"
        return ""


def find_likeness(
    loaded: LoadedModel, module: nn.Module, crops: Sequence[Tensor], seed: int
) -> Likeness:
    """Compare statistics of batch norm with those of some images, and weights with fresh ones.

    Parameters
    ----------
    loaded : LoadedModel
    module : nn.Module
        That of `loaded`, borrowed.
    crops : sequence of (N, C, *spatial) Tensor
        Images as the module takes them.
    seed : int
        Of the fresh weights.
    """
    fit = compare_norms(module, crops, loaded.preprocessing)
    return Likeness(tuple(_warnings(loaded, fit, lambda: fresh_weights(loaded, seed))), fit.fits)


def find_warnings(loaded: LoadedModel) -> tuple[str, ...]:
    """Say what the weights alone tell against a network, before anything runs."""
    told = [NEVER_ESTIMATED] if never_estimated(loaded.module) else []
    return (*told, *([RANDOM] if loaded.weights_are == "random" else []))


def _warnings(loaded: LoadedModel, fit: NormFit, fresh: Callable[[], nn.Module]) -> list[str]:
    told = [fit.say()] if fit.fits is False else []
    if loaded.weights_are == "random":
        return [*told, RANDOM]
    if fit.cause == "never estimated":
        return told
    try:
        untrained = at_initial_values(loaded.module, fresh())
    except PadscopeError:  # how its weights start is not known: nothing to compare with
        untrained = False
    return [*told, UNTRAINED] if untrained else told
