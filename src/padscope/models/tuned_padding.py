"""Padding that is tuned: padded lines are scaled and shifted, channel by channel.

This file needs torch alone: `padscope retrofit` prints it beside the weights that it writes.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad

SCALE, SHIFT = ".pad_scale", ".pad_shift"


def pad_tuned(layer: Any, given: tuple[Tensor]) -> Tensor:
    """Pad what a convolution is given; then scale and shift the lines at both ends of each axis."""
    padded, dims, done = pad(given[0], layer.pads, layer.pads_with), len(layer.pads) // 2, 0
    for number, lines in enumerate(layer.pads):  # of the last axis first
        axis, first = dims - 1 - number // 2, done
        done += lines
        shape = (layer.in_channels, *[1] * axis, lines, *[1] * (dims - 1 - axis))
        scale, shift = (
            each[:, first:done].reshape(shape) for each in (layer.pad_scale, layer.pad_shift)
        )
        start = (padded.shape[axis - dims] - lines) * (number % 2)
        padded.narrow(axis - dims, start, lines).mul_(scale).add_(shift)
    return padded


def tune_padding(model: nn.Module, weights: Mapping[str, Tensor], mode: str) -> None:
    """Let convolutions pad with a mode, tuned, and load all weights."""
    for name, layer in model.named_modules():
        if name + SCALE in weights:
            conv: Any = layer
            conv.pads, conv.padding = conv._reversed_padding_repeated_twice, (0,) * len(conv.stride)
            conv.pads_with, conv.padding_mode = "constant" if mode == "zeros" else mode, "zeros"
            conv.pad_scale = nn.Parameter(weights[name + SCALE].to(conv.weight))
            conv.pad_shift = nn.Parameter(weights[name + SHIFT].to(conv.weight))
            conv.register_forward_pre_hook(pad_tuned)
    model.load_state_dict(weights)
