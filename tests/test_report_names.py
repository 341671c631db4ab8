"""Whatever a user calls models, photographs and classes is text on the page, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.synthetic_impact import with_impact
from tests.test_report import HOSTILE, Page
from tests.test_report_explained import explain_2d

from padscope.findings.words import shorten, visible
from padscope.images import Skipped
from padscope.report import render_report
from padscope.study import Study

LONGEST_CLASS = 60  # characters of a class that the page shows


@pytest.fixture(scope="module")
def study() -> Study:
    return with_impact(explain_2d())


@pytest.fixture(scope="module")
def tame(study: Study) -> Page:
    return Page(render_report(called(study, "tame")))


def called(study: Study, name: str) -> Study:
    """Use one name for everything that is a user's."""
    impact = study.impact
    assert impact is not None
    classes = impact.classes.with_columns(name=pl.lit(name))
    skipped = (Skipped(1, f"file {name}", f"reason {name}"),)
    return replace(
        study,
        identity=study.identity | {"model": f"spec {name}"},
        model=f"model {name}",
        images=f"photographs {name}",
        invocation={},
        counted=replace(study.counted, skipped=skipped),
        missing=(f"Not shown: {name}.",),
        impact=replace(
            impact, images=f"tested {name}", labels=f"labels {name}", classes=classes,
            skipped=skipped, notes=(f"note {name}",),
        ),
    )  # fmt: skip


@settings(max_examples=3, deadline=None, derandomize=True)  # a page takes two seconds
@given(name=st.text(min_size=1, max_size=80))
@example(HOSTILE[0] + HOSTILE[1])
@example(HOSTILE[2] + HOSTILE[3])
@example("</script><script>alert(1)</script><!-- {% raw %} {{ study }}")
@example("\N{RIGHT-TO-LEFT MARK}a\N{LINE SEPARATOR}b\x00\x1b[31m\n&lt;")
def test_a_name_is_text(study: Study, tame: Page, name: str) -> None:
    page = Page(render_report(called(study, name)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in tame.tags]
    shapes = [[sorted(attributes) for _, attributes in each.tags] for each in (page, tame)]
    assert shapes[0] == shapes[1]
    text, shown = page.text, " ".join(visible(name).split())
    words = ("spec", "model", "photographs", "file", "reason", "tested", "labels", "note")
    for what in words:
        assert f"{what} {shown}".rstrip() in text
    assert " ".join(visible(shorten(name, LONGEST_CLASS)).split()) in text
