"""However explaining is stopped, the same call ends in the same bytes; and its files, read back."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.conftest import contents
from torch import Tensor, nn

from padscope import (
    PadscopeError,
    RunDirectory,
    ScanSettings,
    Study,
    explain,
    load_study,
    scan,
)
from padscope.errors import Interrupted
from padscope.images import central
from padscope.settings import ExplainSettings
from padscope.store.files import write_atomically
from padscope.study import SCAN, Kept

COUNT, SIZE, MARGIN = 22, 16, 8
# Three networks of six units each; the bins are final after two.
SETTINGS = ExplainSettings(
    margin=MARGIN, batch_size=8, calibrate=8, baselines=1, check=4, resamples=4
)
UNITS, NETWORKS, KEPT_UNITS = 6, 3, 2
NEW = {"contrasts.safetensors", "inherited.parquet", "networks.parquet", "usual.parquet"}


class Killed(BaseException):
    """Stands for the end of the process."""


class Net(nn.Sequential):
    """Counts its forward passes."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1),
            nn.Conv2d(3, 3, 3, padding=1),
        )  # fmt: skip
        self.counter: Counter[str] = Counter()  # an attribute as such is put back after a run

    def forward(self, x: Tensor) -> Tensor:
        self.counter["passes"] += 1
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch has no type for it
        return out

    @property
    def passes(self) -> int:
        return self.counter["passes"]


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def canvases() -> Tensor:
    pixels = SIZE + 2 * MARGIN
    return torch.rand(COUNT, 1, pixels, pixels, generator=torch.Generator().manual_seed(1))


