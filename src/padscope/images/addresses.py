"""Photographs behind an address that fsspec knows: s3://, gs://, memory://, …."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from padscope.errors import PadscopeError, brief
from padscope.images.arrays import ArrayFiles
from padscope.images.files import PhotoFiles
from padscope.images.folders import is_known
from padscope.images.named import Framing, known_endings, sample_files
from padscope.images.tars import sample_tars, spelled_out
from padscope.paths import printable

FSSPEC = 'addresses need fsspec: run pip install "padscope[remote]"'


@dataclass(frozen=True)
class Remote:
    """Files of a file system of fsspec's; a `Container`.

    Parameters
    ----------
    system : fsspec.AbstractFileSystem
    root : str
        What goes before every name, up to a slash; or nothing.
    """

    system: Any
    root: str = ""

    def open(self, name: str) -> BinaryIO:
        """Open a file."""
        try:
            opened: BinaryIO = self.system.open(f"{self.root}{name}", "rb")
        except OSError:
            raise
        except Exception as error:  # every file system has errors of its own
            raise OSError(brief(error)) from error
        return opened


def open_address(
    address: str, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of the photographs behind an address.

    Parameters
    ----------
    address : str
        Of a folder, of an archive (``.tar``, also ``{000..011}``), or of one photograph.
    framing, limit, seed
        As of `sample_files`.

    Raises
    ------
    PadscopeError
        What the address needs is not installed, it cannot be opened, or there is no photograph.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise PadscopeError(FSSPEC) from error
    first, *others = spelled_out(address)
    try:
        system, path = url_to_fs(first)
        paths = [path, *(url_to_fs(other)[1] for other in others)]
        below = system.find(path) if not others and system.isdir(path) else None
        missing = [] if below else [path for path in paths if not system.isfile(path)]
    except ImportError as error:  # s3fs for s3://, say, which the message names
        raise PadscopeError(f"{address} cannot be opened: {error}") from error
    except Exception as error:
        raise PadscopeError(f"{address} cannot be opened: {brief(error)}") from error
    name = printable(PurePosixPath(path).name)
    if below is not None:
        root = path.rstrip("/") + "/"
        names = sorted(file.removeprefix(root) for file in below)
        names = [name for name in names if is_known(name)]
        if not names:
            raise PadscopeError(f"no photograph or array in {address} or below; {known_endings()}")
        return sample_files(Remote(system, root), names, framing, f"in {name}/", limit, seed)
    if missing:
        raise PadscopeError(f"there is nothing at {address}; check the address")
    if PurePosixPath(path).suffix.lower() == ".tar":
        return sample_tars(Remote(system), paths, framing, limit, seed)
    parent = path[: len(path) - len(PurePosixPath(path).name)]
    names = [PurePosixPath(path).name]
    return sample_files(Remote(system, parent), names, framing, f"at {address}", limit, seed)
