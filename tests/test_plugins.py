"""What other packages add is read when it is asked for, and what is wrong with it is told."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from padscope import cli
from padscope.errors import PadscopeError
from padscope.plugins import complete, look_up, names
from padscope.sites.operations import added_operations

GROUP = "padscope.things"
Install = Callable[..., None]


def point(name: str, value: str, package: str = "padscope-extra") -> metadata.EntryPoint:
    found = metadata.EntryPoint(name, value, GROUP)
    vars(found)["dist"] = SimpleNamespace(name=package)
    return found


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def stand_in(*points: metadata.EntryPoint) -> None:
        all_points = metadata.EntryPoints(points)
        monkeypatch.setattr(metadata, "entry_points", lambda **which: all_points.select(**which))

    return stand_in


def test_own_entries_come_first(install: Install) -> None:
    install(point("pi", "math:e"), point("inf", "math:inf"))
    assert look_up({"pi": 3}, GROUP, "pi") == 3
    assert look_up({"pi": 3}, GROUP, "inf") == float("inf")
    assert look_up({"pi": 3}, GROUP, "tau") is None
    assert complete({"pi": 3}, GROUP)["pi"] == 3
    assert names({"pi": 3}, GROUP) == ["inf", "pi"]


def test_only_what_is_asked_for_is_imported(install: Install) -> None:
    install(point("broken", "no_such_package:thing"), point("pi", "math:pi"))
    assert look_up({}, GROUP, "pi")
    assert names({}, GROUP) == ["broken", "pi"]


@pytest.mark.parametrize("value", ["no_such_package:thing", "math:no_such_name"])
def test_a_broken_package_is_named(install: Install, value: str) -> None:
    install(point("broken", value))
    with pytest.raises(PadscopeError, match=r"the package padscope-extra adds 'broken'.*no.such"):
        look_up({}, GROUP, "broken")
    with pytest.raises(PadscopeError, match="fix or uninstall it"):
        complete({}, GROUP)


def test_two_packages_that_contradict_each_other_are_named(install: Install) -> None:
    install(point("pi", "math:pi"), point("pi", "math:tau", "another"))
    with pytest.raises(PadscopeError, match="padscope-extra and the package another both add 'pi'"):
        look_up({}, GROUP, "pi")


def test_a_package_that_is_found_twice_is_one(install: Install) -> None:
    install(point("inf", "math:inf"), point("inf", "math:inf"))
    assert look_up({}, GROUP, "inf") == float("inf")


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        ("padscope.models", "sites broken:a"),
        ("padscope.images", "scan plugged_nets:net --size 16 --images broken:a -o run"),
        ("padscope.statistics", "scan plugged_nets:net --size 16 -o run"),
        ("padscope.operations", "sites plugged_nets:net --size 16"),
        ("padscope.runners", "scan plugged_nets:net --size 16 --runner broken -o run"),
    ],
)
def test_the_command_line_names_a_broken_package_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    group: str,
    arguments: str,
) -> None:
    broken = metadata.EntryPoint("broken", "no_such_package:thing", group)
    vars(broken)["dist"] = SimpleNamespace(name="padscope-extra")
    points = metadata.EntryPoints([broken])
    monkeypatch.setattr(metadata, "entry_points", lambda **which: points.select(**which))
    net = "from torch import nn\n\n\ndef net():\n    return nn.Conv2d(3, 2, 3, padding=1)\n"
    (tmp_path / "plugged_nets.py").write_text(net)
    monkeypatch.chdir(tmp_path)
    added_operations.cache_clear()  # which no other packages join while a program runs
    monkeypatch.setattr("sys.argv", ["padscope", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"padscope: the package padscope-extra adds 'broken' to {group}, and it")
    assert told.count("\n") == 0
    assert not (tmp_path / "run" / "manifest.json").exists()
