"""Networks whose filters that recognise the border are counted, and what they are shown."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from examples.crepe import FRAME
from safetensors.torch import save_file
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import Tensor, nn
from torchvision.models import squeezenet1_1
from torchvision.models.vgg import cfgs, make_layers

from evidence.measured import Network
from padscope.models.checkpoints import read_weights

SLIM_EPS = 1e-3  # of batch norms, where weights come from TensorFlow
CLASSES = 1001  # the first is the background
RATE = 16_000  # of sound, in samples a second
SOUND_MARGIN = 4096
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Surveyed:
    """A network to be surveyed.

    Attributes
    ----------
    network : Network
    convert : callable or None
        Turns the content of the file of weights into a state dict, where it is none of the network.
    images : callable or None
        Makes what the network is shown, (N, C, *canvas), and its surroundings on each side; None
        for photographs.
    year : int or None
        Of the publication of the architecture, or of these weights where it has none.
    accuracy : float or None
        Top-1 on ImageNet as published with these weights, in percent.
    """

    network: Network
    convert: Callable[[Mapping[str, Any]], Weights] | None = None
    images: Callable[[int], tuple[Tensor, int]] | None = None
    year: int | None = None
    accuracy: float | None = None

    def weights(self, folder: Path, out: Path) -> Path | None:
        """Find its weights in a folder, converted if need be; None for those that its spec brings.

        Raises
        ------
        FileNotFoundError
            There are none.
        """
        if not self.network.weights:
            return None
        path = folder / self.network.weights
        if not path.exists():
            raise FileNotFoundError(path)
        if self.convert is None:
            return path
        converted = out / f"{self.network.key}.safetensors"
        state = self.convert(read_weights(path)[0])
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, converted)
        return converted


def _config(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Any:
    return {"input_size": (3, size, size), "mean": mean, "std": std}


def _from_one_to_one(module: nn.Module, size: int) -> nn.Module:
    vars(module)["pretrained_cfg"] = _config(size, (0.5,) * 3, (0.5,) * 3)
    return module


def mobilenet_v2_tf() -> nn.Module:
    """Build MobileNetV2 with TensorFlow's SAME padding."""
    module = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=CLASSES)
    return _from_one_to_one(module, 224)


def _mobilenet_v1(width: float, size: int) -> nn.Module:
    build: Callable[..., nn.Module] = _gen_mobilenet_v1  # the public one takes no width
    module = build("mobilenetv1_100", width, pad_type="same", num_classes=CLASSES)
    return _from_one_to_one(module, size)


def mobilenet_v1() -> nn.Module:
    """Build MobileNetV1 with TensorFlow's SAME padding."""
    return _with_slim_norms(_mobilenet_v1(1.0, 224))


def mobilenet_v1_075() -> nn.Module:
    """Build the same, .75 times as wide."""
    return _mobilenet_v1(0.75, 192)


def mobilenet_v1_025() -> nn.Module:
    """Build the same, a quarter as wide."""
    return _mobilenet_v1(0.25, 128)


def xception() -> nn.Module:
    """Build Xception without its head."""
    module = timm.create_model("legacy_xception", num_classes=0)
    return _from_one_to_one(_with_slim_norms(module), 299)


