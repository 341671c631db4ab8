"""Which values torch's own convolutions pad with, and the same network with others."""

from __future__ import annotations

from typing import Any

from torch import nn

from padscope.models.borrowing import set_eval

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
MODES = ("zeros", "reflect", "replicate", "circular")


def padding_modes(module: nn.Module) -> dict[str, str]:
    """Name the convolutions that pad their input by themselves, and what with.

    Those that compute in code of their own are left out: torch's setting says nothing of them.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3), nn.ReLU())
    >>> padding_modes(net)
    {'0': 'zeros'}
    """
    return {path: str(layer.padding_mode) for path, layer in module.named_modules() if _pads(layer)}


def set_padding_modes(module: nn.Module, mode: str) -> nn.Module:
    """Let the convolutions of `padding_modes` pad with other values.

    Parameters
    ----------
    module : nn.Module
        Changed in place, and put in eval mode.
    mode : str
        One of `MODES`.

    Returns
    -------
    nn.Module
        The same module.
    """
    for path in padding_modes(module):
        layer: Any = module.get_submodule(path)
        layer.padding_mode = mode
    set_eval(module)
    return module


def _pads(layer: Any) -> bool:
    base: Any = next((kind for kind in CONVOLUTIONS if isinstance(layer, kind)), None)
    if base is None:
        return False
    kind, padding = type(layer), layer.padding
    own = kind.forward is base.forward and kind._conv_forward is base._conv_forward
    return own and (padding == "same" if isinstance(padding, str) else any(padding))
