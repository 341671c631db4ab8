"""From what was typed on the command line to images."""

from pathlib import Path

from padscope.images.builtin import PHOTOS, BuiltinPhotos
from padscope.images.files import PhotoFiles
from padscope.images.probe import CentralCrop, Probe

LIST_EXTENSIONS = frozenset((".txt", ".lst"))


def open_images(
    source: str | Path | None,
    probe: Probe,
    limit: int | None = None,
    seed: int = 0,
    crops: int = 256,
) -> PhotoFiles | BuiltinPhotos:
    """Open a set of photographs.

    Parameters
    ----------
    source : str or Path, optional
        A folder, a list of files (``.txt`` or ``.lst``), or one photograph; the built-in
        photographs if not given. A leading ``~`` is the home folder.
    probe : Probe
        How a photograph becomes an input of the model.
    limit : int, optional
        How many photographs to take from a folder or list, at random; all if not given.
    seed : int
        Of the choice which `limit` makes.
    crops : int
        How many crops of the built-in photographs to take; of central ones, one of each.

    Raises
    ------
    PadscopeError
        There is no such source, or it holds no photograph.
    """
    if source is None:
        one_each = isinstance(probe, CentralCrop)  # a second one would be the same image
        return BuiltinPhotos(probe, min(crops, len(PHOTOS)) if one_each else crops)
    path = Path(source).expanduser()
    if path.is_dir():
        return PhotoFiles.from_folder(path, probe, limit, seed)
    if path.suffix.lower() in LIST_EXTENSIONS:
        return PhotoFiles.from_list(path, probe, limit, seed)
    return PhotoFiles.from_file(path, probe)
