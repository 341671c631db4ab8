"""Parts of a convolution, read tap by tap, against the convolution itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.sites import Call, Interception, JoinedTaps, at_offset, filled, repadded, select_taps
from padscope.sites.fill_words import ZEROS

CONVS: dict[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[Any]] = {
    1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d,
}  # fmt: skip
MODES = ("reflect", "replicate", "circular")
MOST = {1: 14, 2: 9, 3: 6}
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Case:
    """A convolution and what it is given."""

    module: nn.Module
    input: Tensor
    seed: int

    def call(self, net: nn.Module | None = None) -> Call:
        """Run it, or a network around it, under interception."""
        calls: list[Call] = []
        net = net or self.module
        with torch.no_grad(), Interception(net, calls.append):
            net(self.input)
        return calls[-1]

    def outputs(self, call: Call, count: int = 5) -> NDArray[np.int64]:
        """Draw output positions, (2 slots, P)."""
        area = int(np.prod(call.operation.window.out))
        return np.random.default_rng(self.seed).integers(0, area, (2, count))


@st.composite
def cases(draw: st.DrawFn, transposed: bool = False, padded: bool = False) -> Case:
    dims = draw(st.integers(1, 3))
    axis = range(dims)
    groups = draw(st.sampled_from([1, 2, 4]))
    kernel = [draw(st.integers(1, 4)) for _ in axis]
    stride = [draw(st.integers(1, 3)) for _ in axis]
    dilation = [draw(st.integers(1, 2)) for _ in axis]
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if transposed:
        sizes = [draw(st.integers(3, MOST[dims])) for _ in axis]
        most = [min(r, (n - 1 + r) // 2) for r, n in zip(reach, sizes, strict=True)]
        padding = [draw(st.integers(0, p)) for p in most]
    else:
        padding = [draw(st.integers(int(padded), 3)) for _ in axis]
        sizes = [
            draw(st.integers(max(4, r + 1 - 2 * p), max(4, r + 1) + MOST[dims] - 4))
            for r, p in zip(reach, padding, strict=True)
        ]
    seed = draw(st.integers(0, 2**16))
    torch.manual_seed(seed)
    kind = (TRANSPOSED if transposed else CONVS)[dims]
    extra: dict[str, Any] = {}
    if transposed:
        limits = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        extra["output_padding"] = [draw(st.integers(0, limit)) for limit in limits]
    out = draw(st.sampled_from([4, 8]))
    module = kind(
        4, out, kernel, stride, padding, dilation=dilation, groups=groups,
        bias=draw(st.booleans()), **extra,
    )  # fmt: skip
    return Case(module, torch.randn(2, 4, *sizes), seed)


def at(output: Tensor, outputs: NDArray[np.int64]) -> Tensor:
    """Read a (2, C, *spatial) output at positions of each image, (2, P, C)."""
    flat = output.flatten(2).transpose(1, 2)
    return torch.stack([flat[image, places] for image, places in enumerate(outputs)])


def place(first: Sequence[int], size: Sequence[int]) -> tuple[EllipsisType | slice, ...]:
    """Index the last axes, from `first` on."""
    return (..., *(slice(m, m + n) for m, n in zip(first, size, strict=True)))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def bias_of(call: Call) -> Tensor | float:
    return 0.0 if call.bias is None else call.bias.detach()


@pytest.mark.parametrize("transposed", [False, True])
@EXAMPLES
@given(data=st.data())
def test_all_taps_and_the_bias_make_the_output(data: st.DataObject, transposed: bool) -> None:
    case = data.draw(cases(transposed))
    call = case.call()
    outputs, shape = case.outputs(call), call.input.shape[2:]
    assert call.weight is not None
    taps = select_taps(
        call.operation, call.weight, outputs, shape, at_offset([0] * len(shape), shape),
        padding_only=False,
    )  # fmt: skip
    close(taps.part(call.input, [0, 1], [0, 1]) + bias_of(call), at(call.output, outputs))
    # Rows and slots are told apart: the second image at the first slot's positions.
    other = taps.part(call.input, [1], [0]) + bias_of(call)
    close(other, at(call.output.flip(0), outputs)[:1])


@EXAMPLES
@given(case=cases(padded=True), inset=st.integers(1, 3))
def test_taps_in_the_padding_make_the_difference_to_zeros(case: Case, inset: int) -> None:
    """With real values around the frame, they are what zeros in their place leave out."""
    call = case.call()
    window = call.operation.window
    margin = [max(b, a) + inset for b, a in zip(window.before, window.after, strict=True)]
    sizes = [n + 2 * m for n, m in zip(window.size, margin, strict=True)]
    around = torch.randn(2, 4, *sizes, generator=torch.Generator().manual_seed(case.seed))
    frame = place(margin, window.size)
    around[frame] = case.input
    ring = around.clone()
    ring[frame] = 0
    module = case.module
    pads = [p for m, b in zip(margin[::-1], window.before[::-1], strict=True) for p in (b - m,) * 2]
    with torch.no_grad():  # the module's own walk, over the frame and as much of its surroundings
        conv = getattr(F, f"conv{len(sizes)}d")
        expected = conv(
            F.pad(ring, pads), module.weight, None, module.stride, 0, module.dilation,
            module.groups,
        )  # fmt: skip
    outputs = case.outputs(call)
    assert call.weight is not None
    taps = select_taps(call.operation, call.weight, outputs, sizes, at_offset(margin, sizes))
    close(taps.part(around, [0, 1], [0, 1]), at(expected, outputs))
    zeros = filled(ZEROS, window.size, margin)
    assert zeros is not None
    nothing = select_taps(call.operation, call.weight, outputs, sizes, zeros[0], value=zeros[1])
    assert not nothing.part(around, [0, 1], [0, 1]).any()


@EXAMPLES
@given(case=cases(padded=True), alike=st.booleans())
def test_taps_that_are_joined_give_what_they_give_alone(case: Case, alike: bool) -> None:
    """Joined, sets of one shape are weighed at once, others one by one."""
    call = case.call()
    shape = call.input.shape[2:]
    assert call.weight is not None
    sets = []
    for number in range(3):
        outputs = case.outputs(call, 3 if alike else 2 + number) // (1 + number)
        around = at_offset([0] * len(shape), shape)
        taps = select_taps(
            call.operation, call.weight, outputs, shape, around, padding_only=not alike
        )
        sets.append(taps)
    joined = JoinedTaps.of(sets)
    parts = [taps.part(call.input, [1, 0], [0, 1]) for taps in sets]
    close(joined.part(call.input, [1, 0], [0, 1]), torch.cat(parts, dim=1))


@EXAMPLES
@given(case=cases(transposed=True), inset=st.integers(0, 2))
def test_taps_of_a_transposed_convolution_beyond_the_frame(case: Case, inset: int) -> None:
    """A transposed convolution of surroundings alone, cut to where its frame's output lies."""
    call = case.call()
    window, module = call.operation.window, case.module
    margin = [k * d // s + 2 + inset for k, d, s in
              zip(window.kernel, window.dilation, window.stride, strict=True)]  # fmt: skip
    sizes = [n + 2 * m for n, m in zip(window.size, margin, strict=True)]
    ring = torch.randn(2, 4, *sizes, generator=torch.Generator().manual_seed(case.seed))
    ring[place(margin, window.size)] = 0
    with torch.no_grad():
        whole = module(ring) - (0 if module.bias is None else _along_channels(module.bias, ring))
    first = [m * s for m, s in zip(margin, window.stride, strict=True)]
    outputs = case.outputs(call)
    assert call.weight is not None
    taps = select_taps(call.operation, call.weight, outputs, sizes, at_offset(margin, sizes))
    close(taps.part(ring, [0, 1], [0, 1]), at(whole[place(first, window.out)], outputs))


