"""Whether statistics of batch norms fit the images, and whether weights were ever trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from examples.cifar_resnet import resnet20
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from padscope.errors import PadscopeError
from padscope.images import BuiltinPhotos, Probe, open_photos
from padscope.models import (
    NormFit,
    Preprocessing,
    at_initial_values,
    compare_norms,
    fresh_weights,
    reestimate_batchnorm,
    wrap_module,
)
from padscope.models.loaded import hash_weights

SHARED = Path(__file__).resolve().parents[2] / "shared"
WEIGHTS, PHOTOS = SHARED / "weights", SHARED / "images"
needs_weights = pytest.mark.skipif(
    not (WEIGHTS.is_dir() and PHOTOS.is_dir()), reason="no trained weights and photographs here"
)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES = (0.5,) * 3, (0.5,) * 3
NOTHING = (0.0,) * 3, (1.0,) * 3


def photographs(count: int = 24) -> Tensor:
    probe = Probe(size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, channels=3)
    source = (
        open_photos(PHOTOS, probe, count, 0) if PHOTOS.is_dir() else BuiltinPhotos(probe, count)
    )
    return torch.stack([source.tensor(index) for index in range(count)])


def in_batches(images: Tensor, size: int = 8) -> list[Tensor]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def fed(
    module: nn.Module, pixels: Tensor, values: tuple[tuple[float, ...], tuple[float, ...]]
) -> NormFit:
    mean, std = (torch.tensor(each)[:, None, None] for each in values)
    return compare_norms(
        module, in_batches((pixels - mean) / std), Preprocessing((32, 32), *values)
    )


def net(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3), norm(8)
    ).eval()  # fmt: skip


def trained(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Statistics of photographs normalised by halves, and no parameter where it started."""
    module = net(norm)
    with torch.no_grad():
        for each in (*module.parameters(), *module.buffers()):
            if each.is_floating_point():
                each.mul_(torch.rand_like(each) + 0.5).add_(torch.rand_like(each) * 0.1)
    reestimate_batchnorm(module, [photographs() * 2 - 1])
    return module


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, nn.SyncBatchNorm, FrozenBatchNorm2d])
def test_shift_and_spread_are_those_of_the_values_that_a_norm_gets(
    kind: Callable[[int], nn.Module],
) -> None:
    module = trained(kind)
    before = hash_weights(module)
    pixels = photographs(7)
    fit = compare_norms(module, in_batches(pixels, 3))
    with torch.no_grad():
        values = module[0](pixels).double().transpose(0, 1).flatten(1)
    norm = module[1]
    mean, var = (norm.get_buffer(name).double() for name in ("running_mean", "running_var"))
    shift = ((values.mean(1) - mean) / (var + norm.eps).sqrt()).square().mean().sqrt()
    spread = ((values.var(1, correction=0) + norm.eps) / (var + norm.eps)).log().abs().median()
    assert [layer.name for layer in fit.layers] == ["1", "4"]
    assert fit.layers[0].shift == pytest.approx(float(shift), rel=1e-4)
    assert fit.layers[0].spread == pytest.approx(float(spread), rel=1e-4)
    assert hash_weights(module) == before
    assert not any(child._forward_pre_hooks for child in module.modules())


def test_statistics_of_the_images_fit_them() -> None:
    fit = fed(trained(), photographs(), HALVES)
    assert fit.fits and not fit.cause
    assert fit.say() == "The statistics of the batch norms fit the images."


@pytest.mark.parametrize("values", [IMAGENET, NOTHING])
def test_another_preprocessing_does_not_fit_and_the_right_one_is_found(
    values: tuple[tuple[float, ...], tuple[float, ...]],
) -> None:
    fit = fed(trained(), photographs(), values)
    assert fit.fits is False
    assert (fit.cause, fit.expected) == ("preprocessing", "pixels of -1 to 1 (mean and std of 0.5)")
    assert "probably expects pixels of -1 to 1" in fit.say()


def test_tensors_of_eight_bits_are_told_from_fractions() -> None:
    fit = compare_norms(trained(), in_batches(photographs() * 255))
    assert (fit.cause, fit.expected) == ("preprocessing", "pixels of -1 to 1 (mean and std of 0.5)")


def test_reversed_channels_are_found() -> None:
    fit = fed(trained(), photographs().flip(1), HALVES)
    assert (fit.fits, fit.cause) == (False, "channel order")
    assert "reverse order (BGR for RGB)" in fit.say()


def test_noise_fits_no_network_and_nothing_explains_it() -> None:
    module = trained()
    noise = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 40
    fit = compare_norms(module, [noise])
    assert (fit.fits, fit.cause, fit.expected) == (False, "unknown", "")
    assert "its weights are not all loaded" in fit.say()


