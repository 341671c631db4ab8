"""From what was typed on the command line to images."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from padscope.errors import PadscopeError, brief
from padscope.images.addresses import open_address
from padscope.images.builtin import PHOTOS, BuiltinPhotos
from padscope.images.files import PhotoFiles
from padscope.images.hf_datasets import is_saved, open_dataset
from padscope.images.named import Framing, open_file, open_folder, open_list
from padscope.images.probe import CentralCrop, Probe
from padscope.images.source import Images
from padscope.images.tars import open_tars
from padscope.images.window import Window
from padscope.paths import expanded
from padscope.plugins import look_up

# Takes what was named, how it becomes an input, how many to take at random (None: all), and the
# seed of that choice.
Source = Callable[[str, Framing, int | None, int], Images]

# Scheme → what takes NAME of SCHEME:NAME; ending of a file → what takes its path; and what takes
# any address (PROTOCOL://…), any folder, and any other file. Installed packages add to it through
# entry points of the group.
SOURCES: dict[str, Source] = {
    ".txt": lambda path, *how: open_list(Path(path), *how),
    ".lst": lambda path, *how: open_list(Path(path), *how),
    ".tar": open_tars,
    "hf": open_dataset,
    "address": open_address,
    "folder": lambda path, *how: _open_folder(Path(path), *how),
    "file": lambda path, *how: open_file(Path(path), *how),
}
SOURCES_GROUP = "padscope.images"
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[a-z0-9+.-]+::", re.IGNORECASE)


def open_images(
    source: str | Path | None,
    framing: Framing,
    limit: int | None = None,
    seed: int = 0,
    crops: int = 256,
) -> Images:
    """Open a set of images.

    Parameters
    ----------
    source : str or Path, optional
        A folder, a list of files (``.txt`` or ``.lst``), one photograph, tar archives
        (``photos.tar``, ``photos-{000..011}.tar``), a data set (``hf:NAME``, ``hf:NAME:SPLIT``, or
        a folder of `save_to_disk`), an address (``s3://bucket/photos``), or what else `SOURCES`
        has; the built-in photographs if not given. A leading ``~`` is the home folder.
    framing : Probe or Window
        How what is found becomes an input of the model. A `Window` is that of models which take no
        photographs, but arrays: ``.npy``, ``.npz``, ``.zarr``, ``.wav``, ``.flac``, ``.nii``.
    limit : int, optional
        How many photographs to take, at random; all if not given.
    seed : int
        Of the choice which `limit` makes.
    crops : int
        How many crops of the built-in photographs to take; of central ones, one of each.

    Raises
    ------
    PadscopeError
        There is no such source, or it holds no photograph.

    See Also
    --------
    padscope.images.Images : What a source gives.
    """
    if source is None:
        if isinstance(framing, Window):
            raise framing.no_photograph
        one_each = isinstance(framing, CentralCrop)  # a second one would be the same image
        return BuiltinPhotos(framing, min(crops, len(PHOTOS)) if one_each else crops)
    opened, name = _find(source)
    try:
        images = opened(name, framing, limit, seed)
    except PadscopeError:
        raise
    except Exception as error:  # a source may be somebody else's code
        raise PadscopeError(f"the images {source} could not be opened: {brief(error)}") from error
    if not isinstance(images, Images):
        raise PadscopeError(
            f"the source of the images {source} gave {type(images).__name__}, which is not a "
            "padscope.images.Images"
        )
    return images


def open_photos(
    source: str | Path, probe: Probe, limit: int | None = None, seed: int = 0
) -> PhotoFiles:
    """Open photographs as `open_images` does, and nothing else; raises `PadscopeError`."""
    images = open_images(source, probe, limit, seed)
    if not isinstance(images, PhotoFiles):
        raise PadscopeError(f"{source} holds no images")
    return images


def _open_folder(path: Path, framing: Framing, limit: int | None, seed: int) -> Images:
    if is_saved(path):
        return open_dataset(str(path), framing, limit, seed)
    return open_folder(path, framing, limit, seed)


def _find(source: str | Path) -> tuple[Source, str]:
    """Match what was typed to its source, and say what to give it."""
    if ADDRESS.match(str(source)):
        return SOURCES["address"], str(source)
    scheme, _, name = str(source).partition(":")
    if name and scheme and (found := look_up(SOURCES, SOURCES_GROUP, scheme)):
        return found, name
    path = expanded(source)
    suffix = path.suffix.lower()
    if os.path.isdir(path):  # noqa: PTH112 - of a name too long, pathlib raises
        return SOURCES["folder"], str(path)
    if suffix and (found := look_up(SOURCES, SOURCES_GROUP, suffix)):
        return found, str(path)
    return SOURCES["file"], str(path)
