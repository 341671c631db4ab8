"""Models of the user's own code, named ``package.module:factory``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import nn

from padscope.errors import PadscopeError, brief
from padscope.models.architecture import did_you_mean
from padscope.models.preprocessing import InputDefaults
from padscope.models.structure import input_channels, traced_input_shape
from padscope.models.trial import takes

LIBRARIES = ("timm", "torchvision")  # which stand before a colon, as packages do


class Factory:
    """A callable that returns a module when called without arguments; a class will do.

    It is imported and called with the working directory on the path, and executes the user's code.

    Parameters
    ----------
    target : str
        ``package.module:name``.

    Raises
    ------
    PadscopeError
        The target cannot be imported, or is not callable.
    """

    weights = "weights as built"

    def __init__(self, target: str) -> None:
        self._target = target
        self._factory = _import(target)

    def pretrained(self) -> nn.Module:
        """Build the module with whatever weights the factory gives it.

        Raises
        ------
        PadscopeError
            The factory fails, or returns something else.
        """
        try:
            with _working_directory_importable():
                module = self._factory()
        except (Exception, SystemExit) as error:
            raise PadscopeError(
                f"calling {self._target} failed with {brief(error)}: "
                "it must return a model when called without arguments"
            ) from error
        if not isinstance(module, nn.Module):
            raise PadscopeError(
                f"{self._target} returned {type(module).__name__}: it must return a torch.nn.Module"
            )
        return module

    def fresh(self) -> nn.Module:
        """Build the module; only the factory knows how."""
        return self.pretrained()

    def defaults(self, module: nn.Module) -> InputDefaults:
        """Read ``pretrained_cfg`` from the module or else from the factory."""
        config = getattr(module, "pretrained_cfg", None)
        return own_defaults(module, config or getattr(self._factory, "pretrained_cfg", None))


def own_defaults(module: nn.Module, config: object) -> InputDefaults:
    """Say what a module that no library vouches for expects as input.

    Parameters
    ----------
    module : torch.nn.Module
        The module; of an exported program, the traced input decides.
    config : mapping or None
        In timm's convention. A module that does not run on the channels its configuration says
        (timm's ``in_chans``) keeps the size; the mean and std are then nobody's.

    Returns
    -------
    InputDefaults
        As far as they are known.
    """
    channels = input_channels(module)
    shape = traced_input_shape(module)
    size = tuple(length for length in shape[2:] if length is not None) if shape else None
    defaults = InputDefaults(channels=channels, size=size)
    if not isinstance(config, Mapping):
        return defaults
    configured = InputDefaults.from_config(config)
    if channels is None or configured.channels in (None, channels):
        return replace(configured, channels=channels or configured.channels)
    # The first convolution may not be the first layer to see the input.
    if shape is None and takes(module, configured.channels, configured.size or ()):
        return configured
    return replace(defaults, size=configured.size)


def _import(target: str) -> Callable[[], object]:
    path, _, name = target.partition(":")
    try:
        with _working_directory_importable():
            module = importlib.import_module(path)
    except (Exception, SystemExit) as error:
        raise PadscopeError(
            f"importing {path} for the model {target} failed with {brief(error)}: "
            f"run where it can be imported from, or install it{did_you_mean(path, LIBRARIES)}"
        ) from error
    factory = getattr(module, name, None)
    if factory is None:
        raise PadscopeError(f"the module {path} has no {name!r}{did_you_mean(name, vars(module))}")
    if not callable(factory):
        raise PadscopeError(
            f"{target} is {type(factory).__name__}: give a callable that returns a model"
        )
    return cast(Callable[[], object], factory)


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