def test_deeper_layers_count_too() -> None:
    module = trained()
    with torch.no_grad():
        module[4].get_buffer("running_var").mul_(50)
    fit = fed(module, photographs(), HALVES)
    assert (fit.fits, fit.cause) == (False, "unknown")
    assert fit.say().startswith("The statistics of the batch norms do not fit the images (at 4,")


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_statistics_that_were_never_estimated(kind: Callable[[int], nn.Module]) -> None:
    fit = fed(net(kind), photographs(), HALVES)
    assert (fit.fits, fit.cause) == (False, "never estimated")
    assert "probably never trained" in fit.say()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_what_holds_no_statistics_is_not_compared() -> None:
    folded = net()
    with torch.no_grad():
        for norm in (folded[1], folded[4]):
            norm.get_parameter("bias").normal_()
            norm.get_buffer("running_var").sub_(1e-5)
    without = net(lambda channels: nn.InstanceNorm2d(channels))
    program = torch.jit.script(net())
    for module in (folded, without, program, nn.Conv2d(3, 4, 3)):
        fit = compare_norms(module, [photographs(2)])
        assert fit == NormFit((), fits=None)
        assert "No batch norm holds statistics" in fit.say()


def test_values_that_are_not_finite_do_not_fit() -> None:
    module = trained()
    with torch.no_grad():
        module.get_parameter("0.weight").fill_(math.inf)
    assert fed(module, photographs(4), HALVES).fits is False


def test_a_module_that_writes_into_its_input_or_names_it() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = trained()

        def forward(self, x: Tensor) -> Tensor:
            x.mul_(1.0).add_(0.0)
            first: Tensor = self.net[1](input=self.net[0](x))
            x.zero_()
            return first

    pixels = photographs() * 2 - 1
    kept = pixels.clone()
    assert compare_norms(Own(), [pixels]).fits
    assert torch.equal(pixels, kept)


@needs_weights
def test_a_trained_network_fits_photographs_as_it_was_trained_and_not_otherwise() -> None:
    module = resnet20().eval()
    module.load_state_dict(
        {k: v.float() for k, v in load_file(WEIGHTS / "cifar_resnet20.safetensors").items()},
        strict=False,
    )
    pixels = photographs()
    fit = fed(module, pixels, IMAGENET)
    assert fit.fits and len(fit.layers) == 19
    assert fed(module, pixels.flip(1), IMAGENET).cause == "channel order"
    for values in (HALVES, NOTHING):
        fit = fed(module, pixels, values)
        assert fit.cause == "preprocessing"
        assert fit.expected == "pixels normalised by ImageNet's mean and std"


# Initial values


def unet_like(norm: Callable[[int], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), norm(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), norm(16), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    "norm",
    [
        nn.InstanceNorm2d, lambda channels: nn.InstanceNorm2d(channels, affine=True),
        lambda channels: nn.GroupNorm(4, channels), nn.BatchNorm2d, lambda _: nn.Identity(),
    ],
)  # fmt: skip
def test_weights_that_no_training_has_moved(norm: Callable[[int], nn.Module]) -> None:
    torch.manual_seed(5)
    module = unet_like(norm)
    fresh = fresh_weights(wrap_module(module), 1)
    assert at_initial_values(module, fresh)
    moved = copy.deepcopy(module)
    optimiser = torch.optim.Adam(moved.parameters(), lr=0.02)
    x = photographs(4)
    for _ in range(20):
        optimiser.zero_grad()
        (moved(x) - x.mean(dim=1, keepdim=True)).square().mean().backward()
        optimiser.step()
    assert not at_initial_values(moved, fresh)


def test_another_initialisation_of_some_layers_is_no_training() -> None:
    torch.manual_seed(5)
    module = unet_like(nn.BatchNorm2d)
    nn.init.kaiming_normal_(module[3].weight, mode="fan_out")
    assert at_initial_values(module, fresh_weights(wrap_module(module), 1))


@needs_weights
def test_a_trained_network_is_not_at_its_initial_values() -> None:
    module = resnet20()
    fresh = fresh_weights(wrap_module(module), 1)
    assert at_initial_values(module, fresh)
    module.load_state_dict(
        {k: v.float() for k, v in load_file(WEIGHTS / "cifar_resnet20.safetensors").items()},
        strict=False,
    )
    assert not at_initial_values(module, fresh)


def test_a_model_that_fails_on_fewer_images_is_told_in_one_sentence() -> None:
    """Large canvases come one by one."""
    module = nn.Sequential(net(), nn.AdaptiveAvgPool2d(1), nn.GroupNorm(8, 8))
    compare_norms(module, in_batches(photographs(4), 2))
    with pytest.raises(PadscopeError, match=r"failed on images of shape 1×3×32×32 .*Expected more"):
        compare_norms(module, in_batches(photographs(1)))
