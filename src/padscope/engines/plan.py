"""What to look at in a model: found by running it once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.regions import Layout, Positions, draw_positions
from padscope.sites import Observation, observe


@dataclass(frozen=True)
class Plan:
    """What to look at in a model, known after one forward pass.

    Attributes
    ----------
    observation : Observation
        Every site, scored or not, in the order of the forward pass, and the weights.
    positions : dict
        Site name → drawn positions, of the scored sites.
    size : tuple of int
        Pixels of an image per spatial axis.
    static_batch : int or None
        The only number of images the model takes at once, if there is one.
    """

    observation: Observation
    positions: dict[str, Positions]
    size: tuple[int, ...]
    static_batch: int | None = None

    @property
    def hidden(self) -> bool:
        """Whether any site lies in scripted code."""
        return any(site.hidden for site in self.observation.sites)


def make_plan(
    model: nn.Module,
    image: Tensor,
    seed: int,
    per_line: int,
    per_core: int,
    static_batch: int | None = None,
) -> Plan:
    """Find the sites of a model and draw positions on their maps.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    image : (1, C, *spatial) Tensor
        What to run it on.
    seed, per_line, per_core : int
        See `draw_positions`.
    static_batch : int, optional
        The only number of images the model takes at once, if there is one.

    Raises
    ------
    PadscopeError
        The model fails on the image.
    """
    # Two images tell the batch axis apart; an exported program may insist on its own number.
    example = as_taken(model, image.repeat_interleave(static_batch or 2, dim=0))
    try:
        observation = observe(model, example)
    except Exception as error:  # somebody's own code raises what it likes
        raise PadscopeError(rejection(example, error)) from error
    drawn: dict[Layout, Positions] = {}
    positions = {}
    for site in observation.sites:
        if site.scored:
            extent = tuple((len(before), len(after)) for before, after in site.contact)
            layout = Layout(site.map_size, extent)
            if layout not in drawn:
                drawn[layout] = draw_positions(layout, seed, per_line, per_core)
            positions[site.name] = drawn[layout]
    return Plan(observation, positions, tuple(image.shape[2:]), static_batch)


def as_taken(model: nn.Module, pixels: Tensor) -> Tensor:
    """Put images where a model is, and in the memory format in which it is fastest."""
    weight = next(model.parameters(), None)
    if weight is not None:
        pixels = pixels.to(weight.device)
    if pixels.ndim == 4:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    return pixels


def rejection(example: Tensor, error: Exception) -> str:
    """Say that a model does not take images of some shape."""
    shape = "×".join(map(str, example.shape))
    return (
        f"the model does not take images of shape {shape} (batch, channels, size): "
        f"{brief(error)}; pass --size, or images of the shape it was built for"
    )


def brief(error: Exception) -> str:
    """Sum up what somebody's own code has raised."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
