"""Uneven sides, contact and foveation: exact, against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import resnet50

from padscope.sites import Site, Window, find_sites
from padscope.sites.census import contact_share, even_size, is_uneven, touches, used_padding

MODES = {"zeros": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


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
    mode=st.sampled_from(sorted(MODES)),
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
    assert touches(window, MODES[mode]).tolist() == taps_by_gradient(layer, *size).tolist()


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
        assert touches(site.window).tolist() == taps_by_gradient(layer, size).tolist()


@pytest.mark.parametrize(
    ("kernel", "padding", "mode", "even"),
    [
        (3, 1, "zeros", False), (3, 0, "zeros", False), (3, 2, "zeros", True),
        (3, 1, "circular", True), (3, 1, "reflect", False),
        (3, 1, "replicate", True),  # of one line the same as symmetric padding
        (5, 2, "replicate", False),
    ],
)  # fmt: skip
def test_which_paddings_see_every_position_as_often(
    kernel: int, padding: int, mode: str, even: bool
) -> None:
    """One layer, as Mind the Pad has them: SAME, VALID, FULL and those that repeat the input."""
    out = 12 + 2 * padding - kernel + 1
    window = Window((kernel,), (1,), (1,), (padding,), (padding,), (12,), (out,))
    assert (len(np.unique(touches(window, mode))) == 1) == even


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
