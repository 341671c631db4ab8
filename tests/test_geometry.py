"""Which outputs of a window touch padding, against torch's own convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.sites import Interception, Window

Lines = tuple[int, ...]

# The first example pays for torch's start-up.
repeated = settings(deadline=None, max_examples=200)


@dataclass(frozen=True)
class Walk:
    """One axis of a convolution: `explicit` padding comes from `F.pad`, `own` from the call."""

    size: int
    kernel: int
    stride: int
    dilation: int
    explicit: tuple[int, int] = (0, 0)
    own: int = 0
    output_padding: int = 0

    @property
    def reach(self) -> int:
        return self.dilation * (self.kernel - 1)

    @property
    def before(self) -> int:
        return self.explicit[0] + self.own

    @property
    def after(self) -> int:
        return self.explicit[1] + self.own


class Padded(nn.Module):
    """An explicit pad and a convolution, of as many axes as there are walks."""

    def __init__(self, walks: Sequence[Walk], *, transposed: bool = False) -> None:
        super().__init__()
        self.walks = walks
        self.transposed = transposed

    def forward(self, x: Tensor) -> Tensor:
        walks, dims = self.walks, len(self.walks)
        x = F.pad(x, [pad for walk in reversed(walks) for pad in walk.explicit])
        weight = torch.ones(1, 1, *(walk.kernel for walk in walks))
        stride = [walk.stride for walk in walks]
        own = [walk.own for walk in walks]
        dilation = [walk.dilation for walk in walks]
        if self.transposed:
            convolve = (F.conv_transpose1d, F.conv_transpose2d)[dims - 1]
            extra = [walk.output_padding for walk in walks]
            return convolve(x, weight, None, stride, own, extra, 1, dilation)
        return (F.conv1d, F.conv2d)[dims - 1](x, weight, None, stride, own, dilation)

    def observed(self) -> Window:
        return observed_window(self, torch.zeros(1, 1, *(walk.size for walk in self.walks)))


def observed_window(model: nn.Module, x: Tensor) -> Window:
    windows: list[Window] = []
    with torch.no_grad(), Interception(model, lambda call: windows.append(call.operation.window)):
        model(x)
    (window,) = windows
    return window


def both_ends(touched_before: Tensor, touched_after: Tensor) -> tuple[Lines, Lines]:
    before = [line for line, touched in enumerate(touched_before.tolist()) if touched]
    after = [line for line, touched in enumerate(reversed(touched_after.tolist())) if touched]
    return tuple(before), tuple(after)


def indicator(before: float, inside: float, after: float, lengths: tuple[int, int, int]) -> Tensor:
    parts = zip((before, inside, after), lengths, strict=True)
    return torch.cat([torch.full((length,), value) for value, length in parts])[None, None]


def contact_by_convolution(walk: Walk) -> tuple[tuple[Lines, Lines], int]:
    """Convolve ones in the padding and zeros inside: what is positive has touched padding."""
    ones, lengths = torch.ones(1, 1, walk.kernel), (walk.before, walk.size, walk.after)

    def touched(before: float, after: float) -> Tensor:
        x = indicator(before, 0.0, after, lengths)
        return F.conv1d(x, ones, stride=walk.stride, dilation=walk.dilation).flatten() > 0

    return both_ends(touched(1, 0), touched(0, 1)), len(touched(1, 1))


def contact_by_extension(walk: Walk) -> tuple[tuple[Lines, Lines], int]:
    """Continue the input of a transposed convolution beyond its ends; see which outputs notice.

    Output j of the input is output j + m·stride of the input that begins m elements earlier.
    """
    more = walk.own + walk.reach + walk.output_padding + 1
    lengths = (more + walk.explicit[0], walk.size, walk.explicit[1] + more)
    length = walk.size + sum(walk.explicit)
    out = (length - 1) * walk.stride - 2 * walk.own + walk.reach + walk.output_padding + 1
    first = more * walk.stride

    def touched(before: float, after: float) -> Tensor:
        x = indicator(before, 0.0, after, lengths)
        ones = torch.ones(1, 1, walk.kernel)
        longer = F.conv_transpose1d(
            x, ones, stride=walk.stride, padding=walk.own, dilation=walk.dilation
        ).flatten()
        assert len(longer) >= first + out
        return longer[first : first + out] > 0

    return both_ends(touched(1, 0), touched(0, 1)), out


@st.composite
def plain_walks(draw: st.DrawFn) -> Walk:
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    ends = st.integers(0, 5)
    walk = Walk(
        draw(st.integers(1, 16)), kernel, stride, draw(st.integers(1, 3)),
        (draw(ends), draw(ends)), draw(st.integers(0, 3)),
    )  # fmt: skip
    assume(walk.size + walk.before + walk.after > walk.reach)
    return walk


@st.composite
def transposed_walks(draw: st.DrawFn) -> Walk:
    stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    ends = st.integers(0, 2)
    walk = Walk(
        draw(st.integers(1, 9)), draw(st.integers(1, 5)), stride, dilation,
        (draw(ends), draw(ends)), draw(st.integers(0, 6)),
        draw(st.integers(0, max(stride, dilation) - 1)),
    )  # fmt: skip
    length = walk.size + sum(walk.explicit)
    assume((length - 1) * stride - 2 * walk.own + walk.reach + walk.output_padding >= 0)
    return walk


@repeated
@given(plain_walks())
def test_contact_is_where_a_convolution_sees_padding(walk: Walk) -> None:
    expected, out = contact_by_convolution(walk)
    window = Padded([walk]).observed()
    assert window.contact(0) == expected
    assert window.out == (out,)
    assert (window.size, window.before, window.after) == (
        (walk.size,),
        (walk.before,),
        (walk.after,),
    )


@repeated
@given(plain_walks())
def test_contact_before_follows_the_textbook_formula(walk: Walk) -> None:
    window = Padded([walk]).observed()
    lines = range(window.out[0])
    assert window.contact(0)[0] == tuple(i for i in lines if i * walk.stride < walk.before)


@repeated
@given(plain_walks())
def test_a_window_built_by_hand_is_the_observed_one(walk: Walk) -> None:
    length = walk.size + walk.before + walk.after
    out = (length - walk.reach - 1) // walk.stride + 1
    by_hand = Window(
        (walk.kernel,), (walk.stride,), (walk.dilation,),
        (walk.before,), (walk.after,), (walk.size,), (out,),
    )  # fmt: skip
    assert Padded([walk]).observed() == by_hand


@repeated
@given(plain_walks())
def test_taps_are_what_each_weight_picks_up(walk: Walk) -> None:
    positions = torch.arange(-walk.before, walk.size + walk.after, dtype=torch.float32)[None, None]
    picked = [
        F.conv1d(positions, one_hot(walk.kernel, tap), stride=walk.stride, dilation=walk.dilation)
        for tap in range(walk.kernel)
    ]
    assert Padded([walk]).observed().taps(0).tolist() == torch.cat(picked).squeeze(1).T.tolist()


def one_hot(kernel: int, tap: int) -> Tensor:
    return F.one_hot(torch.tensor(tap), kernel).float()[None, None]


@repeated
@given(plain_walks(), plain_walks())
def test_a_map_touches_padding_where_either_axis_does(high: Walk, wide: Walk) -> None:
    inside = torch.zeros(1, 1, high.size, wide.size)
    frame = F.pad(inside, (wide.before, wide.after, high.before, high.after), value=1.0)
    touched = F.conv2d(
        frame, torch.ones(1, 1, high.kernel, wide.kernel),
        stride=(high.stride, wide.stride), dilation=(high.dilation, wide.dilation),
    )[0, 0] > 0  # fmt: skip

    window = Padded([high, wide]).observed()
    expected = torch.zeros(window.out, dtype=torch.bool)
    for axis in (0, 1):
        before, after = window.contact(axis)
        lines = [*before, *(window.out[axis] - 1 - line for line in after)]
        expected.index_fill_(axis, torch.tensor(lines, dtype=torch.long), value=True)
    assert torch.equal(touched, expected)


@repeated
@given(transposed_walks())
def test_contact_is_where_a_transposed_convolution_misses_input(walk: Walk) -> None:
    expected, out = contact_by_extension(walk)
    window = Padded([walk], transposed=True).observed()
    assert window.contact(0) == expected
    assert window.out == (out,)
    assert window.size == (walk.size,)


@repeated
@given(transposed_walks(), transposed_walks())
def test_axes_of_a_transposed_convolution_do_not_mix(high: Walk, wide: Walk) -> None:
    window = Padded([high, wide], transposed=True).observed()
    assert window.contact(0) == contact_by_extension(high)[0]
    assert window.contact(1) == contact_by_extension(wide)[0]


@repeated
@given(transposed_walks())
def test_taps_of_a_transposed_convolution_lie_on_its_lattice(walk: Walk) -> None:
    length = walk.size + sum(walk.explicit)
    values = torch.arange(1, length + 1, dtype=torch.float32)[None, None]  # input i holds i + 1
    taps = Padded([walk], transposed=True).observed().taps(0)
    for tap in range(walk.kernel):
        picked = F.conv_transpose1d(
            values, one_hot(walk.kernel, walk.kernel - 1 - tap), None,
            walk.stride, walk.own, walk.output_padding, 1, walk.dilation,
        ).flatten()  # fmt: skip
        for position, value in zip(taps[:, tap].tolist(), picked.tolist(), strict=True):
            index, off = divmod(position, walk.stride)
            index += walk.explicit[0]
            assert value == (index + 1 if not off and 0 <= index < length else 0)


@repeated
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 8))
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_same_padding_of_odd_and_even_kernels(kernel: int, dilation: int, more: int) -> None:
    size = dilation * (kernel - 1) + 1 + more  # so that every window holds something real
    # Weights 1, 2, 4, … over ones: the bits missing from a sum are the taps in the padding. A
    # window that sticks out before the input misses its first tap, after it its last.
    bits = 2.0 ** torch.arange(kernel)[None, None]
    sums = F.conv1d(torch.ones(1, 1, size), bits, padding="same", dilation=dilation).flatten().int()
    expected = both_ends(sums & 1 == 0, sums < 2 ** (kernel - 1))

    convolution = nn.Conv1d(1, 1, kernel, padding="same", dilation=dilation)
    window = observed_window(convolution, torch.zeros(1, 1, size))
    assert window.contact(0) == expected
    assert window.before[0] + window.after[0] == dilation * (kernel - 1)
    assert window.out == (size,)


@pytest.mark.parametrize(
    ("walk", "before", "after"),
    [
        (
            Walk(8, kernel=3, stride=2, dilation=1, own=1),
            (0,),
            (),
        ),  # stride 2, even: no far contact
        (Walk(9, kernel=3, stride=2, dilation=1, own=1), (0,), (0,)),
        (Walk(9, kernel=7, stride=2, dilation=1, own=3), (0, 1), (0, 1)),
        (Walk(9, kernel=1, stride=1, dilation=1, own=1), (0,), (0,)),
        (Walk(9, kernel=3, stride=1, dilation=4, own=4), (0, 1, 2, 3), (0, 1, 2, 3)),
        (Walk(9, kernel=3, stride=1, dilation=1, explicit=(3, 0)), (0, 1, 2), ()),
        (Walk(9, kernel=3, stride=1, dilation=1, explicit=(-1, 2)), (), (0, 1)),
    ],
)
def test_known_walks(walk: Walk, before: Lines, after: Lines) -> None:
    assert Padded([walk]).observed().contact(0) == (before, after)


@pytest.mark.parametrize(
    ("walk", "before", "after"),
    [
        (Walk(4, kernel=2, stride=2, dilation=1), (), ()),
        (Walk(4, kernel=3, stride=2, dilation=1), (0,), (0,)),
        (Walk(4, kernel=4, stride=2, dilation=1, own=1), (0,), (0,)),
        (Walk(4, kernel=3, stride=2, dilation=1, own=1, output_padding=1), (), (0,)),
        (Walk(4, kernel=3, stride=1, dilation=1), (0, 1), (0, 1)),
        (Walk(4, kernel=3, stride=4, dilation=1), (), ()),
        (Walk(4, kernel=3, stride=2, dilation=2), (0, 2), (0, 2)),  # odd lines see no input at all
    ],
)
def test_known_transposed_walks(walk: Walk, before: Lines, after: Lines) -> None:
    assert Padded([walk], transposed=True).observed().contact(0) == (before, after)
