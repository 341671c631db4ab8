"""Models of the user's own code, named ``package.module:factory``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from padscope.errors import PadscopeError, brief
from padscope.models.importing import import_target, working_directory_importable
from padscope.models.preprocessing import InputDefaults
from padscope.models.structure import input_channels, traced_input_shape
from padscope.models.trial import takes


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
        self._factory = import_target(target, "the model", "a callable that returns a model")

    def pretrained(self) -> nn.Module:
        """Build the module with whatever weights the factory gives it.

        Raises
        ------
        PadscopeError
            The factory fails, or returns something else.
        """
        try:
            with working_directory_importable():
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
