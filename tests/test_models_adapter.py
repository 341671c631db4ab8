"""Models whose forward takes more than images, and how images are made into what it takes."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from padscope import ScanSettings, scan
from padscope.errors import PadscopeError
from padscope.models import fresh_weights, load_model
from padscope.study.inputs import as_images, identify

NETS = """
import torch
from torch import nn

class Guided(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, pixels, *, mask):
        return self.conv(pixels) * mask

def with_mask(images):
    return {"pixels": images, "mask": torch.ones_like(images[:, :1])}

def as_pair(images):
    return images, images

def nothing(images):
    return None

def broken(images):
    raise KeyError("mask")
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "guided_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("guided_nets", None)


def load(function: str) -> nn.Module:
    return load_model("guided_nets:Guided", size=12, input_adapter=f"guided_nets:{function}").module


def test_forward_is_given_what_the_adapter_makes(nets: None) -> None:
    loaded = load_model("guided_nets:Guided", size=12, input_adapter="guided_nets:with_mask")
    assert loaded.input_channels == 3
    assert "input by guided_nets:with_mask" in loaded.describe()
    images = torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.module(images), loaded.module.get_submodule("conv")(images))
    settings = ScanSettings(batch_size=8)
    study = scan(loaded, images, settings)
    assert study.filters["site"].unique().to_list() == ["conv"]
    source = as_images(images, loaded, settings)
    assert identify(loaded, source, settings)["input adapter"] == "guided_nets:with_mask"
    fresh = fresh_weights(loaded, 1)
    for other in (fresh, copy.deepcopy(loaded.module)):
        assert other(images[:2]).shape == (2, 4, 12, 12)


def test_an_adapter_may_be_a_function(nets: None) -> None:
    def halved(images: Tensor) -> Tensor:
        return images / 2

    loaded = load_model("guided_nets:Guided", size=12, input_adapter=halved)
    assert loaded.input_adapter is not None
    assert (
        loaded.input_adapter.name == f"{__name__}:test_an_adapter_may_be_a_function.<locals>.halved"
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "nothing",
            "^the input adapter guided_nets:nothing returned NoneType: it must return",
        ),
        (
            "broken",
            r"^the input adapter guided_nets:broken failed on images of shape \(2, 3, 12, 12\): K",
        ),
        ("as_pair", r"does not take images of shape .*TypeError"),
    ],
)
def test_what_an_adapter_does_wrong_is_told(nets: None, function: str, message: str) -> None:
    with pytest.raises(PadscopeError, match=message) as caught:
        scan(load(function), torch.rand(8, 3, 12, 12))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("guided_nets:with_msk", "no 'with_msk'; did you mean with_mask"),
        ("guided_nets", "the input adapter 'guided_nets' is not package.module:name: give a func"),
        ("no_such_package:a", "importing no_such_package for the input adapter no_such_package:a"),
        ("guided_nets:__doc__", "the module guided_nets has no '__doc__'"),
    ],
)
def test_an_adapter_that_cannot_be_had_is_told(nets: None, target: str, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        load_model("guided_nets:Guided", size=12, input_adapter=target)
