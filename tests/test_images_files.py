"""Photograph sets on disk and built in: what is found, its order, and its fingerprint."""

import errno
import importlib.machinery
import os
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from padscope.errors import PadscopeError
from padscope.images import (
    BuiltinPhotos,
    PhotoFiles,
    Probe,
    UnreadableImage,
    builtin,
    open_images,
    open_photos,
    read_labels,
    stream,
)
from padscope.store.files import dump_json

PROBE = Probe((16, 16), (0.5,) * 3, (0.25,) * 3, channels=3)


def write_photo(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(20):
        write_photo(root / f"class{number // 10}" / f"{number:02}.png", number)
    return root


def names(images: PhotoFiles) -> set[str]:
    return {images.name(index) for index in range(len(images))}


def test_which_files_are_photographs(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name in ("a.JPG", "deep/er/b.jpeg", "c.Png", "d.webp", "ä.tif"):
        write_photo(root / name)
    for name in (".below_autograd.png", ".cache/e.png", "notes.txt", "labels.csv"):
        write_photo(root / name)
    (root / "folder.png").mkdir()
    images = open_photos(root, PROBE)
    assert names(images) == {"a.JPG", "deep/er/b.jpeg", "c.Png", "d.webp", "ä.tif"}
    assert images.tensor(0).shape == (3, 16, 16)


def test_what_cannot_be_read_is_counted_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dangling.png").symlink_to("nowhere")
    (folder / "round.png").symlink_to("round.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone").symlink_to("unmounted")
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if os.fspath(path).endswith("class1"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    images = open_photos(folder, PROBE)
    assert images.describe() == (
        "13 photographs in photos/; 2 folders could not be opened: gone, no such file or directory"
    )
    images.fingerprint()
    (batch,) = stream(images, [0], 13)
    reasons = {skip.name: skip.reason for skip in batch.skipped}
    assert reasons.pop("round.png").startswith("too many levels of symbolic links")
    assert reasons == {
        "dangling.png": "no such file or directory",
        "pipe.png": "not a regular file",
    }


def test_a_folder_that_cannot_be_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PadscopeError, match=r"1 folder could not be opened: \., permission denied"):
        open_photos(folder, PROBE)


def test_files_of_runs_are_no_photographs(folder: Path) -> None:
    run = folder / "runs" / "x"
    write_photo(run / "figures" / "depth.png")
    whole = dump_json({"schema": 3, "identity": {"model": "x"}})
    for manifest in (whole, whole[:40]):
        (run / "manifest.json").write_bytes(manifest)
        assert len(open_photos(folder, PROBE)) == 20
    with pytest.raises(PadscopeError, match="no photograph or array in"):
        open_photos(run, PROBE)
    assert len(open_photos(run / "figures", PROBE)) == 1
    images = open_photos(folder, PROBE)
    names = [images.name(index) for index in range(20)]
    assert set(read_labels("folders", names, 2, root=folder).classes) == {0, 1}
    (run / "manifest.json").write_text('{"name": "a web page", "icons": []}')
    assert len(open_photos(folder, PROBE)) == 21


@pytest.mark.parametrize("name", [b"\xff.png", b"\xffs/\xfe.png", "\ue000\u2028.png".encode()])
def test_names_of_any_bytes(tmp_path: Path, name: bytes) -> None:
    root = tmp_path / os.fsdecode(b"photos \xff")
    path = root / os.fsdecode(name)
    write_photo(path)
    for images in (open_photos(root, PROBE), open_photos(path, PROBE)):
        assert images.tensor(0).shape == (3, 16, 16)
        (images.name(0) + images.describe() + images.fingerprint()).encode()
    path.write_bytes(b"")
    with pytest.raises(UnreadableImage) as caught:
        images.tensor(0)
    str(caught.value).encode()


LONG = "x" * 300


def test_names_that_no_file_can_have(folder: Path, tmp_path: Path) -> None:
    for source in (LONG, LONG + ".png", f"{LONG}/a.png", "a" * 5000, LONG + ".txt"):
        with pytest.raises(PadscopeError, match=r"ile name too long"):
            open_images(tmp_path / source, PROBE)
    for source in ("~nobody-of-this-name/photos", "a\0b"):
        with pytest.raises(PadscopeError, match=r"there is no image|null"):
            open_images(source, PROBE)
    with pytest.raises(PadscopeError, match="cannot read the labels"):
        read_labels("~nobody-of-this-name/labels.csv", ["a.png"], 2)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PadscopeError, match=r"pipe\.png is not a regular file"):
        open_images(tmp_path / "pipe.png", PROBE)


def test_links(folder: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "elsewhere" / "far.png")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "class0" / "up").symlink_to(folder)
    (folder / "twice").symlink_to(tmp_path / "elsewhere")
    found = names(open_photos(folder, PROBE))
    assert len(found) == 21
    assert "linked/far.png" in found


