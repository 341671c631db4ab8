"""Lists of models: what a line says, what its patterns stand for, and the list of popular ones."""

from __future__ import annotations

import argparse
import glob
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from padscope.errors import PadscopeError
from padscope.models.load import RANDOM, SOURCES, SOURCES_GROUP
from padscope.paths import file_problem
from padscope.plugins import look_up

POPULAR = Path(__file__).with_name("popular.txt")


@dataclass(frozen=True)
class Listed:
    """A model of a list.

    Attributes
    ----------
    name : str
        Tells it from the others.
    model : str
        See `load_model`.
    weights, size, mean, std, images, input_adapter : str or None
        As the options of ``padscope scan`` take them.
    year : int or None
        Of its publication.
    accuracy : float or None
        As published, in percent.
    """

    name: str
    model: str
    weights: str | None = None
    size: str | None = None
    mean: str | None = None
    std: str | None = None
    images: str | None = None
    input_adapter: str | None = None
    year: int | None = None
    accuracy: float | None = None

    @property
    def folder(self) -> str:
        """Its name as that of a folder.

        Examples
        --------
        >>> Listed("timm:resnet50.a1_in1k, random", "timm:resnet50").folder
        'timm-resnet50.a1_in1k-random'
        """
        return re.sub(r"[^\w.]+", "-", self.name).strip("-.") or "model"

    def untrained(self) -> Listed:
        """Return the same architecture with random weights."""
        return replace(self, name=f"{self.name}, random", weights=RANDOM, accuracy=None)


def read_list(path: Path) -> list[Listed]:
    """Read a file with a model a line; ``#`` begins a comment. See `parse_models`.

    Raises
    ------
    PadscopeError
        The file cannot be read, or a line cannot be understood.
    """
    if problem := file_problem(path):
        raise PadscopeError(f"the list of models {path} {problem}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PadscopeError(
            f"the list of models {path} is not readable text; give a file with one model per line"
        ) from error
    found = [
        model
        for number, line in enumerate(lines, 1)
        for model in parse_models(line, f"{path}, line {number}")
    ]
    if not found:
        raise PadscopeError(f"the list of models {path} names no models; give one per line")
    return found


def parse_models(line: str, where: str) -> Iterator[Listed]:
    """Understand a line of a list: a model and its options, as on the command line.

    Parameters
    ----------
    line : str
        ``MODEL [--weights FILE] [--size …] [--mean …] [--std …] [--images …] [--input-adapter …]
        [--name NAME] [--year YEAR] [--accuracy PERCENT]``. In MODEL and FILE ``*``, ``?`` and
        ``[…]`` stand for all that match: models that have trained weights, or files.
    where : str
        What an error names as its place.

    Yields
    ------
    Listed

    Raises
    ------
    PadscopeError
        The line cannot be understood, or a pattern matches nothing.

    Examples
    --------
    >>> [model.name for model in parse_models("timm:resnet50 --weights random # why", "here")]
    ['timm:resnet50, random']
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise PadscopeError(f"{where}: {str(error).lower()}; close the quotation") from error
    if not words:
        return
    given = vars(_Line(where).parse_args(words))
    name = given.pop("name")
    for model in _models(given.pop("model"), where):
        weights = given["weights"]
        for file in [None] if weights is None else _files(weights, where):
            yield Listed(name or _name(model, file), model, **(given | {"weights": file}))


def check_names(models: Sequence[Listed]) -> None:
    """Refuse two models of one name, or of names that differ in nothing a folder's name keeps."""
    known: dict[str, Listed] = {}
    for model in models:
        other = known.setdefault(model.folder.lower(), model)
        if other is not model:
            raise PadscopeError(
                f"two models of the list are called {model.name!r}: {_told(other)} and "
                f"{_told(model)}; give one of them another name with --name"
                if other.name == model.name
                else f"the names {other.name!r} and {model.name!r} are too similar for folders; "
                "give one of them another with --name"
            )


class _Line(argparse.ArgumentParser):
    """Reads one line; what is wrong with it is one sentence."""

    def __init__(self, where: str) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._where = where
        self.add_argument("model")
        for option in ("name", "weights", "size", "mean", "std", "images", "input-adapter"):
            self.add_argument(f"--{option}")
        self.add_argument("--year", type=int)
        self.add_argument("--accuracy", type=float)

    def error(self, message: str) -> NoReturn:
        """Say where and what."""
        raise PadscopeError(
            f"{self._where}: {message}; write a model and its options, as after padscope scan"
        )


def _name(model: str, weights: str | None) -> str:
    if weights is None:
        return model
    return f"{model}, {weights if weights == RANDOM else Path(weights).stem}"


def _told(model: Listed) -> str:
    return model.model if model.weights is None else f"{model.model} with {model.weights}"


def _models(model: str, where: str) -> Sequence[str]:
    """Give the models that a pattern stands for; what is none stands for itself."""
    if not glob.has_magic(model):
        return [model]
    scheme, colon, pattern = model.partition(":")
    if not colon:
        return _files(model, where)
    source = look_up(SOURCES, SOURCES_GROUP, scheme)
    matching: Callable[[str], Sequence[str]] | None = getattr(source, "matching", None)
    if matching is None:
        raise PadscopeError(
            f"{where}: the models of {scheme}: cannot be listed, so {model} cannot be a pattern; "
            "name the models"
        )
    found = [f"{scheme}:{name}" for name in matching(pattern)]
    if not found:
        raise PadscopeError(f"{where}: no model with trained weights matches {model}")
    return found


def _files(path: str, where: str) -> Sequence[str]:
    """Give the files that a pattern stands for; what is none stands for itself."""
    if not glob.has_magic(path) or Path(path).exists():
        return [path]
    anchor = Path(path).anchor
    below = Path(path).relative_to(anchor).as_posix()
    found = sorted(file.as_posix() for file in Path(anchor).glob(below))
    if not found:
        raise PadscopeError(f"{where}: no file matches {path}")
    return found
