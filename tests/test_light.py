"""What the command line imports: help needs next to nothing, finished runs no PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.synthetic_impact import with_impact
from tests.test_report import noise
from tests.test_report_explained import SETTINGS, cut, two_layers

import padscope
from padscope import explain, render_report, scan
from padscope.settings import ExplainSettings
from padscope.store import RunDirectory, load_study
from padscope.store.later import Later

HEAVY = (
    "torch", "torchvision", "timm", "scipy.stats", "scipy.optimize", "altair", "polars", "numpy",
)  # fmt: skip
# Runs commands in one process, and says after each which of the heavy modules are there.
PROGRAM = """
import json, sys
heavy, *commands = json.loads(sys.argv[1])
if not commands:
    import padscope
    padscope.PadscopeError, padscope.ScanSettings
else:
    from padscope.cli import main
found = [[name for name in heavy if name in sys.modules]]
for command in commands:
    sys.argv = ["padscope", *command]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
    found.append([name for name in heavy if name in sys.modules])
sys.stderr.write(json.dumps(found))
"""


def imported(*commands: list[str], folder: Path) -> list[set[str]]:
    """Heavy modules that are there at the start and after each command, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([HEAVY, *commands])],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    return [{*names} for names in json.loads(done.stderr.splitlines()[-1])]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    net, canvases = two_layers(), noise(24, 3, 64, 56)
    chosen = ExplainSettings(margin=16, calibrate=8, baselines=0, check=0, resamples=5)
    study = scan(net, cut(canvases, 16), SETTINGS)
    directory.save(with_impact(explain(study, net, canvases, chosen)))
    return directory.path


def test_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported(folder=tmp_path) == [set()]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    helped = [["--help"], ["audit", "--help"], ["figure", "--help"], ["--version"]]
    assert imported(*helped, folder=tmp_path) == [set()] * 5


def test_finished_runs_are_read_without_torch(run: Path, tmp_path: Path) -> None:
    path, bound = str(run), ["--max-share", "1"]
    read = [["columns"], ["show", path], ["show", path, "5", "0"], ["verdict", path]]
    read.append(["check", path, *bound])
    read += [[*command, "--json"] for command in read]
    read += [["figure", path, "all"], ["compare", path], ["report", path]]
    read += [["compare", path, "--json"], ["report", path, "--json"]]
    assert all(each <= {"polars", "numpy"} for each in imported(*read, folder=tmp_path))


def test_what_is_read_later_is_the_same(run: Path) -> None:
    now, later = load_study(run), load_study(run, partial=True)
    assert later.counted.images == now.counted.images
    assert later.counted.skipped == now.counted.skipped
    assert later.counted.bins.keys() == now.counted.bins.keys()
    assert later.counted.done == now.counted.done  # which nobody who looks asks for
    assert [(p.site, p.filter) for p in later.portraits] == [
        (p.site, p.filter) for p in now.portraits
    ]
    assert render_report(later) == render_report(now)


def test_what_is_there_is_told_without_reading_it() -> None:
    later = Later(["a"], pytest.fail)
    assert "a" in later and "b" not in later and [*later] == ["a"]


def test_public_names_are_there_and_no_others() -> None:
    assert sorted(padscope.__all__) == [
        "ExplainSettings", "ImpactSettings", "Interception", "PadscopeError", "RunDirectory",
        "ScanSettings", "Study", "TrainingWatch", "depth", "explain", "find_sites", "halo_of",
        "impact", "load_model", "load_study", "measure_depth", "measure_sizes", "measure_swaps",
        "measure_tiles", "open_images", "planted", "render_report", "repad", "retrofit", "scan",
        "sizes", "stream_of", "swaps", "tile_shares", "tiled", "tiles",
    ]  # fmt: skip
    assert all(hasattr(padscope, name) for name in padscope.__all__)


def test_a_function_is_not_hidden_by_the_module_of_its_name() -> None:
    from importlib import import_module

    import_module("padscope.study.depth")
    assert callable(import_module("padscope.study").depth)
