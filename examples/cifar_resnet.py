r"""The small residual networks for CIFAR-10 of He et al. (2016), section 4.2.

They take 32×32 images, so most of what they see is near a border. Run one with trained weights::

    padscope scan examples.cifar_resnet:resnet20 \
        --weights cifar_resnet20.safetensors --images photos/

Names of parameters are those of https://github.com/akamaster/pytorch_resnet_cifar10, whose weights
load as they are.

References
----------
He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016. arXiv 1512.03385.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut without parameters (the paper's option A).

    Parameters
    ----------
    in_channels, channels : int
        Channels before and after.
    stride : int
        Of the first convolution and the shortcut.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.new_channels = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride))."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))

    def shortcut(self, x: Tensor) -> Tensor:
        """Subsample `x` and fill the new channels, half on each end, with zeros."""
        half = self.new_channels // 2
        # Channel padding has no side: padscope does not count it as a site.
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))


class CifarResNet(nn.Module):
    """A residual network of three stages for 32×32 images in 10 classes.

    Parameters
    ----------
    blocks : int
        Basic blocks in each stage; the network then has 6 · blocks + 2 weighted layers.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.pretrained_cfg = {
            "input_size": (3, 32, 32),
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
        }
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.layer1 = _stage(CHANNELS[0], CHANNELS[0], blocks, stride=1)
        self.layer2 = _stage(CHANNELS[0], CHANNELS[1], blocks, stride=2)
        self.layer3 = _stage(CHANNELS[1], CHANNELS[2], blocks, stride=2)
        self.linear = nn.Linear(CHANNELS[2], 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, 10)."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.linear(out.mean(dim=(2, 3)))
        return logits


def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    rest = (BasicBlock(channels, channels, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(in_channels, channels, stride), *rest)


def resnet20() -> CifarResNet:
    """Build the network of 20 layers: 0.27 M parameters."""
    return CifarResNet(blocks=3)


def resnet44() -> CifarResNet:
    """Build the network of 44 layers: 0.66 M parameters."""
    return CifarResNet(blocks=7)
