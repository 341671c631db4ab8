"""What a network needs to run on a stream chunk by chunk: samples before, samples after, a state.

A chunk is a tile with one axis whose halo has two sides. A stateless decoder runs every chunk with
so many samples of the past and of the future, and cuts off what is not the chunk's own. One with a
state keeps the last inputs of every window instead, so that nothing is computed twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.running.model import as_input
from padscope.running.tiled import BesideWhole, Tiled, smallest, tiled
from padscope.sites import Call, Interception


@dataclass(frozen=True)
class WindowState:
    """What one window must remember from chunk to chunk.

    Attributes
    ----------
    name : str
    positions : int
        Of its input: those before the next chunk that it still looks at.
    channels : int
        Of its input.
    """

    name: str
    positions: int
    channels: int

    @property
    def values(self) -> int:
        """How many numbers that is, of one stream."""
        return self.positions * self.channels


@dataclass(frozen=True)
class AdvisedStream:
    """With what a network gives chunk by chunk what it gives for the whole.

    Attributes
    ----------
    chunk : int
        Samples; a multiple of `step`.
    look_back, look_ahead : int
        Samples that every chunk is run with, before and after it; the smallest that suffice.
    step : int
        Samples between chunks in step with the strides.
    error : float
        Greatest difference from the whole, in spreads of each answer.
    without : float
        The same of chunks without look-back, as of a decoder that keeps no state; infinite if it
        gives too few positions.
    state : tuple of WindowState
        What a decoder would have to keep that computes nothing twice.
    tried : dict
        (look-back, look-ahead) → error, of all that were tried.
    """

    chunk: int
    look_back: int
    look_ahead: int
    step: int
    error: float
    without: float
    state: tuple[WindowState, ...]
    tried: dict[tuple[int, int], float]

    @property
    def causal(self) -> bool:
        """Whether it needs nothing of the future."""
        return self.look_ahead == 0

    def cost(self, chunk: int | None = None) -> float:
        """Count the samples that are run for each one of the stream, in chunks of some size."""
        chunk = chunk or self.chunk
        return (chunk + self.look_back + self.look_ahead) / chunk

    def chunk_for(self, cost: float) -> int:
        """Find the smallest chunk in step whose `cost` is no more than this.

        Raises
        ------
        ValueError
            Not more than 1, which no chunk costs.
        """
        if cost <= 1:
            raise ValueError(f"cost is {cost}; every chunk costs more than 1")
        beside = self.look_back + self.look_ahead
        return max(1, math.ceil(beside / (cost - 1) / self.step)) * self.step

    def runner(self, model: nn.Module, chunk: int | None = None, **how: Any) -> Tiled:
        """Make what runs a model in such chunks; `how` as of `tiled`."""
        halo = ((self.look_back, self.look_ahead),)
        return tiled(model, chunk or self.chunk, halo, **how)

    def __repr__(self) -> str:
        """Say what was found."""
        kept = sum(window.values for window in self.state)
        ahead = (
            "nothing of the future (the network is causal)"
            if self.causal
            else f"{self.look_ahead:,} after"
        )
        lost = (
            "gives too few positions"
            if math.isinf(self.without)
            else f"is wrong by up to {self.without:.2g} spreads"
        )
        return (
            f"Chunks of {plural(self.chunk, 'sample')} need {self.look_back:,} before and {ahead}: "
            f"{self.cost():.2f} samples are run for each one, and the answer is within "
            f"{self.error:.2g} spreads of that to the whole.\n"
            f"A decoder without look-back {lost}; one that computes nothing twice keeps "
            f"{plural(kept, 'value')} in {plural(len(self.state), 'window')}."
        )


@torch.no_grad()
def stream_of(
    model: nn.Module,
    sound: Tensor,
    chunk: int,
    *,
    tolerance: float = 0.01,
    output: str | None = None,
    batch_size: int = 1,
) -> AdvisedStream:
    """Find with how many samples before and after chunk by chunk equals the whole.

    It is found by trying: the look-back is bisected with all the look-ahead that padding can reach,
    then the look-ahead with that look-back.

    Parameters
    ----------
    model : nn.Module
        In eval mode, with an answer along the samples.
    sound : (N, C, samples) Tensor
        Several chunks long; short enough to be run whole.
    chunk : int
        Samples.
    tolerance : float
        Greatest difference of any value that is none, in spreads of each answer.
    output, batch_size
        As of `tiled`.

    Raises
    ------
    PadscopeError
        There is not one axis of samples, no look-back that fits suffices, the chunk is out of step
        with the strides, or the model looks at the whole axis.

    Examples
    --------
    >>> net = nn.Sequential(nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(1, 1, 5)).eval()
    >>> sound = torch.randn(1, 1, 64, generator=torch.manual_seed(0))
    >>> found = stream_of(net, sound, 16)
    >>> found.look_back, found.look_ahead, found.cost(), found.chunk_for(1.1)
    (4, 0, 1.25, 40)
    """
    if sound.ndim != 3:
        raise PadscopeError(
            f"sound has shape {tuple(sound.shape)}; give (streams, channels, samples)"
        )
    beside = BesideWhole(model, sound, chunk, output=output, batch_size=batch_size)
    step = beside.bounds.step[0]

    def error(back: int, ahead: int) -> float:
        return beside.error(((back, ahead),))

    def reach(far: bool) -> float:
        pixels = beside.answer.ends[0, far].pixels
        return 0.0 if pixels is None else float(pixels)

    # Where windows are not padded they look ahead all the same: both sides grow together first.
    start = max(reach(False), reach(True))
    both = smallest(lambda pixels: error(pixels, pixels), start, step, tolerance)
    back = smallest(lambda pixels: error(pixels, both), 0, step, tolerance)
    ahead = smallest(lambda pixels: error(back, pixels), 0, step, tolerance)
    tried = {_sides(halo): apart for halo, apart in beside.tried.items()}
    return AdvisedStream(
        chunk, back, ahead, step, error(back, ahead), error(0, ahead), _state(model, sound), {
            sides: tried[sides] for sides in sorted(tried)
        },
    )  # fmt: skip


def _sides(halo: object) -> tuple[int, int]:
    assert isinstance(halo, tuple)
    ((back, ahead),) = halo
    return back, ahead


def _state(model: nn.Module, sound: Tensor) -> tuple[WindowState, ...]:
    """List what the windows of a pass look at of the past: all but one stride of their reach."""
    found: list[WindowState] = []

    def see(call: Call) -> None:
        window = call.operation.window
        if len(window.kernel) != 1:
            return
        reach = window.dilation[0] * (window.kernel[0] - 1)
        kept = -(-reach // window.stride[0]) if window.transposed else reach + 1 - window.stride[0]
        if kept > 0:
            found.append(WindowState(call.name, kept, call.input.shape[-2]))

    with Interception(model, see):
        model(as_input(model, sound[:1]))
    return tuple(found)
