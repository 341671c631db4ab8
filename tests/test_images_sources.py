"""The same photographs from a folder, archives, a data set and an address; and what these lack."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import datasets
import fsspec
import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from tests.conftest import Command, write_photo
from torch import nn

from padscope import ScanSettings, explain, load_model, load_study, scan
from padscope.errors import PadscopeError
from padscope.images import Images, PhotoFiles, Probe, Rows, open_images, stream
from padscope.images.folders import HoldsLabels
from padscope.settings import ExplainSettings, ImpactSettings
from padscope.study.impact_images import open_impact_images, with_labels

PROBE = Probe((16, 16), (0.5,) * 3, (0.25,) * 3, channels=3)
COUNT = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("same") / "photos"
    for number in range(COUNT):
        write_photo(root / f"{number:02}.png", number, size=(80, 72))
    return root


def pack(folder: Path, archive: Path, files: slice = slice(None)) -> str:
    with tarfile.open(archive, "w") as tar:
        for file in sorted(folder.iterdir())[files]:
            tar.add(file, f"./{file.name}")
            label = tarfile.TarInfo(f"{file.stem}.cls")
            label.size = 1
            tar.addfile(label, io.BytesIO(b"3"))
    return str(archive)


def one_archive(folder: Path, scratch: Path) -> str:
    return pack(folder, scratch / "photos.tar")


def shards(folder: Path, scratch: Path) -> str:
    for number, files in enumerate((slice(0, 9), slice(9, 17), slice(17, None)), start=8):
        pack(folder, scratch / f"photos-{number:03}.tar", files)
    return str(scratch / "photos-{008..010}.tar")


def matching_shards(folder: Path, scratch: Path) -> str:
    shards(folder, scratch)
    return str(scratch / "photos-*.tar")


def data_set(folder: Path, scratch: Path) -> str:
    rows = [{"bytes": file.read_bytes(), "path": file.name} for file in sorted(folder.iterdir())]
    columns = {"label": list(range(COUNT)), "image": rows[::-1]}
    features = datasets.Features({"label": datasets.Value("int64"), "image": datasets.Image()})
    datasets.Dataset.from_dict(columns, features).save_to_disk(scratch / "saved")
    return str(scratch / "saved")


def split(folder: Path, scratch: Path) -> str:
    data = datasets.load_from_disk(data_set(folder, scratch))
    both = datasets.DatasetDict({"train": data.select(range(2)), "validation": data})
    both.save_to_disk(scratch / "both")
    return f"hf:{scratch / 'both'}:validation"


def memory(folder: Path, scratch: Path) -> str:
    store = fsspec.filesystem("memory")
    for file in folder.iterdir():
        store.pipe(f"/photos/{file.name}", file.read_bytes())
    store.pipe("/photos/notes.txt", b"no photograph")
    return "memory://photos"


def archive_in_memory(folder: Path, scratch: Path) -> str:
    packed = Path(one_archive(folder, scratch)).read_bytes()
    fsspec.filesystem("memory").pipe("/photos.tar", packed)
    return "memory://photos.tar"


Wrap = Callable[[Path, Path], str]
WAYS = [
    one_archive, shards, matching_shards, data_set, split, memory, archive_in_memory,
]  # fmt: skip


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    yield
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("way", WAYS)
def test_however_they_come_they_are_the_same_images(
    folder: Path, tmp_path: Path, way: Wrap
) -> None:
    ours, theirs = open_images(folder, PROBE, 20), open_images(way(folder, tmp_path), PROBE, 20)
    assert ours.fingerprint() == theirs.fingerprint()
    assert [ours.name(i) for i in range(20)] == [theirs.name(i) for i in range(20)]
    assert theirs.describe().startswith(f"20 of {COUNT} photographs in ")
    if way not in (memory, archive_in_memory):  # which another process has not
        theirs = pickle.loads(pickle.dumps(theirs))
    for one, other in zip(stream(ours, range(5), 4), stream(theirs, range(5), 4, 3), strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert not other.skipped


def tables_of(images: str | Path) -> dict[str, pl.DataFrame]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1))
    net.pretrained_cfg = {"input_size": (3, 24, 24)}  # type: ignore[assignment]  # as models of timm have it
    study = scan(net, images, ScanSettings(limit=None, batch_size=8))
    study = explain(study, net, images, ExplainSettings(margin=4, baselines=1, check=0))
    assert study.explanation is not None
    return {
        "filters": study.filters, "sides": study.sides, "sites": study.sites,
        "networks": study.explanation.networks, "usual": study.explanation.usual,
    }  # fmt: skip


@pytest.mark.parametrize("way", [one_archive, data_set, memory])
def test_however_they_come_the_tables_are_equal(
    folder: Path, tmp_path: Path, way: Wrap, folder_tables: dict[str, pl.DataFrame]
) -> None:
    for name, table in tables_of(way(folder, tmp_path)).items():
        assert table.height
        assert table.equals(folder_tables[name]), name


@pytest.fixture(scope="module")
def folder_tables(folder: Path) -> dict[str, pl.DataFrame]:
    return tables_of(folder)


@pytest.mark.parametrize("way", [one_archive, shards, data_set, memory])
def test_one_byte_in_the_middle_of_one_photograph_makes_another_set(
    folder: Path, tmp_path: Path, way: Wrap
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in folder.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    middle = changed / f"{COUNT // 2}.png"
    content = bytearray(middle.read_bytes())
    content[len(content) // 2] ^= 1
    middle.write_bytes(content)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    before = open_images(way(folder, ours), PROBE).fingerprint()
    assert open_images(way(changed, theirs), PROBE).fingerprint() != before


def test_the_decoder_is_part_of_the_run(padscope: Command, workdir: Path) -> None:
    pack(workdir / "photos", workdir / "photos.tar")
    assert padscope("scan", "mynets:tiny", "--images", "photos.tar", "-o", "run").status == 0
    versions = load_study(workdir / "run").identity["versions"]
    assert versions["pillow"] == metadata.version("pillow")
    assert "libjpeg_turbo" in versions


def test_shards_that_number_alike_are_told_apart(folder: Path, tmp_path: Path) -> None:
    for number in range(2):
        pack(folder, tmp_path / f"{number}.tar")
    images = open_images(tmp_path / "{0..1}.tar", PROBE)
    assert len(images) == 2 * COUNT
    assert {images.name(i).split("/")[0] for i in range(len(images))} == {"0.tar", "1.tar"}


def test_every_page_of_a_tiff_is_a_photograph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pages = [Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)) for _ in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "one.tif")
    images = open_images(tmp_path, PROBE)
    assert isinstance(images, PhotoFiles)
    found = {images.name(i): i for i in range(len(images))}
    assert sorted(found) == ["one.tif", *(f"stack.tif, page {n}" for n in (1, 2, 3))]
    for number, page in enumerate(pages, start=1):
        decoded = images.photo(found[f"stack.tif, page {number}"])
        assert np.array_equal(np.asarray(decoded), np.asarray(page))
    assert len({images.group(found[f"stack.tif, page {n}"]) for n in (1, 2, 3)}) == 1
    assert images.group(found["one.tif"]) != images.group(found["stack.tif, page 1"])
    assert len(open_images(tmp_path / "stack.tif", PROBE, limit=2)) == 2


def test_overviews_are_no_pages(tmp_path: Path) -> None:
    large, small = Image.new("L", (64, 64), 9), Image.new("L", (32, 32), 9)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    large.save(tmp_path / "map.tif", save_all=True, append_images=[small])
    images = open_images(tmp_path / "map.tif", PROBE)
    assert [images.name(i) for i in range(len(images))] == ["map.tif"]


def refused(source: str | Path) -> str:
    with pytest.raises(PadscopeError) as error:
        open_images(source, PROBE)
    (line,) = str(error.value).splitlines()
    return line


def test_archives_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(folder / "00.png")
    assert "it is compressed; unpack it to a plain .tar" in refused(packed)
    (tmp_path / "none.tar").write_bytes(b"no archive at all" * 99)
    assert "none.tar cannot be read: ReadError" in refused(tmp_path / "none.tar")
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("readme.txt"))
        linked = tarfile.TarInfo("link.png")
        linked.type, linked.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(linked)
    assert "no photograph in 1 archive" in refused(tmp_path / "empty.tar")
    assert "there is no archive" in refused(tmp_path / "absent-*.tar")
    assert "must ascend" in refused(tmp_path / "photos-{9..1}.tar")


def test_a_torn_archive(folder: Path, tmp_path: Path) -> None:
    whole = Path(one_archive(folder, tmp_path)).read_bytes()
    torn, middle = tmp_path / "torn.tar", whole.index(b"./05.png") + 512 + 100
    torn.write_bytes(whole[:middle])
    assert refused(torn).endswith("cannot be read: it ends in the middle of a file; fetch it again")
    torn.write_bytes(whole)
    images = open_images(torn, PROBE)
    torn.write_bytes(whole[:middle])  # while it is in use
    (batch,) = stream(images, [0], 99)
    assert len(batch.indices) == 5
    assert {skip.reason for skip in batch.skipped} == {"the archive ends in the middle of it"}


def test_data_sets_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    data.save_to_disk(tmp_path / "text")
    assert "holds no column of images; it has text, label" in refused(tmp_path / "text")
    assert "has no splits; leave out 'test'" in refused(f"hf:{tmp_path / 'text'}:test")
    where = split(folder, tmp_path).removesuffix(":validation")
    assert "has the splits train, validation; give one, as " in refused(where)
    assert "no split 'validatoin'; did you mean validation?" in refused(f"{where}:validatoin")
    (tmp_path / "text" / "state.json").write_text("{")
    assert "text cannot be loaded: JSONDecodeError" in refused(tmp_path / "text")


@pytest.mark.parametrize("known", [(), ("tench", "goldfish")])
def test_a_column_of_a_data_set_holds_the_classes(tmp_path: Path, known: tuple[str, ...]) -> None:
    photo = tmp_path / "a.png"
    write_photo(photo, 0)
    kinds = datasets.ClassLabel(names=["Goldfish", "Tench"])
    features = datasets.Features({"image": datasets.Image(), "label": kinds})
    rows = [{"bytes": photo.read_bytes(), "path": f"{number}.png"} for number in (2, 1, 0)]
    data = datasets.Dataset.from_dict({"image": rows, "label": [0, 1, -1]}, features)
    data.save_to_disk(tmp_path / "saved")
    images = open_images(tmp_path / "saved", PROBE)
    assert isinstance(images, PhotoFiles)
    assert isinstance(images.container, Rows)
    found = images.container.labels("label", ["0.png", "1.png", "2.png"], known)
    assert found == (
        {"0.png": None, "1.png": "Tench", "2.png": "Goldfish"}
        if known
        else {"0.png": -1, "1.png": 1, "2.png": 0}
    )
    assert images.container.labels("no such column", [], known) is None


def web_dataset(archive: Path, **beside: Sequence[str | None]) -> None:
    """Write photographs, and files of these endings beside all but those that are None."""
    with tarfile.open(archive, "w") as tar:
        for number in range(4):
            photo = archive.with_name(f"{number}.png")
            write_photo(photo, number)
            tar.add(photo, f"some/{number}.left.png")
            for ending, texts in beside.items():
                if (text := texts[number]) is not None:
                    entry = tarfile.TarInfo(f"some/{number}.{ending}")
                    entry.size = len(text.encode())
                    tar.addfile(entry, io.BytesIO(text.encode()))


def labels_of(source: str | Path, column: str) -> object:
    images = open_images(source, PROBE)
    assert isinstance(images, PhotoFiles)
    assert isinstance(images.container, HoldsLabels)
    names = [images.name(index) for index in range(len(images))]
    return images.container.labels(column, names, ())


def test_files_beside_the_images_of_archives_hold_their_classes(tmp_path: Path) -> None:
    web_dataset(
        tmp_path / "a.tar", cls=["3", " 1\n", None, "0"], txt=["cat", "dog", "cat", "cat"],
        json=['{"label": 2}', '{"label": "x"}', '{"label": null, "cls": 9}', '{"cls": 1, "w": 8}'],
    )  # fmt: skip
    found = {
        column: {Path(name).name[0]: label for name, label in labels.items()}
        for column in ("cls", "txt", "json")
        if isinstance(labels := labels_of(tmp_path / "a.tar", column), dict)
    }
    assert found == {
        "cls": {"0": "3", "1": "1", "3": "0"},
        "txt": {"0": "cat", "1": "dog", "2": "cat", "3": "cat"},
        "json": {"0": 2, "1": "x", "2": None, "3": 1},
    }
    assert labels_of(tmp_path / "a.tar", "labels.csv") is None


def test_classes_of_shards_that_number_alike_are_told_apart(tmp_path: Path) -> None:
    web_dataset(tmp_path / "0.tar", cls=["0"] * 4)
    web_dataset(tmp_path / "1.tar", cls=["1"] * 4)
    found = labels_of(tmp_path / "{0..1}.tar", "cls")
    assert isinstance(found, dict)
    assert {name: label == name[0] for name, label in found.items()} == dict.fromkeys(found, True)
    assert len(found) == 8


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("cls", None, "the archives hold no .cls beside the images, but .txt"),
        ("cls", "1\n2", ".left.png, .cls gives no class (it has several lines); give a CSV"),
        ("cls", "1" * 70_000, "gives no class (it is larger than 65.5 KB)"),
        ("json", "{", ".json gives no class ("),
        ("json", "[1]", "it has no entry class_index, label, class, target or cls of one value"),
        ("json", '{"label": [1]}', "of one value"),
        ("json", "[" * 60_000, ".json gives no class ("),
        ("json", "7", ".json gives no class ("),
    ],
)
def test_what_tells_no_class_is_named(
    tmp_path: Path, column: str, text: str | None, words: str
) -> None:
    web_dataset(tmp_path / "a.tar", txt=["a picture"] * 4, **{column: [text] * 4})
    with pytest.raises(PadscopeError) as error:
        labels_of(tmp_path / "a.tar", column)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_classes_of_an_archive_are_those_of_a_table(workdir: Path) -> None:
    files = sorted((workdir / "photos").glob("*.png"))
    with tarfile.open(workdir / "a.tar", "w") as tar:
        for number, file in enumerate(files):
            tar.add(file, file.name)
            entry = tarfile.TarInfo(f"{file.stem}.cls")
            entry.size = 1
            tar.addfile(entry, io.BytesIO(str(number % 2).encode()))
    (workdir / "labels.csv").write_text(
        "file,class_index\n"
        + "".join(f"{file.name},{number % 2}\n" for number, file in enumerate(files))
    )
    loaded = load_model("mynets:tiny")
    tested = open_impact_images("a.tar", loaded, (24, 24), ImpactSettings(limit=20), 1)
    one, other = (with_labels(tested, spec, loaded, 8).labels for spec in ("cls", "labels.csv"))
    assert one is not None
    assert other is not None
    assert one.classes == other.classes
    assert set(one.classes) == {0, 1}
    with pytest.raises(PadscopeError, match=r"no \.json beside the images, but \.cls"):
        with_labels(tested, "json", loaded, 8)


def test_addresses_that_cannot_be_used() -> None:
    assert refused("memory://nothing") == (
        "there is nothing at memory://nothing; check the address"
    )
    assert "nowhere://photos cannot be opened: ValueError: Protocol not known" in refused(
        "nowhere://photos"
    )
    fsspec.filesystem("memory").pipe("/texts/a.txt", b"")
    assert "no photograph or array in memory://texts or below" in refused("memory://texts")


def test_a_source_fits_the_protocol(folder: Path, tmp_path: Path) -> None:
    for way in WAYS:
        scratch = tmp_path / way.__name__
        scratch.mkdir()
        assert isinstance(open_images(way(folder, scratch), PROBE), Images)
