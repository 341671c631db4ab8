"""Weight files: read without executing code, loaded whole or not at all."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from padscope.errors import PadscopeError
from padscope.paths import expanded, file_problem

WRAPPERS = ("state_dict", "model_state_dict", "model")
# What DataParallel and torch.compile put before every name.
PREFIXES = ("module.", "_orig_mod.")
# How files of `torch.save` from before torch 1.6 start; later ones are zip archives.
PICKLE_MAGIC = b"\x80"
SHOWN = 3


def load_weights(module: nn.Module, path: Path, spec: str) -> None:
    """Load a weight file into a module; on any misfit, leave the module as it is.

    Parameters
    ----------
    module : torch.nn.Module
        The architecture, changed in place.
    path : pathlib.Path
        A ``.safetensors`` file, or one of `torch.save` that holds a state dict.
    spec : str
        The architecture's name in error messages.

    Raises
    ------
    PadscopeError
        The file cannot be read safely, or its names or shapes are not the module's.
    """
    expected = module.state_dict()
    state = _strip_prefixes(read_weights(path), expected)
    misfits = _misfits(state, expected)
    if misfits:
        raise PadscopeError(
            f"the weights in {path} do not fit {spec}: {', '.join(misfits)}; "
            "give the architecture they were trained with"
        )
    # Not strict, for the one absence that `_misfits` lets pass.
    module.load_state_dict(state, strict=False)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a file, executing nothing.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file, or one of `torch.save` that holds a state dict, bare or under
        "state_dict", "model_state_dict" or "model".

    Returns
    -------
    dict of str to torch.Tensor
        On the CPU.

    Raises
    ------
    PadscopeError
        There is no such file, it is damaged, it holds no state dict, or reading it would
        execute code.
    """
    path = expanded(path)
    if problem := file_problem(path):
        raise PadscopeError(f"the weights file {path} {problem}: give a .safetensors or .pt file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not _is_state_dict(content):
        raise PadscopeError(f"{path} holds no state dict: save model.state_dict() with safetensors")
    return dict(content)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
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
        with path.open("rb") as file:
            from_torch = zipfile.is_zipfile(path) or file.read(1) == PICKLE_MAGIC
        if from_torch and isinstance(error, pickle.UnpicklingError):
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


def _is_state_dict(content: object) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(key, str) for key in content)
        and all(isinstance(value, torch.Tensor) for value in content.values())
    )


def _strip_prefixes(
    state: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) and name not in expected for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _misfits(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    """Say how many names are missing, unexpected or of another shape, and the first of each."""
    missing = [
        f"{name} {_shape(tensor)}"
        for name, tensor in expected.items()
        # Files from before torch 0.4.1 lack this counter, and eval mode never reads it.
        if name not in state and not name.endswith("num_batches_tracked")
    ]
    unexpected = [
        f"{name} {_shape(tensor)}" for name, tensor in state.items() if name not in expected
    ]
    mismatched = [
        f"{name} {_shape(tensor)} in the file, {_shape(expected[name])} in the model"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": mismatched}
    return [_summary(kind, names) for kind, names in kinds.items() if names]


def _summary(kind: str, names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} {kind} ({'; '.join(names[:SHOWN])}{more})"


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
