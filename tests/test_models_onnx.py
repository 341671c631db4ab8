"""Networks in ONNX files: they score as their originals do, or are refused by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from padscope import ScanSettings, find_sites, scan
from padscope.errors import PadscopeError
from padscope.models import Preprocessing, load_model
from padscope.models.onnx_files import OnnxFile

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnx2pytorch", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

pytestmark = pytest.mark.filterwarnings("ignore")


class Block(nn.Module):
    """Pads unevenly, as TensorFlow's SAME does under stride, and adds what went around."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.down = nn.Conv2d(6, 8, 3, stride=2)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        x = self.down(nn.functional.pad(x, (0, 1, 0, 1)))
        pooled: Tensor = (x + self.depthwise(x)).mean(dim=(2, 3))
        return pooled


def squeeze() -> nn.Module:
    from torchvision import models

    module: nn.Module = models.squeezenet1_1(num_classes=5)
    return module


def export(module: nn.Module, path: Path, size: int = 32, *, dynamic: bool = True) -> nn.Module:
    axes = {"images": {0: "batch"}, "answer": {0: "batch"}} if dynamic else None
    torch.onnx.export(
        module.eval(), (torch.rand(2, 3, size, size),), str(path), dynamo=False,
        dynamic_axes=axes, input_names=["images"], output_names=["answer"],
    )  # fmt: skip
    return module


@pytest.mark.parametrize("build", [Block, squeeze])
def test_an_exported_network_scores_as_its_original(build: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = export(build(), tmp_path / "net.onnx")
    loaded = load_model(str(tmp_path / "net.onnx"))
    assert loaded.preprocessing == Preprocessing((32, 32), (0.0,) * 3, (1.0,) * 3)
    assert loaded.static_batch is None
    images = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loaded.module(images), module(images), rtol=1e-4, atol=1e-5)
    settings = ScanSettings(batch_size=16)
    own, found = (scan(each, images, settings) for each in (module, loaded))
    ours, theirs = (
        each.sides.select(pl.col("site").str.replace_all(r"\.", "_"), "filter", "side", "ks")
        for each in (found, own)
    )
    assert ours.drop("ks").equals(theirs.drop("ks"))
    assert ours.height > 50
    # A norm folded into the convolution before it moves values across the edges of bins.
    apart = (ours["ks"] - theirs["ks"]).abs().to_numpy()
    assert apart.max() < 0.02 and apart.mean() < 0.002


