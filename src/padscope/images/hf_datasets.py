"""Photographs in a data set of the Hugging Face hub, or in a folder that `save_to_disk` wrote."""

import io
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from padscope.errors import PadscopeError, brief, near
from padscope.images.files import PhotoFiles
from padscope.images.folders import open_regular
from padscope.images.named import Framing
from padscope.images.window import Window
from padscope.paths import printable

DATASETS = 'data sets need datasets: run pip install "padscope[datasets]"'
SAVED = ("dataset_info.json", "dataset_dict.json")  # one of them is in a folder of `save_to_disk`


@dataclass(frozen=True)
class Rows:
    """The files that the rows of a data set hold; a `Container`.

    Parameters
    ----------
    data : datasets.Dataset
        Whose photographs are left encoded.
    column : str
        Which holds them.
    rows : dict of str to int
        By name.
    others : datasets.Dataset
        The other columns.
    """

    data: Any
    column: str
    rows: dict[str, int]
    others: Any

    def open(self, name: str) -> BinaryIO:
        """Open the file of a row."""
        try:
            held = self.data[self.rows[name]][self.column]
        except Exception as error:  # of a file of Arrow that is damaged
            raise ValueError(brief(error)) from error
        if held and held["bytes"] is not None:
            return io.BytesIO(held["bytes"])
        if held and held["path"]:
            return open_regular(Path(held["path"]))
        raise ValueError("the row holds no photograph")

    def labels(
        self, column: str, names: Sequence[str], known: Collection[str]
    ) -> dict[str, Any] | None:
        """Give the classes of photographs by their names; see `HoldsLabels`.

        Classes that the data set numbers and names are given by name where the model knows one of
        the names, and else by number.
        """
        if column not in self.others.features:
            return None
        values = list(self.others[column])
        called = getattr(self.others.features[column], "names", None) or ()
        if {name.casefold() for name in called} & {name.casefold() for name in known}:
            values = [None if value is None or value < 0 else called[value] for value in values]
        return {name: values[self.rows[name]] for name in names}


def is_saved(folder: Path) -> bool:
    """Tell a folder that `save_to_disk` wrote."""
    return any((folder / name).is_file() for name in SAVED) and any(
        (folder / name).is_file() for name in ("state.json", "dataset_dict.json")
    )


def open_dataset(
    spec: str, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles:
    """Take a random sample of the photographs of a data set.

    Parameters
    ----------
    spec : str
        ``NAME`` or ``NAME:SPLIT``, of the hub or of a folder that `save_to_disk` wrote.
    framing, limit, seed
        As of `sample_files`.

    Raises
    ------
    PadscopeError
        It cannot be loaded, has several splits and none is chosen, or holds no photographs.
    """
    if isinstance(framing, Window):
        raise framing.no_photograph
    try:
        import datasets
    except ImportError as error:
        raise PadscopeError(DATASETS) from error
    name, _, split = spec.partition(":")
    datasets.disable_progress_bars()
    try:
        saved = os.path.isdir(name)  # noqa: PTH112 - of a name too long, pathlib raises
        loaded: Any = datasets.load_from_disk(name) if saved else datasets.load_dataset(name)
    except Exception as error:  # the hub, the disk, Arrow and the data set fail each in their way
        raise PadscopeError(f"the data set {name} cannot be loaded: {brief(error)}") from error
    data = _split(loaded, name, split)
    column = next(
        (
            column
            for column, feature in data.features.items()
            if isinstance(feature, datasets.Image)
        ),
        None,
    )
    if column is None:
        raise PadscopeError(
            f"the data set {name} holds no column of images; it has {', '.join(data.features)}"
        )
    others = data.remove_columns([column])
    data = data.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    rows = _names(data, column)
    if not rows:
        raise PadscopeError(f"the data set {name} is empty; give another split")
    where = f"in {printable(PurePosixPath(name).name)}{f', {split}' if split else ''}"
    return PhotoFiles.sampled(
        Rows(data, column, rows, others), list(rows), framing, where, limit, seed
    )


def _split(loaded: Any, name: str, split: str) -> Any:
    if not isinstance(loaded, dict):
        if split:
            raise PadscopeError(f"the data set {name} has no splits; leave out {split!r}")
        return loaded
    if not split and len(loaded) == 1:
        return next(iter(loaded.values()))
    if split not in loaded:
        said = (
            f"no split {split!r}; {near(split, loaded)}"
            if split
            else (
                f"the splits {', '.join(loaded)}; give one, as {name}:{next(iter(loaded), 'SPLIT')}"
            )
        )
        raise PadscopeError(f"the data set {name} has {said}")
    return loaded[split]


def _names(data: Any, column: str) -> dict[str, int]:
    """Call photographs by their files, in order; by their rows where these are not told apart."""
    path = f"{column}.path"  # alone, without reading the photographs
    paths = list(data.flatten().select_columns([path])[path])
    names = [PurePosixPath(path).name for path in paths if path]
    if len({*names}) < len(paths):
        return {f"row {row}": row for row in range(len(paths))}
    return dict(sorted(zip(names, range(len(names)), strict=True)))
