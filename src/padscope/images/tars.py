"""Photographs in tar archives, such as the shards of a WebDataset; nothing is unpacked."""

import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from padscope.counts import plural, told_bytes
from padscope.errors import PadscopeError, brief
from padscope.images.arrays import ArrayFiles
from padscope.images.files import PhotoFiles
from padscope.images.folders import Container, Folder, is_known
from padscope.images.label_table import CLASS_COLUMNS
from padscope.images.named import Framing, sample_files
from padscope.paths import MISSING, file_problem, printable

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_SHARDS = 1_000_000
LABELS = ("cls", "txt", "json")  # what a file of the same key may tell the class in
MOST_BYTES = 1 << 16  # of such a file
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
    beside : mapping of str to mapping of str to Member
        By name, what may tell the class, by one of `LABELS`.
    """

    archives: Container
    members: Mapping[str, Member]
    beside: Mapping[str, Mapping[str, Member]]

    def open(self, name: str) -> BinaryIO:
        """Read a file out of its archive."""
        return io.BytesIO(self._read(self.members[name]))

    def labels(
        self,
        column: str,
        names: Sequence[str],
        known: Collection[str],  # noqa: ARG002 - of the protocol
    ) -> dict[str, str | int | None] | None:
        """Give the classes of images by their names; see `HoldsLabels`.

        As in a WebDataset, they stand in files beside the images: ``7.cls`` and ``7.txt`` hold the
        class of ``7.jpg``, and ``7.json`` has it as an entry, called as in a table of labels.

        Raises
        ------
        PadscopeError
            No image has such a file, or one holds something else.
        """
        if column not in LABELS:
            return None
        found = {name: self.beside[name] for name in names if name in self.beside}
        if not any(column in files for files in found.values()):
            there = sorted({f".{end}" for files in found.values() for end in files})
            raise PadscopeError(
                f"the archives hold no .{column} beside the images, "
                + (f"but {' and '.join(there)}" if there else "nor anything else with a class")
            )
        return {
            name: _class_in(f"{name}, .{column}", self._read(files[column]))
            for name, files in found.items()
            if column in files
        }

    def _read(self, member: Member) -> bytes:
        with self.archives.open(member.archive) as archive:
            archive.seek(member.offset)
            content = archive.read(member.size)
        if len(content) < member.size:
            raise ValueError("the archive ends in the middle of it")
        return content


def _class_in(name: str, content: bytes) -> str | int | None:
    """Read what tells a class: a line of text, or an entry of a JSON object."""
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is larger than {told_bytes(MOST_BYTES)}")
        found = content.decode().strip()
        if name.endswith(".json"):
            held = json.loads(found)
            entries = [held[key] for key in (*CLASS_COLUMNS, "cls") if key in held]
            if not entries or not isinstance(entries[0], str | int | None):
                raise ValueError(f"it has no entry {', '.join(CLASS_COLUMNS)} or cls of one value")
            return entries[0]
        if len(found.splitlines()) > 1:
            raise ValueError("it has several lines")
    except (ValueError, TypeError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else brief(error)
        raise PadscopeError(
            f"{printable(name)} gives no class ({reason}); give a CSV of labels"
        ) from error
    return found


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
    indices = {name: _index(archives, name) for name in names}
    found = [
        (file, member)
        for index in indices.values()
        for file, member in index.items()
        if is_known(file)
    ]
    shards = plural(len(names), "archive")
    if not found:
        raise PadscopeError(
            f"no photograph in {shards}, {printable(names[0])}; give archives that hold photographs"
        )
    twice = max(Counter(file for file, _ in found).values()) > 1
    beside: dict[tuple[str, str], dict[str, Member]] = {}
    for archive, index in indices.items():
        for file, member in index.items():
            if (ending := PurePosixPath(file).suffix.removeprefix(".")) in LABELS:
                beside.setdefault((archive, _key(file)), {})[ending] = member
    members, told = {}, {}
    for file, member in found:
        name = f"{PurePosixPath(member.archive).name}/{file}" if twice else file
        members[name] = member
        if files := beside.get((member.archive, _key(file))):
            told[name] = files
    where = f"in {printable(PurePosixPath(names[0]).name)}"
    if len(names) > 1:
        where = f"in {shards}, {printable(PurePosixPath(names[0]).name)} …"
    return sample_files(Tars(archives, members, told), sorted(members), framing, where, limit, seed)


def _key(file: str) -> str:
    """Tell what the files of one sample have in common.

    Examples
    --------
    >>> _key("train/7.left.jpg")
    'train/7'
    """
    folder, slash, base = file.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _index(archives: Container, name: str) -> dict[str, Member]:
    """Find where images and labels lie in an archive; of two of one name the last one counts."""
    try:
        with archives.open(name) as archive, tarfile.open(fileobj=archive, mode="r:") as tar:
            return {file: Member(name, offset, size) for file, offset, size in _files(tar)}
    # What is no archive makes tarfile raise nearly anything.
    except Exception as error:
        with archives.open(name) as archive:
            packed = archive.read(6).startswith(PACKED)
        advice = "it is compressed; unpack it to a plain .tar" if packed else brief(error)
        if "unexpected end" in str(error):
            advice = "it ends in the middle of a file; fetch it again"
        raise PadscopeError(f"the archive {printable(name)} cannot be read: {advice}") from error


def _files(tar: tarfile.TarFile) -> Iterator[tuple[str, int, int]]:
    for member in tar:
        name = PurePosixPath(member.name).as_posix()
        wanted = is_known(name) or PurePosixPath(name).suffix.removeprefix(".") in LABELS
        # Links and sparse files have no bytes of their own.
        if wanted and member.isreg() and not member.issparse():
            yield name, member.offset_data, member.size