def after(calls: int) -> Callable[[], bool]:
    """Say yes when asked for that time."""
    left = iter(range(calls - 1))
    return lambda: next(left, None) is None


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_all() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Give a finished scan, and its directory."""
    path = tmp_path_factory.mktemp("scanned")
    study = scan(
        net(), central(canvases(), (SIZE, SIZE), "the canvases"), ScanSettings(batch_size=8),
        journal=RunDirectory(path),
    )  # fmt: skip
    RunDirectory(path).save(study)
    return study, path


@pytest.fixture
def path(made: tuple[Study, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[1], tmp_path / "run"))


def run(
    study: Study,
    path: Path,
    stop: Callable[[], bool] | None = None,
    settings: ExplainSettings = SETTINGS,
    model: Net | None = None,
) -> Study:
    journal = RunDirectory(path, every=0 if stop else 1000)
    study = explain(study, model or net(), canvases(), settings, journal=journal, stop=stop)
    journal.save(study)
    return study


@pytest.fixture(scope="module")
def undisturbed(
    made: tuple[Study, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    path = Path(shutil.copytree(made[1], tmp_path_factory.mktemp("explained") / "run"))
    run(made[0], path)
    files = contents(path)
    assert files.keys() == contents(made[1]).keys() | NEW
    return files


# ------------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("stopped", [1, 2, 3, 6, 7, 8, 12, 13, 18])
def test_stopped_after_any_unit_of_any_network(
    made: tuple[Study, Path], path: Path, undisturbed: dict[str, bytes], stopped: int
) -> None:
    with pytest.raises(Interrupted, match=r"stopped after \d+ of \d+ images"):
        run(made[0], path, stop=after(stopped))
    assert (path / "contrasts.safetensors").exists() == (stopped >= KEPT_UNITS)
    assert load_study(path).explanation is None
    run(made[0], path)
    assert contents(path) == undisturbed


def test_stopped_again_and_again_from_files(
    made: tuple[Study, Path], path: Path, undisturbed: dict[str, bytes]
) -> None:
    stops = 0
    for stopped in (3, 2, 3, *range(5, 16)):
        try:
            run(load_study(path), path, stop=after(stopped))
        except Interrupted:
            stops += 1
        else:
            break
    assert stops >= 4
    run(load_study(path), path)
    assert contents(path) == undisturbed


def test_what_is_done_is_not_run_again(made: tuple[Study, Path], path: Path) -> None:
    run(made[0], path)
    model, again = net(), net()
    run(made[0], path, model=model)
    run(made[0], path, settings=replace(SETTINGS, seed=5), model=again)
    # To observe, verify and check the margin; passes over the images are saved: crops, canvases,
    # crops again beside the baselines, and 16 of them, in 4 units, for how usual zero is.
    assert again.passes - model.passes == 3 * UNITS + 4
    other = load_study(path)
    assert other.explanation is not None
    assert other.explanation.identity["settings"]["seed"] == 5


@pytest.mark.parametrize("name", ["contrasts.safetensors", "networks.parquet", "manifest.json"])
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_at_any_file(
    made: tuple[Study, Path], path: Path, undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch, name: str, moment: str,
) -> None:  # fmt: skip
    def dying(file: Path, content: bytes) -> None:
        if file.name != name:
            write_atomically(file, content)
            return
        if moment == "during":
            file.with_name(file.name + ".part").write_bytes(content[: len(content) // 2])
        if moment == "after":
            write_atomically(file, content)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("padscope.store.directory.write_atomically", dying)
        patch.setattr("padscope.store.files.write_atomically", dying)
        with pytest.raises(Killed):
            run(made[0], path)
    run(load_study(path), path)
    assert contents(path) == undisturbed


def test_another_explanation_is_started_over(
    made: tuple[Study, Path], path: Path, undisturbed: dict[str, bytes]
) -> None:
    other = replace(SETTINGS, seed=5, baselines=0)
    with pytest.raises(Interrupted):
        run(made[0], path, stop=after(5), settings=other)
    run(made[0], path)
    assert contents(path) == undisturbed


def test_another_explanation_that_is_stopped_leaves_a_directory_that_can_be_read(
    made: tuple[Study, Path], path: Path, undisturbed: dict[str, bytes]
) -> None:
    other = replace(SETTINGS, seed=5, baselines=0)
    for settings in (other, SETTINGS):
        run(made[0], path, settings=other)
        with pytest.raises(Interrupted):
            run(load_study(path), path, stop=after(3), settings=replace(SETTINGS, per_line=3))
        study = load_study(path)
        assert study.explanation is None
        run(study, path, settings=settings)
    assert contents(path) == undisturbed


def test_without_a_finished_scan_nothing_is_kept(made: tuple[Study, Path], tmp_path: Path) -> None:
    journal = RunDirectory(tmp_path / "begun")
    journal.begin(SCAN, made[0].identity)
    with pytest.raises(PadscopeError, match="is not finished; run the same scan again"):
        explain(made[0], net(), canvases(), SETTINGS, journal=journal)
    with pytest.raises(PadscopeError, match=r"it has no manifest\.json"):
        explain(made[0], net(), canvases(), SETTINGS, journal=RunDirectory(tmp_path / "none"))


def test_the_directory_of_another_scan_is_refused(made: tuple[Study, Path], path: Path) -> None:
    other = scan(net(), central(canvases(), (SIZE, SIZE), "the canvases"), ScanSettings(seed=7))
    with pytest.raises(PadscopeError, match="is the run of another scan; give the directory of"):
        explain(other, net(), canvases(), SETTINGS, journal=RunDirectory(path))
    assert contents(path) == contents(made[1])


# --------------------------------------------------------------------------------------- files


def test_an_explained_study_read_back(made: tuple[Study, Path], path: Path) -> None:
    study = run(made[0], path)
    found = load_study(path)
    assert study.explanation is not None
    assert found.explanation is not None
    for table in ("sites", "filters", "sides"):
        assert getattr(found, table).equals(getattr(study, table))
        assert getattr(found, table).schema == getattr(study, table).schema
    assert found.pans().equals(study.pans())
    one, other = found.explanation, study.explanation
    assert one.inherited.equals(other.inherited)
    assert one.networks.equals(other.networks)
    assert (one.images, one.margin, one.notes) == (other.images, other.margin, other.notes)
    assert one.identity == json.loads(json.dumps(other.identity))
    assert one.counts.first and other.counts.first
    for kind in ("maps", "borders"):
        ours, theirs = (getattr(each.counts.first, kind) for each in (one, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert replace(one.counts, bins={}, tallies={}, first=None) == replace(
        other.counts, bins={}, tallies={}, first=None
    )
    assert one.counts.tallies.keys() == other.counts.tallies.keys()
    for key, tally in other.counts.tallies.items():
        assert torch.equal(one.counts.tallies[key].fine, tally.fine)
        assert torch.equal(one.counts.tallies[key].folds, tally.folds)
    RunDirectory(path).save(found)
    assert load_study(path).sides.equals(study.sides)


def test_notes_and_empty_deciles_read_back(tmp_path: Path) -> None:
    """A network that is dead throughout, explained without real context."""
    model = net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.zeros(()))
    images = central(canvases(), (SIZE, SIZE), "the canvases")
    journal = RunDirectory(tmp_path / "run", every=0)
    study = scan(model, images, ScanSettings(batch_size=8), journal=journal)
    journal.save(study)
    settings = replace(SETTINGS, baselines=1)
    for _ in range(2):  # undisturbed, and from the checkpoint of its end
        explained = explain(study, model, images, settings, journal=journal)
    journal.save(explained)
    found = load_study(tmp_path / "run").explanation
    assert explained.explanation is not None
    assert found is not None
    assert found.notes == explained.explanation.notes
    assert "too small" in found.notes[0]
    assert found.networks.equals(explained.explanation.networks)
    trained = found.networks.filter(network="given")
    assert trained["response_deciles"].to_list() == [[], []]
    assert found.networks.schema["response_deciles"] == pl.List(pl.Float64)
    assert found.baselines["filters"][0] == 0


@pytest.mark.parametrize("content", [b"", b"half of a file", b"\x10" + b"\0" * 60])
def test_damaged_contrasts_are_named_in_one_sentence(
    made: tuple[Study, Path], path: Path, content: bytes
) -> None:
    run(made[0], path)
    (path / "contrasts.safetensors").write_bytes(content)
    attempts: list[Callable[[], Study]] = [lambda: load_study(path), lambda: run(made[0], path)]
    for attempt in attempts:
        with pytest.raises(PadscopeError, match=r"contrasts\.safetensors is damaged") as refusal:
            attempt()
        assert len(str(refusal.value).splitlines()) == 1


def test_missing_contrasts(made: tuple[Study, Path], path: Path) -> None:
    run(made[0], path)
    (path / "contrasts.safetensors").unlink()
    with pytest.raises(PadscopeError, match=r"contrasts\.safetensors is missing; run the same"):
        load_study(path)


def test_checkpoints_hold_what_is_done(made: tuple[Study, Path], path: Path) -> None:
    trained: list[int] = []
    concluded: list[list[str]] = []

    class Watching(RunDirectory):
        def keep(self, kept: Kept) -> None:
            trained.append(len(kept.parts["contrasted"].done))
            concluded.append(list(kept.tables))
            super().keep(kept)

    explain(made[0], net(), canvases(), SETTINGS, journal=Watching(path, every=0))
    assert trained[: UNITS - 1] == list(range(KEPT_UNITS, UNITS + 1))
    assert concluded[-1] == ["usual", "given", "fresh 1", "matched 1", "re-estimated"]