def _with_slim_norms(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = SLIM_EPS
    return module


class BlueFirst(nn.Module):
    """A network that takes blue, green, red from 0 to 255, less the means; it is given RGB.

    Parameters
    ----------
    network : torch.nn.Module
        Its children become those of this module, as the files of weights name them.
    size : int
        Pixels of its input.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        mean = (123.68 / 255, 116.779 / 255, 103.939 / 255)
        self.pretrained_cfg = _config(size, mean, (1 / 255,) * 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to what the last of the children gives."""
        x = x.flip(1)
        for child in self.children():
            x = child(x)
        return x.flatten(1) if x.shape[2:].numel() == 1 else x


def squeezenet() -> nn.Module:
    """Build SqueezeNet 1.1."""
    return BlueFirst(squeezenet1_1(), 227)


def vgg16() -> nn.Module:
    """Build VGG-16 without its head, with the initial weights that torchvision gives it."""
    features = make_layers(cfgs["D"], batch_norm=False)
    for child in features:
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
            assert child.bias is not None
            nn.init.zeros_(child.bias)
    return BlueFirst(nn.Sequential(OrderedDict(features=features)), 224)


def sounds(count: int) -> tuple[Tensor, int]:
    """Make tones with overtones in noise, (N, 1, samples), and what surrounds a frame of them."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(FRAME + 2 * SOUND_MARGIN) / RATE

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    tones = torch.zeros(count, len(time))
    pitch = torch.exp(drawn(math.log(60), math.log(1000), 1))
    for overtone in range(1, 7):
        loud, phase = drawn(0, 1 / overtone, 1), drawn(0, 2 * math.pi, 1)
        tones += loud * torch.sin(2 * math.pi * overtone * pitch * time + phase)
    noise = torch.randn(tones.shape, generator=generator) * drawn(0.01, 0.5, 1)
    found = tones + noise
    frame = found[:, SOUND_MARGIN:-SOUND_MARGIN]
    found = (found - frame.mean(1, keepdim=True)) / frame.std(1, keepdim=True)
    return found[:, None], SOUND_MARGIN


def _paired(build: str) -> Callable[[Mapping[str, Any]], Weights]:
    """Pair tensors in order: two implementations list the same ones under other names."""

    def convert(found: Mapping[str, Any]) -> Weights:
        names = [name for name in timm.create_model(build).state_dict() if _kept(name)]
        tensors = [tensor for name, tensor in found.items() if _kept(name)]
        return dict(zip(names, tensors, strict=True))

    return convert


def _kept(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def _in_time(found: Mapping[str, Any]) -> Weights:
    """Take the width of 1 from kernels."""
    return {
        name: tensor.squeeze(-1) if tensor.ndim == 4 else tensor for name, tensor in found.items()
    }


def _here(name: str, key: str, weights: str, year: int, accuracy: float | None = None) -> Surveyed:
    network = Network(name, key, f"evidence.surveyed:{key}", f"{weights}.safetensors")
    return Surveyed(network, year=year, accuracy=accuracy)


SURVEYED = (
    Surveyed(
        Network("CREPE, tiny", "crepe", "examples.crepe:tiny", "crepe_tiny.safetensors"),
        _in_time, sounds, year=2018,
    ),
    Surveyed(
        Network("ResNet-20", "resnet20", "examples.cifar_resnet:resnet20",
                "cifar_resnet20.safetensors"),
        year=2015,
    ),
    Surveyed(
        Network("ResNet-44", "resnet44", "examples.cifar_resnet:resnet44",
                "cifar_resnet44.safetensors"),
        year=2015,
    ),
    _here("MobileNetV1 × .25", "mobilenet_v1_025", "mobilenet_v1_025_128_tf8bit", 2017),
    Surveyed(Network("lite0", "lite0", "lite0"), year=2020, accuracy=75.1),
    _here("SqueezeNet 1.1", "squeezenet", "squeezenet1_1", 2016),
    Surveyed(
        Network("MobileNetV2", "mobilenet_v2", "torchvision:mobilenet_v2",
                "mobilenet_v2_torchvision.safetensors"),
        year=2018,
    ),
    _here("MobileNetV2, SAME", "mobilenet_v2_tf", "mobilenet_v2_100_tf8bit", 2018),
    _here("MobileNetV1 × .75", "mobilenet_v1_075", "mobilenet_v1_075_192_tf8bit", 2017),
    _here("MobileNetV1", "mobilenet_v1", "mobilenet_v1_100_slim", 2017, 70.9),
    Surveyed(
        Network("lite1", "lite1", "timm:tf_efficientnet_lite1", "efficientnet-lite1-77cc7160.pth"),
        _paired("tf_efficientnet_lite1"), year=2020, accuracy=76.7,
    ),
    Surveyed(
        Network("lite2", "lite2", "timm:tf_efficientnet_lite2", "efficientnet-lite2-9656183e.pth"),
        _paired("tf_efficientnet_lite2"), year=2020, accuracy=77.6,
    ),
    Surveyed(
        Network("VDSR", "vdsr", "examples.vdsr:vdsr", "vdsr.safetensors", share=0.5), year=2016
    ),
    _here("VGG-16, trunk", "vgg16", "vgg16_trunk", 2014, 71.3),
    _here("Xception, trunk", "xception", "xception_trunk", 2016, 79.0),
    Surveyed(
        Network("Real-ESRGAN, 6 blocks", "realesrgan", "examples.rrdb:anime_6b",
                "realesrgan_x4plus_anime_6b.safetensors", share=0.25),
        year=2021,
    ),
)  # fmt: skip