def test_a_limit_is_an_unbiased_nested_sample(folder: Path) -> None:
    ten = open_photos(folder, PROBE, limit=10)
    assert ten.describe() == "10 of 20 photographs in photos/ (seed 0)"
    assert {name.split("/")[0] for name, _ in ten.photos} == {"class0", "class1"}
    five = open_photos(folder, PROBE, limit=5)
    assert five.photos == ten.photos[:5]
    assert open_photos(folder, PROBE, limit=10, seed=1).photos != ten.photos
    everything = open_photos(folder, PROBE, limit=99)
    assert len(everything) == 20
    assert everything.describe() == "20 photographs in photos/"
    assert [everything.group(index) for index in range(20)] == list(range(20))


def test_fingerprint(folder: Path, tmp_path: Path) -> None:
    def fingerprint(probe: Probe = PROBE, limit: int | None = None, seed: int = 0) -> str:
        return open_photos(folder, probe, limit, seed).fingerprint()

    original = fingerprint()
    assert len(original) == 32
    os.utime(folder / "class0" / "00.png", (1, 1))
    assert fingerprint() == original
    folder.rename(tmp_path / "moved")
    (tmp_path / "moved").rename(folder)
    assert fingerprint() == original

    larger = Probe((32, 32), PROBE.mean, PROBE.std, 3)
    reseeded = Probe(PROBE.size, PROBE.mean, PROBE.std, 3, seed=1)
    others = [fingerprint(larger), fingerprint(reseeded), fingerprint(limit=5), fingerprint(seed=1)]
    write_photo(folder / "class0" / "00.png", seed=99)
    others.append(fingerprint())
    (folder / "class0" / "00.png").unlink()
    others.append(fingerprint())
    assert len({original, *others}) == 7


def test_fingerprint_covers_the_ends_of_large_files(folder: Path) -> None:
    large = folder / "large.bmp"
    Image.new("RGB", (200, 200)).save(large)
    before = open_photos(large, PROBE).fingerprint()
    content = bytearray(large.read_bytes())
    content[-1] ^= 1
    large.write_bytes(content)
    assert open_photos(large, PROBE).fingerprint() != before


def test_a_photograph_which_vanishes_is_unreadable(folder: Path) -> None:
    images = open_photos(folder, PROBE)
    before = images.fingerprint()
    (folder / images.name(3)).unlink()
    assert images.fingerprint() != before
    with pytest.raises(UnreadableImage, match="no such file"):
        images.tensor(3)


