"""Models of transformers: from a folder's configuration to sites and a batch of a scan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from padscope import ScanSettings, find_sites, scan
from padscope.errors import PadscopeError
from padscope.models import Preprocessing, load_model
from padscope.models.classes import class_names
from padscope.running.asking import learn_to_ask

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

pytestmark = pytest.mark.filterwarnings("ignore")

STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]}
WIDE: dict[str, Any] = {"image_size": 64, "depths": [1] * 4, "hidden_sizes": [8, 8, 16, 16]}
HEADS: dict[str, Any] = {"num_attention_heads": [1, 1, 2, 2]}
# Architecture → its configuration's options, and how many padded operations it has.
ARCHITECTURES: dict[str, tuple[dict[str, Any], int]] = {
    "ResNetForImageClassification": ({"embedding_size": 8, **STAGES}, 6),
    "ConvNextForImageClassification": (STAGES, 4),
    "ConvNextV2ForImageClassification": (STAGES, 4),
    "RegNetForImageClassification": ({"embedding_size": 8, "groups_width": 8, **STAGES}, 5),
    "BitForImageClassification": (
        {"embedding_size": 8, "num_groups": 4, **STAGES, "hidden_sizes": [8, 16, 16, 32]}, 6,
    ),
    "MobileNetV1ForImageClassification": ({"depth_multiplier": 0.25, "image_size": 64}, 14),
    "MobileNetV2ForImageClassification": ({"depth_multiplier": 0.25, "image_size": 64}, 18),
    "MobileViTForImageClassification": (
        {"image_size": 64, "hidden_sizes": [16] * 3, "num_attention_heads": 2,
         "neck_hidden_sizes": [8, 8, 8, 8, 16, 16, 16]}, 14,
    ),
    "EfficientNetForImageClassification": (
        {"image_size": 64, "width_coefficient": 0.25, "depth_coefficient": 0.25,
         "hidden_dim": 320}, 8,
    ),
    "SegformerForSemanticSegmentation": (
        {"depths": [1] * 4, "hidden_sizes": [16, 32, 32, 64], "decoder_hidden_size": 16}, 8,
    ),
    "DPTForDepthEstimation": (
        {"image_size": 64, "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2,
         "intermediate_size": 32, "backbone_out_indices": [0, 1, 2, 3], "fusion_hidden_size": 8,
         "neck_hidden_sizes": [8, 8, 16, 16]}, 23,
    ),
    "Swin2SRForImageSuperResolution": (
        {"image_size": 32, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2]}, 7,
    ),
    "PoolFormerForImageClassification": ({"depths": [1] * 4, "hidden_sizes": [8, 8, 16, 16]}, 8),
    "PvtV2ForImageClassification": ({**WIDE, **HEADS}, 8),
    "GLPNForDepthEstimation": ({**WIDE, **HEADS, "decoder_hidden_size": 8}, 19),
    "LevitForImageClassification": (
        {"image_size": 64, "hidden_sizes": [16, 32, 48], "num_attention_heads": [1, 2, 3],
         "depths": [1, 1, 1], "key_dim": [8, 8, 8]}, 4,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def save(name: str, folder: Path, **options: Any) -> Any:
    """Write a configuration as a repository has it."""
    kind = getattr(transformers, name)
    config = kind.config_class(architectures=[name], **options)
    config.save_pretrained(folder)
    return kind._from_config(config)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_are_scanned_with_random_weights(name: str, tmp_path: Path) -> None:
    options, sites = ARCHITECTURES[name]
    save(name, tmp_path, **options)
    loaded = load_model(f"hf:{tmp_path}", weights="random", size=64)
    assert type(loaded.module).__name__ == name
    assert loaded.weights_are == "random"
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert len(find_sites(loaded.module, images[:2])) == sites
    assert scan(loaded, images, ScanSettings(batch_size=4)).counted.images == 4


def test_a_folder_has_weights_preprocessing_and_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"embedding_size": 8, **STAGES, "id2label": {0: "a cat", 1: "no cat"}}
    module = save("ResNetForImageClassification", tmp_path, **options)
    module.save_pretrained(tmp_path)
    processor = transformers.ConvNextImageProcessor(
        size={"shortest_edge": 96}, image_mean=[0.5, 0.4, 0.3], image_std=[0.2] * 3
    )
    processor.save_pretrained(tmp_path)
    loaded = load_model(f"hf:{tmp_path}")
    assert loaded.preprocessing == Preprocessing((96, 96), (0.5, 0.4, 0.3), (0.2,) * 3)
    assert loaded.weights_are == "given"
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(loaded.module(images).logits, module.eval()(images).logits)
    assert class_names(loaded, 2) == ("a cat", "no cat")
    asking, answer, (note,) = learn_to_ask(loaded.module, images, (0, 1), None, None, 0)
    assert (asking.key, answer.shape) == ("logits", (2, 2)) and "'logits'" in note


def test_red_and_blue_are_swapped_where_the_image_processor_swaps_them(tmp_path: Path) -> None:
    save(
        "MobileViTForImageClassification",
        tmp_path,
        **ARCHITECTURES["MobileViTForImageClassification"][0],
    )
    transformers.MobileViTImageProcessor().save_pretrained(tmp_path)
    loaded = load_model(f"hf:{tmp_path}", weights="random")
    assert loaded.preprocessing == Preprocessing((256, 256), (0.0,) * 3, (1.0,) * 3)
    seen: list[torch.Tensor] = []
    first = next(child for child in loaded.module.modules() if isinstance(child, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.rand(1, 3, 64, 64)
    loaded.module(images)
    assert torch.equal(seen[0], images.flip(1))


def test_what_cannot_be_had_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec, message in (
        ("hf:microsoft/resnet-50", "the configuration of hf:microsoft/resnet-50 must be fetched "
         "from the Hugging Face hub and could not be .*: check the name and the connection"),
        (f"hf:{tmp_path}", "could not be read from that folder .*: give one that save_pretrained"),
        ("hf:", "'hf:' names no model"),
    ):  # fmt: skip
        with pytest.raises(PadscopeError, match=message) as told:
            load_model(spec)
        assert "\n" not in str(told.value)
    save("ResNetForImageClassification", tmp_path, embedding_size=8, **STAGES)
    with pytest.raises(PadscopeError, match=r"the weights of hf:.* could not be read from that"):
        load_model(f"hf:{tmp_path}")
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("ResNetForIm", "ResNetsForIm"))
    with pytest.raises(PadscopeError, match=r"does not have; did you mean ResNetForImageClass"):
        load_model(f"hf:{tmp_path}", weights="random")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PadscopeError, match=r'needs the extra hf .*pip install "padscope\[hf\]"'):
        load_model(f"hf:{tmp_path}")


def test_code_of_a_repository_is_never_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "config.json").write_text(
        '{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Net"}}'
    )
    (tmp_path / "mine.py").write_text(f"open({str(trace)!r}, 'w')")
    with pytest.raises(PadscopeError, match="could not be read from that folder"):
        load_model(f"hf:{tmp_path}")
    assert not trace.exists()
