"""Weight files: read without executing code, loaded whole or not at all."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.models.foreign import foreign
from padscope.models.state_names import EXTRA, first_of, rename, required
from padscope.paths import expanded, file_problem

# Entries that hold a state dict among others. Averages of weights are what their authors evaluate.
AVERAGED = ("params_ema", "model_ema", "state_dict_ema", "ema_state_dict", "ema")
ENTRIES = (*AVERAGED, "state_dict", "model_state_dict", "model", "params")
DEEPEST = 3  # entries within entries
# How files of `torch.save` from before torch 1.6 start; later ones are zip archives.
PICKLE_MAGIC = b"\x80"


def load_weights(module: nn.Module, path: Path, spec: str) -> str:
    """Load a weight file into a module; on any misfit, leave the module as it is.

    Parameters
    ----------
    module : torch.nn.Module
        The architecture, changed in place.
    path : pathlib.Path
        A ``.safetensors`` file, or one of `torch.save` that holds a state dict.
    spec : str
        The architecture's name in error messages.

    Returns
    -------
    str
        Where in the file the weights were found, in words; "" if it holds nothing else and names
        them as the module does.

    Raises
    ------
    PadscopeError
        The file cannot be read safely, or its names, shapes or types are not the module's.
    """
    expected = module.state_dict()
    content, entry = read_weights(path)
    renamed = rename(content, expected, path)
    state = {name: _dense(value, path, name) for name, value in renamed.state.items()}
    misfits = _misfits(state, expected)
    said = [f"entry {entry}"] if entry else []
    said += renamed.said
    if misfits:
        found = f" ({', '.join(said)})" if said else ""
        raise PadscopeError(
            f"the weights in {path}{found} do not fit {spec}: {', '.join(misfits)}; "
            "give the architecture they were trained with"
        )
    try:
        # Not strict, for the absences that `_misfits` lets pass.
        module.load_state_dict(state, strict=False)
    except Exception as error:  # somebody's own code sets extra state
        reason = (str(error).strip().splitlines() or [""])[0]
        raise PadscopeError(
            f"{spec} does not take the weights in {path} ({type(error).__name__}: {reason}): "
            "give the architecture they were trained with"
        ) from error
    return ", ".join(said)


def read_weights(path: Path) -> tuple[dict[str, Any], str]:
    """Read a state dict from a file, executing nothing.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file, or one of `torch.save` that holds a state dict, bare or as an
        entry among others.

    Returns
    -------
    state : dict of str to (torch.Tensor or extra state)
        On the CPU.
    entry : str
        Which entry of the file it is; "" for the file itself.

    Raises
    ------
    PadscopeError
        There is no such file, it is damaged, it holds no state dict or several, or reading it
        would execute code.
    """
    path = expanded(path)
    if said := foreign(str(path)):
        raise PadscopeError(f"the weights file {path} {said}")
    if problem := file_problem(path):
        raise PadscopeError(f"the weights file {path} {problem}: give a .safetensors or .pt file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    found = _state_dicts(content)
    if not found:
        raise PadscopeError(f"{path} holds no state dict: save model.state_dict() with safetensors")
    known = [entry for name in ENTRIES for entry in found if entry.split(".")[0] == name]
    entry = next(iter(known or found))
    if not known and len(found) > 1:
        raise PadscopeError(
            f"{path} holds several state dicts ({', '.join(found)}): save the one to be used by "
            "itself"
        )
    return found[entry], entry


def _state_dicts(content: object, depth: int = 0) -> dict[str, dict[str, Any]]:
    """Find the state dicts in the content of a file, by the path of their entry."""
    if _is_state_dict(content):
        return {"": dict(content)}
    if not isinstance(content, Mapping) or depth == DEEPEST:
        return {}
    return {
        f"{key}.{inner}" if inner else str(key): state
        for key, value in content.items()
        for inner, state in _state_dicts(value, depth + 1).items()
    }


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise PadscopeError(
            f"{path} is not a readable safetensors file ({error}): save it again"
        ) from error


def _read_torch(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # a name may hold bytes that torch cannot read
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage surfaces as KeyError, EOFError, RuntimeError, ...
        if _is_of_torch(path) and isinstance(error, pickle.UnpicklingError):
            message = (
                f"{path} holds pickled Python objects, not only tensors, and loading those "
                "would execute code: save model.state_dict() with safetensors instead"
            )
        elif "TorchScript" in str(error):
            message = (
                f"{path} is a TorchScript program, not weights: "
                "save its state_dict() with safetensors"
            )
        else:
            message = f"{path} is not a readable weights file: save it again with safetensors"
        raise PadscopeError(message) from error


def _is_of_torch(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return zipfile.is_zipfile(path) or file.read(1) == PICKLE_MAGIC
    except zipfile.BadZipFile:  # it has the end of an archive, and that is damaged
        return False


def _is_state_dict(content: object) -> TypeGuard[Mapping[str, Any]]:
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return False
    weights = [value for key, value in content.items() if not key.endswith(EXTRA)]
    return bool(weights) and all(isinstance(value, Tensor) for value in weights)


def _dense(value: Any, path: Path, name: str) -> Any:
    """Give a tensor as modules hold it; anything but a tensor as it is."""
    if not isinstance(value, Tensor):
        return value
    if value.is_meta:
        raise PadscopeError(
            f"{path} holds no values of {name}, which was saved from the meta device: save the "
            "weights of a model that has them"
        )
    if value.is_quantized:
        raise PadscopeError(
            f"{path} holds quantised weights ({name} {_type(value)}): give those from before "
            "they were quantised"
        )
    return value if value.layout == torch.strided else value.to_dense()


def _misfits(state: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Say how many names are missing, unexpected, of another shape or type, and the first few."""
    weights = {
        name: value
        for name, value in expected.items()
        if isinstance(value, Tensor) and not name.endswith(EXTRA)
    }
    given = {name: value for name, value in state.items() if not name.endswith(EXTRA)}
    both = [(name, value, weights[name]) for name, value in given.items() if name in weights]
    kinds = {
        "missing": [
            f"{name} {_shape(tensor)}"
            for name, tensor in weights.items()
            if name not in given and required(name)
        ],
        "unexpected": [
            f"{name} {_shape(tensor)}" for name, tensor in given.items() if name not in weights
        ],
        "of another shape": [
            f"{name} {_shape(ours)} in the file, {_shape(theirs)} in the model"
            for name, ours, theirs in both
            if ours.shape != theirs.shape
        ],
        "of another type": [
            f"{name} {_type(ours)} in the file, {_type(theirs)} in the model"
            for name, ours, theirs in both
            if _kind(ours) != _kind(theirs) and required(name)
        ],
    }
    return [_summary(kind, names) for kind, names in kinds.items() if names]


def _kind(tensor: Tensor) -> str:
    """Name what a cast keeps: floats of any precision are the same numbers, rounded."""
    if tensor.is_floating_point() and tensor.dtype.itemsize > 1:
        return "float"
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        return _type(tensor)
    return "integer"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _summary(kind: str, names: list[str]) -> str:
    return f"{len(names)} {kind} ({first_of(names)})"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
