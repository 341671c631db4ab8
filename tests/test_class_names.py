"""Names of classes: given where a library vouches for them, and nowhere else."""

from dataclasses import replace

import pytest
import timm
from torch import nn
from torchvision import models

from padscope.models import LoadedModel, class_names, class_numbers, wrap_module
from padscope.models.libraries import Lite0, Timm, Torchvision


class Configured(nn.Conv2d):
    """A module which carries a configuration, as those of timm do."""

    def __init__(self, config: dict[str, object]) -> None:
        super().__init__(3, 1, 1)
        self.pretrained_cfg = config


def published(architecture: Timm | Torchvision, config: dict[str, object]) -> LoadedModel:
    """What `load_model` would give where the weights can be had, without fetching them."""
    loaded = wrap_module(Configured(config))
    return replace(loaded, weights=architecture.weights, architecture=architecture)


def timm_model(name: str) -> LoadedModel:
    config = timm.get_pretrained_cfg(name)
    assert config is not None
    return published(Timm(name), {"tag": config.tag, "num_classes": config.num_classes})


def torchvision_model(name: str) -> LoadedModel:
    return published(Torchvision(name), {})


IMAGENET_OF_TORCHVISION = tuple(models.ResNet18_Weights.DEFAULT.meta["categories"])


@pytest.mark.parametrize(
    "loaded", [published(Lite0(), {}), timm_model("resnet50.a1_in1k"), timm_model("vgg11")]
)
def test_imagenet_of_timm(loaded: LoadedModel) -> None:
    names = class_names(loaded, 1000)
    assert names is not None
    assert names[0] == "tench, Tinca tinca"
    assert names[999] == "toilet tissue, toilet paper, bathroom tissue"
    # The two libraries list the same thousand classes in the same order.
    same = [
        theirs in ours.split(", ")
        for ours, theirs in zip(names, IMAGENET_OF_TORCHVISION, strict=True)
    ]
    assert sum(same) >= 980


def test_categories_of_torchvision() -> None:
    assert class_names(torchvision_model("resnet18"), 1000) == IMAGENET_OF_TORCHVISION
    segmenter = class_names(torchvision_model("fcn_resnet50"), 21)
    assert segmenter is not None
    assert segmenter[0] == "__background__"
    video = class_names(torchvision_model("r3d_18"), 400)
    assert video is not None
    assert video[0] == "abseiling"


@pytest.mark.parametrize(
    "loaded",
    [
        timm_model("convnext_tiny.fb_in22k"),  # another set of classes
        timm_model("resnet50.fb_ssl_yfcc100m_ft_in1k"),
        torchvision_model("raft_small"),  # no categories
        torchvision_model("fcn_resnet50"),  # 21 of them
    ],
)
def test_not_as_many_names_as_classes(loaded: LoadedModel) -> None:
    assert class_names(loaded, 999) is None
    assert class_numbers(loaded, 999) == {}


def test_a_thousand_classes_of_something_else() -> None:
    config = timm.get_pretrained_cfg("resmlp_12_224.fb_dino")
    assert config is not None
    assert config.num_classes == 1000
    assert class_names(timm_model("resmlp_12_224.fb_dino"), 1000) is None


@pytest.mark.parametrize("weights", ["random weights", "weights from mine.safetensors"])
@pytest.mark.parametrize("loaded", [published(Lite0(), {}), torchvision_model("resnet18")])
def test_weights_that_no_library_vouches_for(loaded: LoadedModel, weights: str) -> None:
    assert class_names(loaded, 1000) is not None
    assert class_names(replace(loaded, weights=weights), 1000) is None


def test_a_module_says_nothing_whatever_it_carries() -> None:
    module = timm.create_model("mobilenetv3_small_050", pretrained=False)
    assert class_names(wrap_module(module), 1000) is None


@pytest.mark.parametrize("loaded", [published(Lite0(), {}), torchvision_model("resnet18")])
def test_numbers_of_names(loaded: LoadedModel) -> None:
    numbers = class_numbers(loaded, 1000)
    assert numbers["n01440764"] == 0
    assert numbers["tench"] == 0
    assert numbers["great white shark"] == 2
    assert numbers["n15075141"] == 999
    assert set(numbers.values()) == set(range(1000))  # the ids alone see to that


def test_a_name_of_two_classes_has_no_number() -> None:
    names = class_names(published(Lite0(), {}), 1000)
    assert names is not None
    assert names[134] == "crane"  # the bird
    assert names[517] == "crane"  # the machine
    assert "crane" not in class_numbers(published(Lite0(), {}), 1000)


def test_numbers_without_identifiers() -> None:
    numbers = class_numbers(torchvision_model("fcn_resnet50"), 21)
    assert numbers["__background__"] == 0
    assert len(numbers) == 21