def _along_channels(bias: object, like: Tensor) -> Tensor:
    assert isinstance(bias, Tensor)
    return bias.view(-1, *[1] * (like.ndim - 2))


@pytest.mark.parametrize("mode", [*MODES, "constant"])
@EXAMPLES
@given(data=st.data())
def test_fills_equal_torchs(data: st.DataObject, mode: str) -> None:
    case = data.draw(cases(padded=True))
    call = case.call()
    operation, window = call.operation, call.operation.window
    value = 0.75 if mode == "constant" else 0.0
    pads = [p for b, a in zip(window.before, window.after, strict=True) for p in (a, b)][::-1]
    conv = getattr(F, f"conv{len(window.out)}d")
    arguments = (None, window.stride, 0, window.dilation, operation.groups)
    with torch.no_grad():
        expected = conv(F.pad(case.input, pads, mode=mode, value=value or None), call.weight,
                        *arguments)  # fmt: skip
        zeros = conv(F.pad(case.input, pads), call.weight, *arguments)
    found = filled("constant 0.75" if value else mode, window.size, [0] * len(pads[::2]))
    assert found is not None
    outputs = case.outputs(call)
    assert call.weight is not None
    taps = select_taps(
        operation, call.weight, outputs, window.size, found[0], value=found[1]
    )  # fmt: skip
    close(taps.part(case.input, [0, 1], [0, 1]), at(expected - zeros, outputs))


@pytest.mark.parametrize("mode", MODES)
@EXAMPLES
@given(data=st.data())
def test_repadded_equals_the_module_of_that_mode(data: st.DataObject, mode: str) -> None:
    case = data.draw(cases(padded=True))
    call = case.call()
    found = repadded(call, mode)
    case.module.padding_mode = mode  # type: ignore[assignment]  # torch lists what it takes
    pads = [p for p in call.operation.window.before[::-1] for _ in range(2)]
    case.module._reversed_padding_repeated_twice = pads  # type: ignore[assignment]  # torch lists what it takes
    assert found is not None
    with torch.no_grad():
        close(found, case.module(case.input))


def test_repadded_replaces_explicit_padding() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 4, 3)
    pixels = torch.randn(2, 4, 7, 8)
    call = Case(conv, pixels, 0).call(nn.Sequential(nn.ConstantPad2d((2, 1, 0, 1), 5.0), conv))
    found = repadded(call, "replicate")
    assert found is not None
    with torch.no_grad():
        close(found, conv(F.pad(pixels, (2, 1, 0, 1), mode="replicate")))


def test_what_cannot_be_repadded() -> None:
    pixels = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for module in (
        nn.ConvTranspose2d(4, 4, 3, padding=1), nn.MaxPool2d(3, padding=1), nn.Conv2d(4, 4, 3),
    ):  # fmt: skip
        assert repadded(Case(module, pixels, 0).call(), "replicate") is None


def test_fills_that_cannot_be_followed() -> None:
    assert filled("reflect + zeros", (8, 8), (0, 0)) is None
    assert filled("constant 1 + zeros", (8, 8), (0, 0)) is None
    assert filled("-inf", (8, 8), (0, 0)) is None


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_reflection_folds_again_where_an_axis_is_short(size: int) -> None:
    found = filled("reflect", (size,), (3,))
    assert found is not None
    places, present = found[0](np.arange(-9, 9 + size), 0)
    assert present.all()
    back_and_forth = [*range(size), *range(size - 2, 0, -1)]
    expected = [back_and_forth[place % len(back_and_forth)] for place in range(-9, 9 + size)]
    assert (places - 3).tolist() == expected
