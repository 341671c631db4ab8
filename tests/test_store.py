"""A study and its directory: what is written comes back, and what is damaged is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.conftest import contents, write_photo
from torch import Tensor, nn
from torch.nn.utils import parametrize

from padscope import PadscopeError, RunDirectory, ScanSettings, Study, load_study, scan
from padscope.images import Probe, open_photos
from padscope.running import Spans
from padscope.store import write_atomically
from padscope.study import SCAN, Kept
from padscope.tallies import Tally

TABLES = ("sites", "filters", "sides")
SETTINGS = ScanSettings(batch_size=8)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A study with a skipped image, and its directory."""
    folder = tmp_path_factory.mktemp("store")
    for number in range(20):
        write_photo(folder / "photos" / f"{number:02} ü.png", number)
    (folder / "photos" / "05 ü.png").write_bytes(b"no photograph")
    photos = open_photos(folder / "photos", Probe((16, 16), (0.5,) * 3, (0.2,) * 3, 3))
    journal = RunDirectory(folder / "run")
    study = scan(net(), photos, SETTINGS, journal=journal)
    journal.save(study)
    return study, folder / "run"


@pytest.fixture
def run(made: tuple[Study, Path], tmp_path: Path) -> Path:
    """A copy of the directory, to be damaged."""
    return Path(shutil.copytree(made[1], tmp_path / "run"))


def test_what_is_saved_comes_back(made: tuple[Study, Path]) -> None:
    study, path = made
    loaded = load_study(path)
    assert loaded.identity == json.loads(json.dumps(study.identity))
    assert (loaded.model, loaded.images) == (study.model, study.images)
    for table in TABLES:
        ours, theirs = getattr(loaded, table), getattr(study, table)
        assert ours.schema == theirs.schema
        assert ours.equals(theirs)
    assert loaded.counted.complete
    assert [skip.name for skip in loaded.counted.skipped] == ["05 ü.png"]
    for name in ("done", "images", "skipped", "complete"):
        assert getattr(loaded.counted, name) == getattr(study.counted, name)
    assert list(loaded.counted.tallies) == list(study.counted.tallies)
    for key, tally in study.counted.tallies.items():
        found = loaded.counted.tallies[key]
        assert found.fine.dtype == tally.fine.dtype == torch.int16
        assert torch.equal(found.fine, tally.fine)
        assert torch.equal(found.folds, tally.folds)
    for site, bins in study.counted.bins.items():
        assert torch.equal(loaded.counted.bins[site].centre, bins.centre)
        assert torch.equal(loaded.counted.bins[site].spread, bins.spread)
        assert torch.equal(loaded.counted.mean_map(site), study.counted.mean_map(site))
    assert len(loaded.portraits) == len(study.portraits) == 7
    for one, other in zip(loaded.portraits, study.portraits, strict=True):
        assert (one.site, one.filter) == (other.site, other.filter)
        assert np.array_equal(one.kernel, other.kernel)
        assert np.array_equal(one.mean_map, other.mean_map)
    assert loaded.summary().equals(study.summary())
    assert loaded.undecided() == study.undecided()


def test_a_study_saved_twice_or_loaded_and_saved_is_byte_identical(
    made: tuple[Study, Path], tmp_path: Path
) -> None:
    study, path = made
    for number, what in enumerate((study, load_study(path))):
        journal = RunDirectory(tmp_path / str(number))
        journal.begin(SCAN, what.identity)
        journal.keep(Kept({SCAN: what.counted}))
        journal.save(what)
        assert contents(tmp_path / str(number)) == contents(path)


def test_large_counts_survive(made: tuple[Study, Path], tmp_path: Path) -> None:
    study, _ = made
    key = "0", "padded/near"
    tally = study.counted.tallies[key]
    for most in (255, 256, 2**15 - 1, 2**15, 2**31 - 1, 10**12):
        fine = tally.fine.long()
        fine[0, 0, 0] = most
        tallies = study.counted.tallies | {key: Tally(fine, tally.folds)}
        counted = replace(study.counted, done=Spans.of([0]), tallies=tallies)
        journal = RunDirectory(tmp_path / str(most))
        journal.begin(SCAN, study.identity)
        journal.keep(Kept({SCAN: counted}))
        found = RunDirectory(tmp_path / str(most)).begin(SCAN, study.identity)
        assert torch.equal(found.parts[SCAN].tallies[key].fine.long(), fine)


