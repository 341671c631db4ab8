"""How much an audit does: quick, by default, thoroughly, and as it is told."""

from __future__ import annotations

from typing import Any

import pytest

from padscope import PadscopeError
from padscope.cli.effort import Effort, audit_effort
from padscope.settings import ExplainSettings, ImpactSettings


def effort(**given: Any) -> Effort:
    """What an audit of a folder does that is given these options."""
    options: dict[str, Any] = {
        "quick": False, "thorough": False, "images": "photos", "limit": None, "explained": None,
        "tested": None, "labels": None, "shared": {"seed": 0, "batch_size": 16}, "explain": {},
        "impact": {},
    }  # fmt: skip
    return audit_effort(**(options | given))


def test_by_default_no_more_images_are_scanned_than_are_explained() -> None:
    found = effort()
    assert (found.scan.limit, found.explain, found.impact) == (
        96, ExplainSettings(), ImpactSettings()
    )  # fmt: skip
    built_in = effort(images=None)
    assert built_in.impact is not None and built_in.impact.limit == 20


def test_quick_is_without_the_impact_and_thorough_is_what_the_settings_say() -> None:
    quick, thorough = effort(quick=True), effort(thorough=True)
    assert (quick.scan.limit, quick.explain, quick.impact) == (32, ExplainSettings.quick(), None)
    assert (thorough.scan.limit, thorough.explain, thorough.impact) == (
        1000, ExplainSettings.thorough(), ImpactSettings.thorough()
    )  # fmt: skip


def test_what_is_given_wins() -> None:
    quick = effort(quick=True, explained=50, explain={"baselines": 1, "content": None})
    assert (quick.scan.limit, quick.explain.limit, quick.explain.baselines) == (50, 50, 1)
    assert quick.explain.content == ExplainSettings.content
    assert effort(thorough=True, limit=300).scan.limit == 300
    for asked in ({"tested": 30}, {"labels": "labels.csv"}, {"impact": {"metric": "m:f"}}):
        assert effort(quick=True, **asked).impact is not None


@pytest.mark.parametrize(
    ("options", "images"),
    [
        ({"limit": 24}, (24, 24, 24)),
        ({"limit": 8}, (8, 8, 20)),  # effects need as many
        ({"limit": 400}, (400, 96, 48)),
        ({"limit": 0}, (None, 96, 48)),
        ({"limit": 0, "explained": 0, "tested": 0}, (None, None, None)),
        ({"limit": 48, "explained": 24, "tested": 20}, (48, 24, 20)),
        ({"limit": 24, "quick": True, "tested": 30}, (24, 24, 30)),
    ],
)
def test_the_limit_is_that_of_all_stages(options: dict[str, Any], images: tuple[Any, ...]) -> None:
    found = effort(**options)
    assert found.impact is not None
    assert (found.scan.limit, found.explain.limit, found.impact.limit) == images


def test_quick_and_thorough_exclude_each_other() -> None:
    with pytest.raises(PadscopeError, match="exclude each other; give one"):
        effort(quick=True, thorough=True)
