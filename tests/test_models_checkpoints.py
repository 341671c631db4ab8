"""Weight files: every kind that loads, and one sentence for every kind that does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.models.checkpoints import load_weights
from padscope.models.loaded import hash_weights


class Scaled(nn.Conv2d):
    """Has state that is no tensor."""

    seen: object = None

    def get_extra_state(self) -> dict[str, float]:
        return {"scale": 2.0}

    def set_extra_state(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise TypeError("no dictionary")
        self.seen = state


def below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


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
    "BasicSR": lambda state: {
        "params": {name: torch.zeros_like(t) for name, t in state.items()},
        "params_ema": state,
    },
    "timm": lambda state: {
        "model": {name: torch.zeros_like(t) for name, t in state.items()},
        "model_ema": below("module.", state),
    },
    "an average in a state dict": lambda state: {"ema": {"state_dict": state}},
    "another name": lambda state: {"generator": state, "step": 5},
    "Lightning": lambda state: {
        "state_dict": {"loss.weight": torch.ones(3), **below("net.", state)},
        "hyper_parameters": {"width": 3},
        "callbacks": {},
    },
    "compiled inside": lambda state: {"state_dict": below("model._orig_mod.", state)},
    "two wrappers": lambda state: below("model.module.", state),
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


def test_where_the_weights_were_found_is_said(tmp_path: Path) -> None:
    path, state = tmp_path / "weights.pt", make(1).state_dict()
    torch.save(state, path)
    assert load_weights(make(), path, "net") == ""
    content = {"loss.weight": torch.ones(3), **below("net._orig_mod.", state)}
    torch.save({"state_dict": content}, path)
    said = load_weights(make(), path, "net")
    assert (
        said == "entry state_dict, without _orig_mod., below net., 1 other left out (loss.weight)"
    )
    wrapped = nn.ModuleDict({"net": make(2)})
    torch.save({"params": state, "params_ema": state}, path)
    assert load_weights(wrapped, path, "net") == "entry params_ema, put below net."
    assert torch.equal(wrapped.state_dict()["net.2.bias"], state["2.bias"])


def test_what_is_lacking_below_a_prefix_is_named_without_it(tmp_path: Path) -> None:
    path, state = tmp_path / "weights.pt", below("net.", make(1).state_dict())
    del state["net.2.bias"]
    torch.save({"state_dict": state}, path)
    with pytest.raises(PadscopeError) as caught:
        load_weights(make(), path, "net")
    assert "(entry state_dict, below net.) do not fit net: 1 missing (2.bias 2);" in str(
        caught.value
    )


def test_weights_that_are_there_twice_are_not_chosen_from(tmp_path: Path) -> None:
    path, state = tmp_path / "weights.pt", make(1).state_dict()
    torch.save(below("model.", state) | below("average.", state), path)
    with pytest.raises(PadscopeError, match=r"below model\. and below average\.: save those"):
        load_weights(make(), path, "net")
    torch.save({"one": state, "other": state}, path)
    with pytest.raises(PadscopeError, match=r"several state dicts \(one, other\): save the one"):
        load_weights(make(), path, "net")


def test_extra_state_is_given_to_its_module(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    source, target = nn.Sequential(Scaled(3, 4, 3)), nn.Sequential(Scaled(3, 4, 3))
    torch.save(below("module.", source.state_dict()), path)
    load_weights(target, path, "net")
    assert target[0].seen == {"scale": 2.0}
    assert all(map(torch.equal, source.parameters(), target.parameters()))
    weights = {n: t for n, t in source.state_dict().items() if isinstance(t, Tensor)}
    save_file(weights, path.with_suffix(".safetensors"))
    load_weights(target, path.with_suffix(".safetensors"), "net")
    torch.save(source.state_dict() | {"0._extra_state": torch.zeros(1)}, path)
    with pytest.raises(PadscopeError, match=r"does not take the weights in .*TypeError: no dict"):
        load_weights(target, path, "net")
    assert hash_weights(source) == hash_weights(nn.Sequential(source[0]))


@pytest.mark.filterwarnings("ignore")
def test_sparse_weights_are_loaded(tmp_path: Path) -> None:
    path, source, target = tmp_path / "weights.pt", make(1), make(2)
    state = source.state_dict()
    torch.save(state | {"2.weight": state["2.weight"].to_sparse()}, path)
    load_weights(target, path, "net")
    assert all(map(torch.equal, source.parameters(), target.parameters()))


ODD: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "quantised": (
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        r"quantised weights \(0\.weight qint8\): give those from before",
    ),
    "8 bits": (lambda t: (t * 50).to(torch.int8), r"0\.weight int8 in the file, float32 in the"),
    "complex": (lambda t: t.to(torch.complex64), r"0\.weight complex64 in the file, float32"),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), r"0\.weight float8_e4m3fn in the file"),
    "bool": (lambda t: t > 0, r"1 of another type \(0\.weight bool in the file, float32"),
    "meta": (lambda t: t.to("meta"), r"no values of 0\.weight, which was saved from the meta"),
}


@pytest.mark.parametrize(("change", "message"), ODD.values(), ids=ODD)
@pytest.mark.filterwarnings("ignore")
def test_weights_of_another_type_are_named(
    tmp_path: Path, change: Callable[[Tensor], Tensor], message: str
) -> None:
    path, module = tmp_path / "weights.pt", make()
    state = make(1).state_dict()
    torch.save(state | {"0.weight": change(state["0.weight"])}, path)
    before = hash_weights(module)
    with pytest.raises(PadscopeError, match=message) as caught:
        load_weights(module, path, "net")
    assert "\n" not in str(caught.value)
    assert hash_weights(module) == before


def test_floats_of_another_precision_are_the_same_weights(tmp_path: Path) -> None:
    path, source, target = tmp_path / "weights.pt", make(1), make(2)
    torch.save({name: t.half() for name, t in source.state_dict().items()}, path)
    load_weights(target, path, "net")
    torch.testing.assert_close(source[0].weight, target[0].weight, atol=1e-3, rtol=1e-3)


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
@pytest.mark.parametrize(
    "content",
    [
        b"", b"some text", bytes(range(100, 256)) * 9, b"PK garbage",
        b"PK\6\7" + bytes([1] * 16) + b"PK\5\6" + bytes(18),  # an archive on many disks
    ],
)  # fmt: skip
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