def test_no_file_is_a_pickle(made: tuple[Study, Path]) -> None:
    files = contents(made[1])
    assert len(files) == 6
    for name, content in files.items():
        match Path(name).suffix:
            case ".json":
                assert content.startswith(b"{")
                json.loads(content)
            case ".parquet":
                assert content.startswith(b"PAR1")
            case ".safetensors":
                header = int.from_bytes(content[:8], "little")
                json.loads(content[8 : 8 + header])
            case other:
                pytest.fail(f"{name}: what is {other}?")


class Recurrent(nn.Module):
    """One convolution that runs three times."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.cell(x).relu()
        return x


class SameWeight(nn.Module):
    """A parametrisation that takes another layer's weight."""

    def __init__(self, owner: nn.Module) -> None:
        super().__init__()
        self.owner = [owner]

    def forward(self, _: Tensor) -> Tensor:
        weight = self.owner[0].weight
        assert isinstance(weight, Tensor)
        return weight


def twice() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))


def tied() -> nn.Module:
    module = twice()
    module[2].weight = module[0].weight
    return module


def parametrised() -> nn.Module:
    module = twice()
    parametrize.register_parametrization(module[2], "weight", SameWeight(module[0]))
    return module


def with_weights(one: Tensor, other: Tensor) -> nn.Module:
    module = twice()
    module[0].weight, module[2].weight = nn.Parameter(one), nn.Parameter(other)
    return module


def overlapping() -> nn.Module:
    memory = torch.randn(3, 3, 3, 6)
    return with_weights(memory[..., :3], memory[..., 2:5])


def interleaved() -> nn.Module:
    memory = torch.randn(3, 3, 3, 6)
    return with_weights(memory[..., ::2], memory[..., 1::2])


def expanded() -> nn.Module:
    return with_weights(
        torch.randn(1, 3, 3, 3).expand(3, 3, 3, 3), torch.randn(3, 3, 3, 1).expand(3, 3, 3, 3)
    )


