"""Files by name: the photographs or arrays of a folder, of a list, or one of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from padscope.errors import PadscopeError
from padscope.images.arrays import ArrayFiles
from padscope.images.files import PhotoFiles
from padscope.images.folders import (
    ARRAYS,
    PHOTOGRAPHS,
    Container,
    Folder,
    ends_in,
    listed,
    look_below,
)
from padscope.images.probe import Probe
from padscope.images.readers import is_zarr
from padscope.images.window import Window
from padscope.paths import MISSING, file_problem, printable

Framing = Probe | Window
"""How what is found becomes an input of the model: a crop of a photograph, or of an array."""


def sample_files(
    container: Container,
    names: Sequence[str],
    framing: Framing,
    where: str,
    limit: int | None = None,
    seed: int = 0,
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of what some files hold: photographs, or else arrays.

    Parameters
    ----------
    container : Container
        What opens the files.
    names : sequence of str
        Of the files, each once, in an order that is the same every time.
    framing : Probe or Window
        How what is found becomes an input. A `Window` takes arrays alone; a `Probe` takes them if
        none of the files is a photograph.
    where : str
        Where they lie, as the end of a description.
    limit : int, optional
        How many images to take; all if not given.
    seed : int
        Of the random choice.

    Raises
    ------
    PadscopeError
        There are photographs alone, and the model takes none; no array can be read; or the limit
        is below 1.
    """
    arrays = [name for name in names if not ends_in(name, PHOTOGRAPHS)]
    if isinstance(framing, Probe):
        photos = [name for name in names if not ends_in(name, ARRAYS)]
        if photos or not arrays:
            return PhotoFiles.sampled(container, photos, framing, where, limit, seed)
        framing = Window(framing.size, framing.mean, framing.std, framing.seed)
    if not arrays:
        raise framing.no_photograph
    return ArrayFiles.sampled(container, arrays, framing, where, limit, seed)


def open_folder(
    root: Path, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of the images in a folder and the folders below it.

    Hidden files and folders are left out, and so are directories of runs, whose figures are
    no photographs. Linked folders are followed, each folder once; folders that cannot be opened
    are counted and named in the description.

    Parameters
    ----------
    root : Path
        The folder; or one of a Zarr array or group.
    framing, limit, seed
        As of `sample_files`.

    Raises
    ------
    PadscopeError
        The folder holds no image, or none that the model takes.
    """
    if is_zarr(root):
        return sample_files(
            Folder(root.parent), [root.name], framing, f"in {printable(root.name)}", limit, seed
        )
    found = look_below(root)
    if not found.files:
        closed = f" ({found.described})" if found.closed else ""
        raise PadscopeError(f"no photograph or array in {root} or below{closed}; {known_endings()}")
    where = f"in {printable(root.resolve().name)}/"
    images = sample_files(Folder(root), sorted(found.files), framing, where, limit, seed)
    if not found.closed:
        return images
    return replace(images, description=f"{images.description}; {found.described}")


def known_endings() -> str:
    """List the endings of files by which images are known."""
    return f"known extensions are {' '.join(sorted(PHOTOGRAPHS))}, of arrays {' '.join(ARRAYS)}"


def open_list(
    path: Path, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of the images which a text file lists.

    It has one path per line, relative to the folder of the list. Blank lines and lines which
    start with ``#`` are ignored; an image listed twice is taken once.

    Parameters
    ----------
    path : Path
        The list, in UTF-8.
    framing, limit, seed
        As of `sample_files`.

    Raises
    ------
    PadscopeError
        The list is missing, is not text, lists no image or one which does not exist.
    """
    names = listed(path)
    if not names:
        raise PadscopeError(f"{path} lists nothing; give one path per line")
    where = f"listed in {printable(path.name)}"
    return sample_files(Folder(path.parent), names, framing, where, limit, seed)


def open_file(
    path: Path, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles | ArrayFiles:
    """Take one photograph, the pages of one file, or the arrays of one file.

    Raises
    ------
    PadscopeError
        There is no such file, or it holds nothing that the model takes.
    """
    if problem := file_problem(path):
        raise PadscopeError(
            f"there is no image {path}; check the path"
            if problem == MISSING
            else f"the image {path} {problem}; give a folder, a list file or one photograph"
        )
    where = f"in {printable(path.name)}"
    # What is called like neither may still be a photograph.
    if isinstance(framing, Window) and not ends_in(path.name, ARRAYS):
        raise framing.no_photograph
    images = sample_files(Folder(path.parent), [path.name], framing, where, limit, seed)
    if isinstance(images, PhotoFiles) and len(images) == 1:
        return replace(images, description=f"1 photograph, {printable(path.name)}")
    return images
