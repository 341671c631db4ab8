"""Weight files: every kind that loads, and one sentence for every kind that does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.models.checkpoints import load_weights


def make(seed: int = 0, channels: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.Linear(2, 2))


Wrap = Callable[[dict[str, Tensor]], object]
WRAPS: dict[str, Wrap] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.5},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {
        "state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}
    },
    "counters left out": lambda state: {
        name: tensor for name, tensor in state.items() if "num_batches" not in name
    },
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_state_dicts_in_every_wrapping(tmp_path: Path, wrap: Wrap) -> None:
    source, target, path = make(1), make(2), tmp_path / "weights.pt"
    torch.save(wrap(source.state_dict()), path)
    load_weights(target, path, "net")
    assert all(map(torch.equal, source.parameters(), target.parameters()))


def test_safetensors(tmp_path: Path) -> None:
    source, target, path = make(1), make(2), tmp_path / "weights.safetensors"
    save_file(source.state_dict(), path)
    load_weights(target, path, "net")
    assert all(map(torch.equal, source.parameters(), target.parameters()))


def test_a_model_whose_own_names_start_with_module(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    source, target = nn.ModuleDict({"module": make(1)}), nn.ModuleDict({"module": make(2)})
    torch.save(source.state_dict(), path)
    load_weights(target, path, "net")
    assert all(map(torch.equal, source.parameters(), target.parameters()))


def test_a_misfit_is_counted_and_changes_nothing(tmp_path: Path) -> None:
    module, path = make(), tmp_path / "weights.pt"
    state = make(1, channels=5).state_dict()
    state["extra"] = torch.zeros(2)
    del state["2.bias"]
    torch.save(state, path)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(PadscopeError) as caught:
        load_weights(module, path, "net")
    message = str(caught.value)
    assert "1 missing (2.bias 2)" in message
    assert "1 unexpected (extra 2)" in message
    assert "6 of another shape (0.weight 5×3×3×3 in the file, 4×3×3×3 in the model" in message
    assert "1.bias" not in message  # the fourth of the six
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


class Trap:
    """Pickles to a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_loading_never_executes_code(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.save({"state_dict": {"0.weight": Trap(trace)}}, path)
    with pytest.raises(PadscopeError, match=r"would execute code: save model\.state_dict"):
        load_weights(make(), path, "net")
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_model_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.pt"
    torch.save(make(), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(PadscopeError, match="would execute code"):
        load_weights(make(), path, "net")


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(make()), path)
    with pytest.raises(PadscopeError, match="TorchScript program"):
        load_weights(make(), path, "net")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"some text", bytes(range(100, 256)) * 9, b"PK garbage"])
def test_garbage(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(PadscopeError, match=r"is not a readable .*: save it again"):
        load_weights(make(), path, "net")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(make().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(PadscopeError, match="not a readable weights file"):
        load_weights(make(), path, "net")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(2)], torch.zeros(2)])
def test_no_state_dict(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(PadscopeError, match="holds no state dict"):
        load_weights(make(), path, "net")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PadscopeError, match=re.escape(f"{tmp_path} is a directory")):
        load_weights(make(), tmp_path, "net")
    with pytest.raises(PadscopeError, match="does not exist"):
        load_weights(make(), tmp_path / "none.pt", "net")
