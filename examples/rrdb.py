"""Real-ESRGAN's generator: super-resolution by residual-in-residual dense blocks, without norms.

Every convolution is 3×3 and zero-padded. Run the small network for drawings with trained weights::

    padscope scan examples.rrdb:anime_6b --weights realesrgan_x4plus_anime_6b.safetensors \
        --images photos/

References
----------
Wang et al.: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks. ECCV 2018 workshops.
arXiv 1809.00219.
Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data. ICCV 2021 workshops. arXiv 2107.10833.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, GROWTH = 64, 32
SLOPE = 0.2  # of leaky ReLUs
SCALE = 0.2  # of residuals


def _conv(in_channels: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class DenseBlock(nn.Module):
    """Five convolutions, each on all that came before it, beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(5):
            channels = GROWTH if number < 4 else WIDTH
            setattr(self, f"conv{number + 1}", _conv(WIDTH + number * GROWTH, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 64, H, W) to the same shape."""
        first, *others, last = self.children()
        seen = [x, _leaky(first(x))]
        for conv in others:
            seen.append(_leaky(conv(torch.cat(seen, dim=1))))
        out: Tensor = last(torch.cat(seen, dim=1))
        return x + SCALE * out


class Block(nn.Module):
    """Three dense blocks beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.rdb1 = DenseBlock()
        self.rdb2 = DenseBlock()
        self.rdb3 = DenseBlock()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 64, H, W) to the same shape."""
        out: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + SCALE * out


class RRDBNet(nn.Module):
    """Enlarges images four times.

    Parameters
    ----------
    blocks : int
        Each of 15 convolutions.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": (3, 32, 32), "mean": (0.0,) * 3, "std": (1.0,) * 3}
        self.conv_first = _conv(3, WIDTH)
        self.body = nn.Sequential(*(Block() for _ in range(blocks)))
        self.conv_body = _conv(WIDTH, WIDTH)
        self.conv_up1 = _conv(WIDTH, WIDTH)
        self.conv_up2 = _conv(WIDTH, WIDTH)
        self.conv_hr = _conv(WIDTH, WIDTH)
        self.conv_last = _conv(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map RGB in [0, 1], (N, 3, H, W), to (N, 3, 4 H, 4 W)."""
        shallow = self.conv_first(x)
        deep = shallow + self.conv_body(self.body(shallow))
        for conv in (self.conv_up1, self.conv_up2):
            deep = _leaky(conv(F.interpolate(deep, scale_factor=2, mode="nearest")))
        enlarged: Tensor = self.conv_last(_leaky(self.conv_hr(deep)))
        return enlarged


def anime_6b() -> RRDBNet:
    """Build the network of 6 blocks: 4.5 M parameters."""
    return RRDBNet(blocks=6)
