"""Streams in chunks: planted stacks of known reach, causal and symmetric, and a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from examples.crepe import tiny
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import stream_of, tiled
from padscope.errors import PadscopeError

CREPE = Path(__file__).parents[2] / "shared" / "weights" / "crepe_tiny.safetensors"


class Dilated(nn.Module):
    """A stack of dilated windows, padded on both sides or in front alone."""

    def __init__(self, kernel: int, dilations: Sequence[int], *, causal: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(2, 2, kernel, dilation=d) for d in dilations)
        self.reach = [d * (kernel - 1) for d in dilations]
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        for conv, reach in zip(self.convs, self.reach, strict=True):
            before = reach if self.causal else reach // 2
            x = torch.tanh(conv(F.pad(x, [before, reach - before])))
        return x


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def noise(samples: int) -> Tensor:
    return torch.randn(2, 2, samples, generator=torch.manual_seed(0))


@pytest.mark.parametrize(
    ("kernel", "dilations", "causal", "expected"),
    [
        (3, (1, 2, 4), True, (14, 0)), (3, (1, 2, 4), False, (7, 7)), (2, (1, 2, 4), True, (7, 0)),
        (2, (1, 2), False, (1, 2)), (5, (1,), False, (2, 2)),
    ],
)  # fmt: skip
def test_planted_stacks_need_what_they_reach(
    kernel: int, dilations: Sequence[int], causal: bool, expected: tuple[int, int]
) -> None:
    net = Dilated(kernel, dilations, causal=causal).eval()
    found = stream_of(net, noise(96), 16, tolerance=1e-5)
    assert (found.look_back, found.look_ahead) == expected
    assert found.causal == causal
    assert found.error <= 1e-5 < found.without
    back, ahead, sound = found.look_back, found.look_ahead, noise(96)
    for fewer in [(back - 1, ahead), (back, ahead - 1)][: 1 + bool(ahead)]:
        with torch.no_grad():
            assert (tiled(net, 16, (fewer,))(sound) - net(sound)).abs().max() > 1e-4
    assert [window.positions for window in found.state] == net.reach
    assert sum(window.values for window in found.state) == 2 * sum(net.reach)


@torch.no_grad()
def test_chunks_of_any_size_equal_the_whole() -> None:
    net = Dilated(3, (1, 2, 4), causal=True).eval()
    found, sound = stream_of(net, noise(96), 16, tolerance=1e-5), noise(150)
    for chunk in (7, 16, 40):
        torch.testing.assert_close(found.runner(net, chunk)(sound), net(sound), rtol=0, atol=1e-5)


def test_strided_networks_are_advised_in_step() -> None:
    net = nn.Sequential(
        nn.Conv1d(2, 2, 5, 2, padding=2), nn.ReLU(), nn.ConvTranspose1d(2, 2, 4, 2, padding=1)
    ).eval()
    found = stream_of(net, noise(96), 16, tolerance=1e-5)
    assert found.step == 2
    assert found.look_back % 2 == found.look_ahead % 2 == 0
    assert found.error <= 1e-5


def test_windows_without_padding_look_at_both_sides() -> None:
    found = stream_of(nn.Conv1d(2, 2, 5).eval(), noise(96), 16, tolerance=1e-5)
    assert (found.look_back, found.look_ahead) == (0, 4)


@pytest.mark.parametrize(
    ("net", "sound", "message"),
    [
        (nn.Conv1d(2, 2, 3, padding=1), torch.zeros(2, 64), "give .streams, channels, samples"),
        (nn.GroupNorm(1, 2), noise(64), "no finite halo"),
        (nn.Conv1d(2, 2, 3, 2, padding=1), noise(64), "chunk|tile of 15 .* out of step"),
    ],
)
def test_bad_input_is_one_sentence(net: nn.Module, sound: Tensor, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        stream_of(net.eval(), sound, 15)


def test_a_cost_that_no_chunk_has_is_refused() -> None:
    found = stream_of(nn.Conv1d(2, 2, 3, padding=1).eval(), noise(64), 16)
    assert found.cost(found.chunk_for(1.01)) <= 1.01 < found.cost(found.chunk_for(1.01) - 1)
    with pytest.raises(ValueError, match="more than 1"):
        found.chunk_for(1.0)


def test_what_was_found_is_said() -> None:
    told = repr(stream_of(Dilated(3, (1, 2), causal=True).eval(), noise(64), 16))
    assert "need 6 before and nothing of the future" in told
    assert "keeps 12 values in 2 windows" in told


@pytest.mark.skipif(not CREPE.exists(), reason="the weights are not there")
@torch.no_grad()
def test_crepe_in_chunks_equals_the_whole_with_the_advised_look_back() -> None:
    net = tiny()
    # Its kernels are those of maps of one column.
    weights = {name: value.float() for name, value in load_file(CREPE).items()}
    net.load_state_dict({
        name: value.squeeze(-1) if value.ndim == 4 else value for name, value in weights.items()
    })  # fmt: skip

    class Pitches(nn.Module):
        """What the classifier would see, all along a sound."""

        def forward(self, x: Tensor) -> Tensor:
            return net.features(x)

    model = Pitches().eval()
    model.net = net.eval()
    time = torch.arange(24576) / 16000
    sound = (0.5 * torch.sin(2 * torch.pi * (220 + 110 * time) * time))[None, None]
    sound = sound / sound.std()
    chunk = 8192
    found = stream_of(model, sound, chunk)
    whole = model(sound)
    spread = whole.std(correction=0)

    def apart(before: int, after: int) -> float:
        return float((tiled(model, chunk, ((before, after),))(sound) - whole).abs().max() / spread)

    assert found.step == 256
    assert apart(found.look_back, found.look_ahead) <= 0.01
    thumb = 768  # a tenth of the chunk on either side, in step
    assert apart(thumb, thumb) > 0.1
    print(found)
