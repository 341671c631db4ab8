"""What every source of models gives: a model to build with its own weights, or with fresh ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol, TypeVar

import torch
from torch import nn

from padscope.models.preprocessing import InputDefaults

T = TypeVar("T")


class Architecture(Protocol):
    """A model that has been named and not built yet.

    Attributes
    ----------
    weights : str
        Where `pretrained` takes its weights from, in words.
    """

    @property
    def weights(self) -> str:
        """Where `pretrained` takes its weights from, in words."""

    def pretrained(self) -> nn.Module:
        """Build the model with the weights it comes with.

        Raises
        ------
        PadscopeError
            They cannot be had here.
        """

    def fresh(self) -> nn.Module:
        """Build the model with initial weights, where it has any; the caller seeds and checks."""

    def defaults(self, module: nn.Module) -> InputDefaults:
        """Say what a model that was built here expects as input."""


def seeded(build: Callable[[], T], seed: int = 0, *, ignore_others: bool = False) -> T:
    """Build or run a module under a fixed seed, so that the same command gives the same values.

    Parameters
    ----------
    build : callable
        Takes nothing.
    seed : int
        For torch's CPU generator, whose state is put back afterwards.
    ignore_others : bool
        Whether `torch.manual_seed` does nothing meanwhile, so that this seed holds whatever
        `build` seeds.

    Returns
    -------
    object
        What `build` returned.
    """
    with torch.random.fork_rng(devices=()), ExitStack() as seeds:
        torch.default_generator.manual_seed(seed)
        if ignore_others:
            for holder in (torch, torch.random):
                seeds.callback(vars(holder).update, manual_seed=holder.manual_seed)
                vars(holder)["manual_seed"] = _keep_seed
        return build()


def _keep_seed(seed: int) -> torch.Generator:  # noqa: ARG001 - of the one it stands in for
    return torch.default_generator


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Propose the known names closest to a mistyped one.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        What could have been meant.

    Returns
    -------
    str
        The end of a sentence: "; did you mean a, b or c?", or nothing.

    Examples
    --------
    >>> did_you_mean("resnt18", ["resnet18", "vgg11"])
    '; did you mean resnet18?'
    """
    return one_of(difflib.get_close_matches(name, known, n=3))


def one_of(names: Sequence[str]) -> str:
    """Propose some names.

    Parameters
    ----------
    names : sequence of str
        What could have been meant.

    Returns
    -------
    str
        As `did_you_mean` gives it.
    """
    if not names:
        return ""
    *others, last = names
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