def test_list(folder: Path) -> None:
    listing = folder / "some.txt"
    lines = ["# chosen", "class0/01.png", "", "  class1/12.png  ", "./class0/01.png"]
    listing.write_text("\n".join(lines), encoding="utf-8-sig")
    images = open_photos(listing, PROBE)
    assert names(images) == {"class0/01.png", "class1/12.png"}
    assert images.describe() == "2 photographs listed in some.txt"
    assert images.tensor(1).shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"class0/00.png\n\nclass0/nine.png\n", r"some\.txt, line 3: there is no file class0/nine"),
        (LONG.encode(), "line 1: x* cannot be read: file name too long"),
        (b"class0/a\0b.png", "line 1: class0/a.* cannot be read: embedded null"),
        (b"class0", "line 1: class0 is a directory, not a file"),
        (b"# nothing\n\n", "lists nothing"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_list_errors(folder: Path, content: bytes, said: str) -> None:
    (folder / "some.txt").write_bytes(content)
    with pytest.raises(PadscopeError, match=said):
        open_photos(folder / "some.txt", PROBE)


def test_open_images(folder: Path, tmp_path: Path) -> None:
    (folder / "some.LST").write_text("class0/01.png\nclass0/02.png")
    assert len(open_images(folder, PROBE, limit=7)) == 7
    assert len(open_images(str(folder / "some.LST"), PROBE)) == 2
    one = open_images(folder / "class0" / "00.png", PROBE)
    assert (len(one), one.name(0), one.describe()) == (1, "00.png", "1 photograph, 00.png")
    assert len(open_images(None, PROBE, crops=3)) == 3


def test_sources_which_are_not_there(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, said in (
        ("empty", "no photograph or array in"),
        ("missing", "there is no image"),
        ("missing.txt", "cannot read the image list .*: No such file"),
        ("missing.png", "there is no image"),
    ):
        with pytest.raises(PadscopeError, match=said):
            open_images(tmp_path / source, PROBE)
    with pytest.raises(PadscopeError, match="at least 1"):
        open_images(folder, PROBE, limit=0)
    with pytest.raises(PadscopeError, match="at least 1"):
        open_images(None, PROBE, crops=0)


def test_builtin_photographs() -> None:
    images = BuiltinPhotos(PROBE, crops=20)
    assert len(images) == 20
    assert [images.group(index) for index in (0, 7, 8, 19)] == [0, 7, 0, 3]
    assert images.name(1) == "coffee, crop 0"
    assert images.name(9) == "coffee, crop 1"
    assert images.describe() == "20 random crops of 8 built-in photographs"
    crops = [images.tensor(index) for index in range(20)]
    assert all(crop.shape == (3, 16, 16) for crop in crops)
    assert not torch.equal(crops[0], crops[8])
    assert images.fingerprint() == BuiltinPhotos(PROBE, crops=20).fingerprint()
    assert images.fingerprint() != BuiltinPhotos(PROBE, crops=21).fingerprint()


def test_builtin_photographs_without_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in (None, importlib.machinery.ModuleSpec("skimage", None, origin="/no/where")):
        monkeypatch.setattr(builtin, "find_spec", lambda package, spec=spec: spec)
        with pytest.raises(PadscopeError, match=r'pip install "padscope\[demo\]"'):
            BuiltinPhotos(PROBE)


# What installed packages add


def open_first(name: str, probe: Any, limit: int | None, seed: int) -> object:
    """A source, as another package would have it: one photograph of a name or path."""
    if name == "text":
        return name
    return open_photos(Path(name).with_suffix(".png"), probe)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"{__name__}:open_first"
    values = {"shelf": own, ".shelf": own, "broken": "no_such_package:a", "none": "math:sqrt"}
    points = [metadata.EntryPoint(*item, group="padscope.images") for item in values.items()]
    for point in points:
        vars(point)["dist"] = SimpleNamespace(name="padscope-shelf")
    found = metadata.EntryPoints(points)
    monkeypatch.setattr(metadata, "entry_points", lambda **which: found.select(**which))


@pytest.mark.parametrize("source", ["shelf:class0/03", "class0/03.shelf", "class0/03.SHELF"])
def test_an_installed_package_adds_a_source(
    installed: None, folder: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(folder)
    assert open_images(source, PROBE).describe() == "1 photograph, 03.png"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("broken:a", "the package padscope-shelf adds 'broken' to padscope.images, and it cannot "
         "be imported (ModuleNotFoundError: No module named 'no_such_package'): fix or uninstall "
         "it"),
        ("none:a", "the images none:a could not be opened: TypeError: math.sqrt() takes exactly "
         "one argument (4 given)"),
        ("shelf:text", "the source of the images shelf:text gave str, which is not a "
         "padscope.images.Images"),
        ("unknown:a", "there is no image unknown:a; check the path"),
    ],
)  # fmt: skip
def test_what_a_source_cannot_give_is_told(installed: None, source: str, message: str) -> None:
    with pytest.raises(PadscopeError) as refused:
        open_images(source, PROBE)
    assert str(refused.value) == message
