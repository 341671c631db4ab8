"""Programs saved by `torch.export.save`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import fx, nn

from padscope.errors import PadscopeError
from padscope.models.preprocessing import InputDefaults
from padscope.models.structure import input_channels
from padscope.paths import expanded, file_problem


class Exported:
    """An exported program in a ``.pt2`` file.

    Such a file is a program, not only weights: like a factory, load it only from people you
    trust.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    PadscopeError
        There is no such file, it is no exported program, or it was exported in training mode.
    """

    weights = "exported weights"

    def __init__(self, path: Path) -> None:
        path = expanded(path)
        if problem := file_problem(path):
            raise PadscopeError(f"the exported program {path} {problem}: check the path")
        if not _is_archive(path):
            raise PadscopeError(
                f"{path} is not an exported program: make one with torch.export.save"
            )
        try:
            with path.open("rb") as file:  # a name may hold bytes that torch cannot read
                self._program = torch.export.load(file)
        except Exception as error:  # operators, devices and versions fail each in their own way
            raise PadscopeError(
                f"{path} could not be loaded by torch {torch.__version__}: "
                "export the model again with this version"
            ) from error
        if _trains(self._program.graph):
            raise PadscopeError(
                f"{path} was exported in training mode: "
                "call model.eval() before torch.export.export"
            )

    def pretrained(self) -> nn.Module:
        """Unpack the program as a module; it refuses ``eval()``, its mode was fixed at export."""
        return self._program.module()

    def fresh(self) -> nn.Module:
        """Unpack the program; it holds no recipe for initial weights."""
        return self.pretrained()

    def defaults(self, module: nn.Module) -> InputDefaults:
        """Read the shape of the input that the program was exported with."""
        args, _ = self._program.example_inputs or ((), {})
        example = args[0] if args else None
        size = tuple(example.shape[2:]) if isinstance(example, torch.Tensor) else None
        return InputDefaults(channels=input_channels(module), size=size)


def _is_archive(path: Path) -> bool:
    # Asked first because torch logs a traceback before it raises on anything else.
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("archive_format") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False


def _trains(graph: fx.Graph) -> bool:
    """Tell whether a dropout drops or a batch norm uses its batch in this program."""
    for node in graph.nodes:
        schema = getattr(node.target, "_schema", None)
        for position, argument in enumerate(schema.arguments if schema else ()):
            if argument.name in ("train", "training"):
                values = (*node.args[position : position + 1], node.kwargs.get(argument.name))
                if any(value is True for value in values):
                    return True
    return False
