"""However measuring the impact is stopped, the same call ends in the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conftest import contents
from tests.test_impact import CLASSES, EXPLAINED, SIZE, Net, canvases, labels

from padscope import (
    PadscopeError,
    RunDirectory,
    ScanSettings,
    Study,
    explain,
    impact,
    load_study,
    scan,
)
from padscope.errors import Interrupted
from padscope.images import central
from padscope.settings import ImpactSettings
from padscope.study import IMPACT
from padscope.tables.schema import tables_of

SETTINGS = ImpactSettings(
    limit=24, batch_size=8, draws=2, disturbances=1, check=2, check_images=8, dose_images=8,
    canvas_images=8, resamples=8,
)  # fmt: skip


def after(calls: int) -> Callable[[], bool]:
    """Say yes when asked for that time."""
    left = iter(range(calls - 1))
    return lambda: next(left, None) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """An explained study in a directory, and the same directory with its impact."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("made")
    run = RunDirectory(path / "explained")
    net, pixels = Net(), central(canvases(), (SIZE, SIZE), "canvases")
    study = scan(net, pixels, ScanSettings(batch_size=8), journal=run)
    run.save(study)
    study = explain(study, net, canvases(), EXPLAINED, journal=run)
    run.save(study)
    shutil.copytree(path / "explained", path / "done")
    done = RunDirectory(path / "done")
    done.save(measured(study, done))
    return study, path


def test_explaining_again_leaves_nothing_of_the_impact_behind(
    made: tuple[Study, Path], tmp_path: Path
) -> None:
    run = RunDirectory(Path(shutil.copytree(made[1] / "done", tmp_path / "run")))
    scanned = {path.name for path in run.path.iterdir()} - {
        "inherited.parquet", "networks.parquet", "usual.parquet",
        "contrasts.safetensors", "impact.safetensors",
        *(table.file for table in tables_of(IMPACT)),
    }  # fmt: skip
    other = replace(EXPLAINED, seed=1)
    with pytest.raises(Interrupted):
        explain(made[0], Net(), canvases(), other, journal=run, stop=after(1))
    assert {path.name for path in run.path.iterdir()} == scanned | {"contrasts.safetensors"}
    run.save(explain(made[0], Net(), canvases(), other, journal=run))
    assert {path.name for path in run.path.iterdir()} == scanned | {
        "contrasts.safetensors", "inherited.parquet", "networks.parquet", "usual.parquet",
    }  # fmt: skip
    again = load_study(run.path)
    assert again.explanation is not None and again.impact is None
    RunDirectory(tmp_path / "run").save(replace(again, explanation=None))
    assert not (run.path / "networks.parquet").exists()


@pytest.fixture
def path(made: tuple[Study, Path], tmp_path: Path) -> Path:
    shutil.copytree(made[1] / "explained", tmp_path / "run")
    return tmp_path / "run"


def measured(
    study: Study,
    run: RunDirectory,
    stop: Callable[[], bool] | None = None,
    settings: ImpactSettings = SETTINGS,
) -> Study:
    return impact(study, Net(), canvases(), labels(), settings, journal=run, stop=stop)


def test_stopped_anywhere(made: tuple[Study, Path], path: Path) -> None:
    """Within units, between them, and between parts; what is not a whole unit is done again."""
    study, expected = made[0], contents(made[1] / "done")
    stops = 0
    for calls in [1, 2, 3, 5, 40, *range(80, 2000, 20)]:
        try:
            found = measured(study, RunDirectory(path), after(calls))
        except Interrupted as stopped:
            assert "stopped after" in str(stopped)
            stops += 1
            continue
        RunDirectory(path).save(found)
        break
    assert stops > 4
    assert contents(path) == expected


def test_a_unit_that_was_begun_is_not_begun_again(made: tuple[Study, Path], path: Path) -> None:
    """Of one unit of many treatments, what a checkpoint holds is done once."""
    one = replace(SETTINGS, batch_size=24, draws=20)
    whole = RunDirectory(shutil.copytree(path, path.parent / "whole"))
    expected, passes = counted(made[0], whole, one, None)
    again, stops, found = 0, 0, None
    while found is None and stops < 30:
        found, more = counted(made[0], RunDirectory(path), one, after(12))
        again += more
        stops += found is None
    assert 2 < stops < 30
    # Every start tries some passes before anything is measured, and runs the unchanged network.
    assert again <= passes + 40 * stops
    assert expected is not None and found is not None and found.impact is not None
    assert expected.impact is not None and found.impact.effects.equals(expected.impact.effects)


def counted(
    study: Study, run: RunDirectory, settings: ImpactSettings, stop: Callable[[], bool] | None
) -> tuple[Study | None, int]:
    """Measure the impact, or stop; with the passes that it took."""
    net, passes = Net(), 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    net.register_forward_pre_hook(count)
    try:
        found = impact(study, net, canvases(), labels(), settings, journal=run, stop=stop)
    except Interrupted:
        return None, passes
    run.save(found)
    return found, passes


def test_what_is_done_is_not_run_again(made: tuple[Study, Path], path: Path) -> None:
    run = RunDirectory(path)
    run.save(measured(made[0], run))
    net = Net()
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    net.register_forward_pre_hook(count)
    impact(made[0], net, canvases(), labels(), SETTINGS, journal=run)
    assert passes < 30  # what is tried before anything is measured: sites, views, features


def test_other_settings_start_over(made: tuple[Study, Path], path: Path) -> None:
    run = RunDirectory(path)
    run.save(measured(made[0], run))
    run.save(measured(made[0], run, settings=replace(SETTINGS, fill="replicate")))
    found = load_study(path).impact
    assert found is not None
    assert found.fill == "replicate"
    assert set(found.effects["change"]) == {"refill replicate", "silence"}


def test_a_directory_that_is_not_explained(made: tuple[Study, Path], path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"explanation": None}))
    with pytest.raises(PadscopeError, match=r"is not explained yet; run padscope explain"):
        measured(made[0], RunDirectory(path))


def test_another_explanations_directory(made: tuple[Study, Path], path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["explanation"]["identity"]["margin"] = [1, 2]
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PadscopeError, match="is the run of another explanation"):
        measured(made[0], RunDirectory(path))


def test_explaining_again_keeps_the_impact_of_the_same_explanation_only(
    made: tuple[Study, Path], path: Path
) -> None:
    run = RunDirectory(path)
    run.save(measured(made[0], run))
    done = load_study(path)
    same = explain(done, Net(), canvases(), EXPLAINED, journal=run)
    assert same.impact is not None
    assert "impact" in same.filters.columns
    other = explain(done, Net(), canvases(), replace(EXPLAINED, seed=1))
    assert other.impact is None
    assert "impact" not in other.filters.columns


@pytest.mark.parametrize("name", ["impact.parquet", "classes.parquet", "firing.parquet"])
def test_damaged_tables_are_named(made: tuple[Study, Path], tmp_path: Path, name: str) -> None:
    shutil.copytree(made[1] / "done", tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"nothing")
    with pytest.raises(PadscopeError, match=f"{name} is damaged"):
        load_study(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(PadscopeError, match=f"{name} is missing"):
        load_study(tmp_path / "run")


def test_labels_of_other_classes_belong_to_another_impact(made: tuple[Study, Path]) -> None:
    found = load_study(made[1] / "done").impact
    assert found is not None
    other = impact(
        made[0], Net(), canvases(), [(n + 1) % CLASSES for n in range(24)], SETTINGS
    ).impact
    assert other is not None
    assert other.identity["images"] != found.identity["images"]