@pytest.mark.parametrize(
    "build", [Recurrent, tied, parametrised, overlapping, interleaved, expanded]
)
def test_kernels_that_share_memory_are_saved(
    build: Callable[[], nn.Module], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = build()
    journal = RunDirectory(tmp_path / "run")
    study = scan(module, torch.rand(16, 3, 12, 12), SETTINGS, journal=journal)
    journal.save(study)
    found = load_study(tmp_path / "run")
    assert len(found.portraits) == study.filters.height
    for one, other in zip(study.portraits, found.portraits, strict=True):
        assert np.array_equal(one.kernel, other.kernel)


def test_a_portrait_outlives_the_training_of_its_model() -> None:
    module = net()
    portrait = scan(module, torch.rand(16, 3, 12, 12), SETTINGS).portraits[0]
    before = portrait.kernel.copy()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert np.array_equal(portrait.kernel, before)


# --------------------------------------------------------------------------------- damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def scramble(file: Path) -> None:
    file.write_bytes(os.urandom(500))


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def missing(file: Path) -> None:
    file.unlink()


DAMAGES: list[Callable[[Path], None]] = [cut, empty, scramble, make_folder, missing]
FILES = ["manifest.json", "tallies.safetensors", "maps.safetensors"]
FILES += [f"{table}.parquet" for table in TABLES]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_in_one_sentence(
    run: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(run / name)
    with pytest.raises(PadscopeError) as refusal:
        load_study(run)
    assert str(run) in str(refusal.value)
    assert name in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["manifest.json", "tallies.safetensors"])
@pytest.mark.parametrize("damage", [cut, empty, scramble, make_folder])
def test_a_run_with_damaged_counts_is_not_resumed(
    made: tuple[Study, Path], run: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(run / name)
    with pytest.raises(PadscopeError, match=name):
        RunDirectory(run).begin(SCAN, made[0].identity)


@pytest.mark.parametrize("key", ["identity", "model", "images", "counted", "skipped", "portraits"])
def test_a_manifest_that_lacks_something_is_refused(run: Path, key: str) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest[key]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PadscopeError, match=rf"manifest.json is damaged \(it lacks {key}\)"):
        load_study(run)


@pytest.mark.parametrize("content", ["[]", "5", "null", '{"schema": 6}', "{}"])
def test_some_other_json_is_no_manifest(run: Path, content: str) -> None:
    (run / "manifest.json").write_text(content)
    with pytest.raises(PadscopeError, match=r"manifest.json is damaged"):
        load_study(run)


def test_a_table_at_which_polars_panics_is_damaged(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("assertion failed")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(PadscopeError, match=r"\.parquet is damaged \(assertion failed\)"):
        load_study(run)


@pytest.mark.parametrize("name", ["tallies.safetensors", "maps.safetensors"])
def test_missing_tensors_are_noticed(run: Path, name: str) -> None:
    tensors = load_file(run / name)
    tensors.pop(min(tensors))
    with safe_open(run / name, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, run / name, metadata)
    with pytest.raises(PadscopeError, match=f"{name} is damaged"):
        load_study(run)


def test_other_safetensors_are_no_counts(run: Path) -> None:
    save_file({"a": torch.zeros(1)}, run / "tallies.safetensors")
    with pytest.raises(PadscopeError, match=r"tallies\.safetensors is damaged"):
        load_study(run)


def test_an_unfinished_run_is_refused(made: tuple[Study, Path], tmp_path: Path) -> None:
    journal = RunDirectory(tmp_path / "run")
    assert journal.begin(SCAN, made[0].identity) == Kept()
    with pytest.raises(PadscopeError, match=r"run is not finished|is not finished; run the same"):
        load_study(tmp_path / "run")
    journal.keep(Kept({SCAN: made[0].counted}))
    with pytest.raises(PadscopeError, match="is not finished; run the same scan again"):
        load_study(tmp_path / "run")


def test_another_schema_is_refused(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"schema": 99}))
    with pytest.raises(PadscopeError, match="written with schema 99, this version reads 6"):
        load_study(run)


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(PadscopeError, match=r"is not a padscope run: it has no manifest\.json"):
            load_study(path)


# --------------------------------------------------------------------------------- writing


def no_space(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    file = tmp_path / "manifest.json"
    write_atomically(file, b"old")
    owner = os if failing == "fsync" else Path
    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, no_space)
        with pytest.raises(PadscopeError, match=r"cannot write .*: No space left on device;"):
            write_atomically(file, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert file.read_bytes() == b"old"
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_disk_that_is_full_while_saving_is_one_sentence_and_the_run_can_go_on(
    made: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, path = made
    journal = RunDirectory(tmp_path / "run")
    journal.begin(SCAN, study.identity)
    journal.keep(Kept({SCAN: study.counted}))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(PadscopeError, match=r"cannot write .*sites\.parquet"):
            journal.save(study)
    with pytest.raises(PadscopeError, match="not finished"):
        load_study(tmp_path / "run")
    assert SCAN in RunDirectory(tmp_path / "run").begin(SCAN, study.identity).parts
    journal.save(study)
    assert contents(tmp_path / "run") == contents(path)


def test_what_differs_is_named(made: tuple[Study, Path], run: Path) -> None:
    identity = made[0].identity
    settings = identity["settings"] | {"seed": 4, "limit": None}
    for other, named in (
        ({"model": "x"}, "model"),
        ({"weights": "x", "images": "y"}, "weights, images"),
        ({"settings": settings}, r"limit \(1000, now None\), seed \(0, now 4\)"),
        ({"versions": identity["versions"] | {"torch": "3.0"}}, r"torch \(.*, now 3\.0\)"),
    ):
        with pytest.raises(PadscopeError, match=f"is a run with other {named}; choose another"):
            RunDirectory(run).begin(SCAN, identity | other)


def test_counts_are_written_when_it_is_time(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path, every=0).due()
    assert not RunDirectory(tmp_path, every=1000).due()


def test_paths_may_be_text(made: tuple[Study, Path]) -> None:
    assert load_study(str(made[1])).counted.images == 19
    assert RunDirectory(str(made[1])).begin(SCAN, made[0].identity).parts  # type: ignore[arg-type]  # text is taken too
