"""Pooled features: what a model's last layer is given to answer from, one vector per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.running.model import run_batch
from padscope.sites import Call, Interception

MOST_FEATURES = 256


class Seen:
    """The features of the last forward pass.

    Attributes
    ----------
    pooled : Tensor or None
        (rows, F), one row per row of the batch.
    """

    def __init__(self) -> None:
        self.pooled: Tensor | None = None


@dataclass(frozen=True)
class PooledFeatures:
    """Where a model's pooled features are found.

    Attributes
    ----------
    layer : str
        Path of the last linear layer, whose input they are; or the site whose output's spatial
        mean they are.
    linear : bool
        Which of the two.
    width : int
        Features per image.
    """

    layer: str
    linear: bool
    width: int

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[Seen]:
        """Keep the features of every forward pass; enter it inside of an intervention."""
        seen = Seen()
        with ExitStack() as stack:
            if self.linear:
                # Compiled modules run as they were written, which hooks need.
                stack.enter_context(torch.compiler.set_stance("force_eager"))
                layer = model.get_submodule(self.layer)
                stack.callback(layer.register_forward_pre_hook(_keep(seen)).remove)
            else:
                stack.enter_context(Interception(model, self._visitor(seen)))
            yield seen

    def _visitor(self, seen: Seen) -> Callable[[Call], None]:
        def visit(call: Call) -> None:
            if call.name == self.layer:
                seen.pooled = _spatial_mean(call.output)

        return visit


def find_features(
    model: nn.Module, image: Tensor, static_batch: int | None = None
) -> PooledFeatures:
    """Find a model's pooled features by running it once.

    They are the input of the last linear layer that is given one vector per image; without such a
    layer, the spatial mean of the last convolution's or pooling's output.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    image : (N, C, *spatial) Tensor
        Only the first image is run.
    static_batch : int, optional
        The only number of images the model takes at once, if there is one.

    Raises
    ------
    PadscopeError
        There is neither, or the model fails.
    """
    linear: dict[str, int] = {}
    windowed: dict[str, int] = {}
    # Two images tell the batch axis apart; an exported program may insist on its own number.
    rows = static_batch or 2
    example = image[:1].repeat_interleave(rows, dim=0)

    def note(call: Call) -> None:
        if len(call.output) == rows and call.output.ndim == len(call.operation.window.out) + 2:
            windowed[call.name] = call.output.shape[1]

    with torch.no_grad(), ExitStack() as stack:
        stack.enter_context(Interception(model, note))
        for path, module in model.named_modules():
            if isinstance(module, nn.Linear):
                hook = _note_width(linear, path, rows)
                stack.callback(module.register_forward_pre_hook(hook).remove)
        run_batch(model, example, (0,), static_batch)
    for found, is_linear in ((linear, True), (windowed, False)):
        if found:
            layer, width = next(reversed(found.items()))
            return PooledFeatures(layer, is_linear, width)
    raise PadscopeError(
        "the model has no pooled features: no linear layer takes one vector per image, and no "
        "convolution or pooling gives one map per image"
    )


def projection(width: int, seed: int, most: int = MOST_FEATURES) -> Tensor | None:
    """Draw a random projection that makes features fewer and keeps their distances, nearly [1]_.

    Parameters
    ----------
    width : int
        Features there are.
    seed : int
    most : int
        Features there may be.

    Returns
    -------
    (width, most) float32 Tensor or None
        Normal entries of variance 1 / `most`; None if there are no more features than that.

    References
    ----------
    .. [1] Dasgupta and Gupta, Random Structures & Algorithms 22 (2003) 60-65.
    """
    if width <= most:
        return None
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(width, most, generator=generator)
    return drawn / math.sqrt(most)


def _spatial_mean(output: Tensor) -> Tensor:
    return output.flatten(2).mean(dim=-1)


def _vectors(inputs: tuple[Any, ...]) -> Tensor | None:
    """Take what a layer is given, if that is one vector per row."""
    given = inputs[0] if inputs else None
    return given if isinstance(given, Tensor) and given.ndim == 2 else None


def _keep(seen: Seen) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:  # noqa: ARG001 - torch's hook
        if (given := _vectors(inputs)) is not None:
            seen.pooled = given.detach().clone()  # a layer behind may write into it

    return hook


def _note_width(
    widths: dict[str, int], path: str, images: int
) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:  # noqa: ARG001 - torch's hook
        if (given := _vectors(inputs)) is not None and len(given) == images:
            widths.pop(path, None)  # back to the end: the last call counts
            widths[path] = given.shape[1]

    return hook
