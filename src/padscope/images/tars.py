"""Photographs in tar archives, such as the shards of a WebDataset; nothing is unpacked."""

import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from padscope.errors import PadscopeError, brief
from padscope.images.arrays import ArrayFiles
from padscope.images.files import PhotoFiles
from padscope.images.folders import Container, Folder, is_known
from padscope.images.named import Framing, sample_files
from padscope.paths import MISSING, file_problem, printable

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_SHARDS = 1_000_000
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, Zstandard


@dataclass(frozen=True)
class Member:
    """Where a file lies: in which archive, from which byte on, and how many bytes it has."""

    archive: str
    offset: int
    size: int


@dataclass(frozen=True)
class Tars:
    """The files in some archives; a `Container`.

    Parameters
    ----------
    archives : Container
        What opens the archives.
    members : mapping of str to Member
        By name.
    """

    archives: Container
    members: Mapping[str, Member]

    def open(self, name: str) -> BinaryIO:
        """Read a file out of its archive."""
        member = self.members[name]
        with self.archives.open(member.archive) as archive:
            archive.seek(member.offset)
            content = archive.read(member.size)
        if len(content) < member.size:
            raise ValueError("the archive ends in the middle of it")
        return io.BytesIO(content)


def open_tars(
    pattern: str, framing: Framing, limit: int | None = None, seed: int = 0
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of the photographs in archives on disk.

    Parameters
    ----------
    pattern : str
        The path of one; or of several, as ``shard-{000..011}.tar`` or ``shard-*.tar``.
    framing, limit, seed
        As of `sample_files`.

    Raises
    ------
    PadscopeError
        There is no such archive, one cannot be read, or there is no photograph in them.
    """
    paths = [Path(path) for path in spelled_out(pattern)]
    if has_magic(paths[0].name) and file_problem(paths[0]) == MISSING:
        found = sorted(match for path in paths for match in path.parent.glob(path.name))
        paths = found or paths
    for path in paths:
        if problem := file_problem(path):
            raise PadscopeError(
                f"there is no archive {path}; check the path"
                if problem == MISSING
                else f"the archive {path} {problem}"
            )
    return sample_tars(Folder(Path()), [str(path) for path in paths], framing, limit, seed)


def spelled_out(pattern: str) -> list[str]:
    """Spell out the numbers that braces stand for.

    Examples
    --------
    >>> spelled_out("photos-{08..10}.tar")
    ['photos-08.tar', 'photos-09.tar', 'photos-10.tar']
    """
    found = BRACES.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    if not 0 <= int(last) - int(first) < MOST_SHARDS:
        raise PadscopeError(f"{printable(pattern)}: {found[0]} must ascend, to at most a million")
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [name for number in numbers for name in spelled_out(f"{before}{number}{after}")]


def sample_tars(
    archives: Container, names: Sequence[str], framing: Framing, limit: int | None, seed: int
) -> PhotoFiles | ArrayFiles:
    """Take a random sample of the photographs in archives, wherever these lie.

    Photographs are called as in their archive; where two have the same name, as WebDatasets with
    one numbering a shard do, all are called by their archive too.
    """
    found = [
        (file, Member(name, offset, size))
        for name in names
        for file, (offset, size) in _index(archives, name).items()
    ]
    shards = "1 archive" if len(names) == 1 else f"{len(names)} archives"
    if not found:
        raise PadscopeError(
            f"no photograph in {shards}, {printable(names[0])}; give archives that hold photographs"
        )
    twice = max(Counter(file for file, _ in found).values()) > 1
    members = {
        f"{PurePosixPath(member.archive).name}/{file}" if twice else file: member
        for file, member in found
    }
    where = f"in {printable(PurePosixPath(names[0]).name)}"
    if len(names) > 1:
        where = f"in {shards}, {printable(PurePosixPath(names[0]).name)} …"
    return sample_files(Tars(archives, members), sorted(members), framing, where, limit, seed)


def _index(archives: Container, name: str) -> dict[str, tuple[int, int]]:
    """Find where the photographs lie in an archive; of two of one name the last one counts."""
    try:
        with archives.open(name) as archive, tarfile.open(fileobj=archive, mode="r:") as tar:
            return dict(_photographs(tar))
    # What is no archive makes tarfile raise nearly anything.
    except Exception as error:
        with archives.open(name) as archive:
            packed = archive.read(6).startswith(PACKED)
        advice = "it is compressed; unpack it to a plain .tar" if packed else brief(error)
        if "unexpected end" in str(error):
            advice = "it ends in the middle of a file; fetch it again"
        raise PadscopeError(f"the archive {printable(name)} cannot be read: {advice}") from error


def _photographs(tar: tarfile.TarFile) -> Iterator[tuple[str, tuple[int, int]]]:
    for member in tar:
        name = PurePosixPath(member.name).as_posix()
        # Links and sparse files have no bytes of their own.
        if member.isreg() and not member.issparse() and is_known(name):
            yield name, (member.offset_data, member.size)
