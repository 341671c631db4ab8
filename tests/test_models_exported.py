"""Exported programs: sizes and batch come from the program, and so does its mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim

from padscope.errors import PadscopeError
from padscope.models import Preprocessing, load_model, wrap_module


def make() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout()).eval()


def export(path: Path, module: nn.Module, free: dict[int, Any] | None = None) -> str:
    shapes = (free,) if free else None
    program = torch.export.export(module, (torch.zeros(2, 3, 16, 20),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return str(path)


def test_a_program_of_fixed_shape(tmp_path: Path) -> None:
    module, x = make(), torch.randn(2, 3, 16, 20)
    spec = export(tmp_path / "net.pt2", module)
    loaded = load_model(spec, mean=0.5)
    assert loaded.preprocessing == Preprocessing((16, 20), (0.5,) * 3, (1.0,) * 3)
    assert loaded.static_batch == 2
    assert loaded.input_channels == 3
    assert loaded.describe().endswith("batch fixed at 2")
    torch.testing.assert_close(loaded.module(x), module(x))
    assert load_model(spec, size=(16, 20)).weights_hash == loaded.weights_hash
    with pytest.raises(PadscopeError, match="was exported for inputs of 16×20:"):
        load_model(spec, size=16)


def test_a_program_of_free_shape(tmp_path: Path) -> None:
    free = {0: Dim("n"), 2: Dim("h", min=4, max=64), 3: Dim("w", min=4, max=64)}
    spec = export(tmp_path / "net.pt2", make(), free)
    assert load_model(spec).preprocessing == Preprocessing((16, 20), (0.0,) * 3, (1.0,) * 3)
    loaded = load_model(spec, size=24)
    assert loaded.static_batch is None
    assert loaded.module(torch.zeros(5, 3, 24, 24)).shape == (5, 4, 24, 24)


def test_a_program_from_python() -> None:
    module = torch.export.export(make(), (torch.zeros(2, 3, 16, 20),)).module()
    loaded = wrap_module(module)
    assert loaded.static_batch == 2
    assert loaded.preprocessing == Preprocessing((16, 20), (0.0,) * 3, (1.0,) * 3)


def test_other_weights_for_a_program(tmp_path: Path) -> None:
    spec, other = export(tmp_path / "net.pt2", make()), make()
    nn.init.ones_(other[0].weight)  # type: ignore[arg-type]  # a tensor
    torch.save(other.state_dict(), tmp_path / "w.pt")
    loaded, x = load_model(spec, weights=tmp_path / "w.pt"), torch.randn(2, 3, 16, 20)
    torch.testing.assert_close(loaded.module(x), other(x))
    with pytest.raises(PadscopeError, match="same weights whatever the seed"):
        load_model(spec, weights="random")


@pytest.mark.parametrize(
    "module", [make().train(), nn.Sequential(nn.Conv2d(3, 1, 1), nn.Dropout())]
)
def test_a_program_in_training_mode(tmp_path: Path, module: nn.Module) -> None:
    with pytest.raises(PadscopeError, match=r"exported in training mode: call model\.eval"):
        load_model(export(tmp_path / "net.pt2", module))


def test_no_program(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"text")
    with pytest.raises(PadscopeError, match="is not an exported program"):
        load_model(str(path))
    torch.save(make().state_dict(), path)
    with pytest.raises(PadscopeError, match="is not an exported program"):
        load_model(str(path))