def test_what_is_exported_with_one_shape_runs_on_others_if_it_can(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(Block(), path, dynamic=False)
    loaded = load_model(f"onnx:{path}", size=(20, 24))
    assert loaded.static_batch is None
    assert loaded.module(torch.rand(5, 3, 20, 24)).shape == (5, 8)


class Fixed(nn.Module):
    """Runs on nothing but the shape that it was made for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 * 8 * 8, 2)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.conv(x).reshape(2, 256))


def test_a_shape_that_is_part_of_the_network_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(Fixed(), path, 8, dynamic=False)
    loaded = load_model(str(path))
    assert (loaded.static_batch, loaded.preprocessing) == (
        2, Preprocessing((8, 8), (0.0,) * 3, (1.0,) * 3)
    )  # fmt: skip
    with pytest.raises(PadscopeError, match="was exported for inputs of 8×8:"):
        load_model(str(path), size=16)
    assert scan(loaded, torch.rand(9, 3, 8, 8)).counted.images == 9


def convolution(path: Path, shape: tuple[object, ...] = ("n", 3, 15, 15), **options: Any) -> Path:
    """Write a file of one convolution, with attributes that torch has no word for."""
    h = onnx.helper
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    operator = options.pop("operator", "Conv")
    node = h.make_node(operator, ["x", "conv.weight"], ["y"], "conv", **options)
    kind = onnx.TensorProto.FLOAT
    graph = h.make_graph(
        [node], "net", [h.make_tensor_value_info("x", kind, shape)],
        [h.make_tensor_value_info("y", kind, ["n", 4, "h", "w"])],
        [onnx.numpy_helper.from_array(weight.numpy(), "conv.weight")],
    )  # fmt: skip
    imports = [h.make_opsetid("", 17), h.make_opsetid("mine", 1)]
    onnx.save(h.make_model(graph, opset_imports=imports, ir_version=9), str(path))
    return path


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({"pads": [0, 1, 2, 1]}, [(0, 2), (1, 1)]),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [(0, 1), (0, 1)]),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, [(1, 0), (1, 0)]),
    ],
)
def test_uneven_padding_is_kept(
    tmp_path: Path, options: dict[str, Any], sides: list[tuple[int, int]]
) -> None:
    loaded = load_model(str(convolution(tmp_path / "net.onnx", ("n", 3, 16, 16), **options)))
    (site,) = find_sites(loaded.module, torch.rand(2, 3, 16, 16))
    assert list(zip(site.window.before, site.window.after, strict=True)) == sides


def test_what_the_runtime_does_not_run_is_not_taken_unchecked(tmp_path: Path) -> None:
    path = convolution(tmp_path / "net.onnx", auto_pad="SAME_UPPER", dilations=[2, 2])
    with pytest.raises(PadscopeError, match=r"could not be compared with ONNX Runtime .*Dilation"):
        load_model(str(path))


def test_fresh_weights_are_those_of_the_layers_own_classes(tmp_path: Path) -> None:
    path = convolution(tmp_path / "net.onnx", pads=[1, 1, 1, 1])
    given, fresh = (load_model(str(path), weights=each).module for each in (None, "random"))
    (before,), (after,) = given.parameters(), fresh.parameters()
    assert after.abs().max() <= 27**-0.5 < before.abs().max()


def test_weights_outside_of_layers_have_no_initial_values(tmp_path: Path) -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.weight = nn.Parameter(torch.rand(4, 2))

        def forward(self, x: Tensor) -> Tensor:
            taken: Tensor = self.conv(x).mean(dim=2).transpose(1, 2) @ self.weight
            return taken

    export(Product(), tmp_path / "net.onnx")
    with pytest.raises(PadscopeError, match="keeps weights outside its layers"):
        load_model(str(tmp_path / "net.onnx"), weights="random")


def test_what_is_no_network_of_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(PadscopeError, match=r"the ONNX file .*net\.onnx does not exist"):
        load_model(str(path))
    for content in (b"", b"text", bytes(range(256))):
        path.write_bytes(content)
        with pytest.raises(
            PadscopeError, match=r"is not a readable ONNX network .* again$"
        ) as told:
            load_model(str(path))
        assert "\n" not in str(told.value)
    for shape, message in (
        (("n", 15, 15, 3), "its channels last: convert it again with tf2onnx --inputs-as-nchw x"),
        ((None, 3), "input x of .* has the shape any×3: export a network that takes a batch of"),
        (("n", "c", 15, 15), "leaves the number of channels of its input x free"),
    ):
        convolution(path, shape)
        with pytest.raises(PadscopeError, match=message):
            OnnxFile(str(path))
    convolution(path, operator="Sharpen", domain="mine")
    with pytest.raises(PadscopeError, match=r"could not be converted by onnx2pytorch .*Sharpen"):
        load_model(str(path))


def test_a_conversion_that_answers_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = convolution(tmp_path / "net.onnx", pads=[1, 1, 1, 1])
    convert = OnnxFile._convert

    def wrongly(self: OnnxFile, model: Any) -> nn.Module:
        module = convert(self, model)
        with torch.no_grad():
            next(module.parameters()).mul_(1.1)
        return module

    monkeypatch.setattr(OnnxFile, "_convert", wrongly)
    with pytest.raises(PadscopeError, match=r"other answers than ONNX Runtime does \(by 0\.1 "):
        load_model(str(path))


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = convolution(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx2pytorch", None)
    with pytest.raises(
        PadscopeError, match=r'need the extra onnx .*pip install "padscope\[onnx\]"'
    ):
        load_model(str(path))
