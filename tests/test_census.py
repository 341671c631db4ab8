"""Uneven sides, contact and foveation: exact, against brute force."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.conftest import Command
from torch import Tensor, nn
from torchvision.models import resnet50

from padscope.sites import Site, Window, find_sites
from padscope.sites.census import contact_share, even_size, is_uneven, touches, used_padding


def over_axes(along: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    counted: NDArray[np.float64] = reduce(np.multiply.outer, along)
    return counted


def sites_of(net: nn.Module, *size: int) -> list[Site]:
    return find_sites(net.eval(), torch.zeros(2, 3, *size))


def taps_by_gradient(layer: nn.Module, *size: int) -> Tensor:
    """Count how often each input position enters an output: the gradient of their sum."""
    with torch.no_grad():
        layer.weight.fill_(1)
    pixels = torch.zeros(1, 1, *size, dtype=torch.float64, requires_grad=True)
    layer.double()(pixels).sum().backward()
    assert pixels.grad is not None
    return pixels.grad[0, 0]


@given(
    kernel=st.integers(1, 5), stride=st.integers(1, 3), dilation=st.integers(1, 2),
    padding=st.integers(0, 4), size=st.tuples(st.integers(9, 12), st.integers(9, 12)),
    mode=st.sampled_from(("zeros", "reflect", "replicate", "circular")),
)  # fmt: skip
def test_foveation_is_what_gradients_count(
    kernel: int, stride: int, dilation: int, padding: int, size: tuple[int, int], mode: Any
) -> None:
    layer = nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False, padding_mode=mode)
    reach = dilation * (kernel - 1) + 1
    out = (
        (size[0] + 2 * padding - reach) // stride + 1,
        (size[1] + 2 * padding - reach) // stride + 1,
    )
    if min(out) < 1:
        return
    kernels, strides, dilations, pads = (
        (value,) * 2 for value in (kernel, stride, dilation, padding)
    )
    window = Window(kernels, strides, dilations, pads, pads, size, out)
    assert (over_axes(touches(window, mode)) == taps_by_gradient(layer, *size).numpy()).all()


@given(
    kernel=st.integers(1, 5), stride=st.integers(1, 3), padding=st.integers(0, 2),
    size=st.integers(4, 9),
)  # fmt: skip
def test_foveation_of_transposed_convolutions(
    kernel: int, stride: int, padding: int, size: int
) -> None:
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, bias=False)
    if (size - 1) * stride - 2 * padding + kernel < 1:
        return
    out = layer(torch.zeros(1, 1, size)).shape[2]
    for site in find_sites(nn.Sequential(layer), torch.zeros(2, 1, size)):  # none if unpadded
        assert site.window.out == (out,)
        assert touches(site.window)[0].tolist() == taps_by_gradient(layer, size).tolist()


@pytest.mark.parametrize(
    ("kernel", "padding", "mode", "even"),
    [
        (3, 1, "zeros", False), (3, 0, "zeros", False), (3, 2, "zeros", True),
        (3, 1, "circular", True), (3, 1, "reflect", False),
        (3, 1, "replicate", True),  # of one line the same as symmetric padding
        (5, 2, "replicate", False), (5, 2, "symmetric", True), (5, 2, "circular", True),
        (3, 1, "partial", False), (3, 0, "partial", False), (3, 2, "partial", False),
    ],
)  # fmt: skip
def test_which_paddings_see_every_position_as_often(
    kernel: int, padding: int, mode: str, even: bool
) -> None:
    """One layer, as Mind the Pad has them: SAME, VALID, FULL and those that repeat the input."""
    out = 12 + 2 * padding - kernel + 1
    window = Window((kernel,), (1,), (1,), (padding,), (padding,), (12,), (out,))
    assert (len(np.unique(touches(window, mode)[0])) == 1) == even


@given(
    kernel=st.integers(1, 5), stride=st.integers(1, 3), padding=st.integers(0, 4),
    size=st.integers(5, 9), fill=st.sampled_from(("symmetric", "partial")),
)  # fmt: skip
def test_foveation_of_paddings_that_torch_has_not(
    kernel: int, stride: int, padding: int, size: int, fill: str
) -> None:
    """Against NumPy's symmetric padding, and the definition of partial convolution."""
    out = (size + 2 * padding - kernel) // stride + 1
    if out < 1:
        return
    counted = np.zeros(size)
    places = np.pad(np.arange(size), padding, "symmetric")
    inside = np.pad(np.ones(size, dtype=bool), padding)
    for first in range(0, out * stride, stride):
        seen = slice(first, first + kernel)
        if fill == "symmetric":
            np.add.at(counted, places[seen], 1)
        elif real := inside[seen].sum():
            np.add.at(counted, places[seen][inside[seen]], kernel / real)
    window = Window((kernel,), (stride,), (1,), (padding,), (padding,), (size,), (out,))
    assert touches(window, fill)[0] == pytest.approx(counted)


def test_sites_tells_contact_and_how_often_positions_are_read(
    padscope: Command, workdir: Path
) -> None:
    """The second convolution strides: padding at the end is read by no window."""
    told = padscope("sites", "mynets:tiny")
    assert "in contact" in told.words
    first, second = json.loads(padscope("sites", "mynets:tiny", "--json").out)["sites"]
    assert first["in_contact"] == 1 - (22 / 24) ** 2
    assert first["read_by"] == [[2, *[3] * 22, 2]] * 2
    assert second["in_contact"] == 1 - (11 / 12) ** 2
    assert second["read_by"] == [[*[1, 2] * 11, 1, 1]] * 2


def test_resnet50_is_uneven_at_224_and_even_at_225() -> None:
    net = resnet50(weights=None)
    uneven = [site.name for site in sites_of(net, 224, 224) if is_uneven(site.window)]
    assert uneven == [
        "conv1", "maxpool", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2",
    ]  # fmt: skip
    assert not any(is_uneven(site.window) for site in sites_of(net, 225, 225))
    assert even_size((224, 224), lambda size: sites_of(net, *size)) == (225, 225)


def test_the_padding_that_windows_reach() -> None:
    window = Window((3,), (2,), (1,), (1,), (1,), (8,), (4,))
    assert used_padding(window) == ((1, 0),)
    assert is_uneven(window)
    assert not is_uneven(Window((3,), (1,), (1,), (0,), (1,), (8,), (7,)))  # no stride


def test_contact_counts_positions_once() -> None:
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (3, 2), (3, 2))
    assert contact_share(window) == 1
    one_sided = Window((3,), (1,), (1,), (2,), (0,), (8,), (8,))
    assert contact_share(one_sided) == pytest.approx(2 / 8)


def test_no_even_size_is_none() -> None:
    assert even_size((9,), lambda _: None) is None
