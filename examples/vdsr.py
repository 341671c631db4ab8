"""VDSR, super-resolution by a very deep stack of 3×3 convolutions: a network with dense output.

Every one of its 20 layers is zero-padded to keep the size, which the paper defends and tilers of
large images pay for. Run it with trained weights::

    padscope scan examples.vdsr:vdsr --weights vdsr.safetensors --images photos/

Names of parameters are those of https://github.com/twtygqyy/pytorch-vdsr, whose weights load as
they are.

References
----------
Kim, Lee, Lee: Accurate Image Super-Resolution Using Very Deep Convolutional Networks. CVPR 2016.
arXiv 1511.04587.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 64


class ConvReLU(nn.Module):
    """A 3×3 convolution that keeps the size, and a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 64, H, W) to (N, 64, H, W)."""
        return F.relu(self.conv(x))


class VDSR(nn.Module):
    """Adds the missing detail to an image that was enlarged by bicubic interpolation.

    Any size will do. An output pixel sees 20 pixels each way, so at 128 most are clear of borders.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": (1, 128, 128), "mean": (0.0,), "std": (1.0,)}
        self.input = nn.Conv2d(1, WIDTH, 3, padding=1, bias=False)
        self.residual_layer = nn.Sequential(*(ConvReLU() for _ in range(18)))
        self.output = nn.Conv2d(WIDTH, 1, 3, padding=1, bias=False)

    def forward(self, luma: Tensor) -> Tensor:
        """Map enlarged luma in [0, 1], (N, 1, H, W), to sharper luma of the same shape."""
        detail: Tensor = self.output(self.residual_layer(F.relu(self.input(luma))))
        return luma + detail


def vdsr() -> VDSR:
    """Build the network of 20 layers: 0.66 M parameters."""
    return VDSR()
