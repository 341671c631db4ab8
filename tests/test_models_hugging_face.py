"""Models of transformers: what a folder or a name of the hub gives; `test_sweep` runs many."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.sweep_models import CONFIGURATIONS, STAGES
from torch import nn

from padscope.errors import PadscopeError
from padscope.models import Preprocessing, load_model
from padscope.models.classes import class_names
from padscope.running.asking import learn_to_ask

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

pytestmark = pytest.mark.filterwarnings("ignore")


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
        **CONFIGURATIONS["MobileViTForImageClassification"],
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
