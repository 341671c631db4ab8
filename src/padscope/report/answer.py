"""What a study found, in numbers and sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.evidence import CANDIDATE, SMALL_MAP
from padscope.findings.words import size
from padscope.regions import sides_of
from padscope.study import Study
from padscope.tables import MEASURED
from padscope.tables.comparison import response_columns

BUILTIN = re.compile(
    r"(?:\d+ of )?\d+ random crops of (\d+) built-in photographs(?: \(seed \d+\))?"
)


@dataclass(frozen=True)
class Answer:
    """The counts that the page opens with.

    Attributes
    ----------
    filters, sites : int
        Scored ones.
    respond, strong, unmeasured, undecided, far : int
        Filters: of the measured ones respond, and strong ones respond too; `far` of the undecided
        are beyond the margin.
    small : int
        Responding filters on maps that need a counterfactual.
    apart : int
        Responding filters whose strongest side has no padding of the site's own.
    nonfinite : int
        Filters with NaN or infinite values.
    images, skipped : int
    builtin : int
        Independent photographs of the built-in set; 0 for other images.
    """

    filters: int
    sites: int
    respond: int
    strong: int
    unmeasured: int
    undecided: int
    far: int
    small: int
    apart: int
    nonfinite: int
    images: int
    skipped: int
    builtin: int


def answer(study: Study) -> Answer:
    """Count what a study found."""
    filters, counts = study.filters, response_columns(study.filters)
    responding = filters.filter(MEASURED & (pl.col("ks") >= CANDIDATE))
    apart = study.sides.filter(pl.col("contact") == 0).select("site", "filter", "side")
    far, undecided = study.undecided()
    builtin = BUILTIN.fullmatch(study.images)
    return Answer(
        filters=filters.height,
        sites=int(study.sites["scored"].sum()),
        respond=counts["responds"],
        strong=counts["strong"],
        unmeasured=counts["filters"] - counts["measured"],
        undecided=undecided,
        far=far,
        small=int(responding["needs_counterfactual"].sum()),
        apart=responding.join(apart, on=["site", "filter", "side"], how="semi").height,
        nonfinite=filters.filter(pl.col("nonfinite") > 0).height,
        images=study.scored_images,
        skipped=len(study.counted.skipped),
        builtin=int(builtin[1]) if builtin else 0,
    )


def site_rows(study: Study) -> tuple[list[str], list[dict[str, Any]]]:
    """Rows of the table of sites, scored or not, and the sides they have between them."""
    scored = {row["site"]: row for row in study.summary().iter_rows(named=True)}
    rows = []
    for site in study.sites.iter_rows(named=True):
        sides = sides_of(len(site["map_size"]))
        found = scored.get(site["site"], {})
        pads, contacts = (
            {s.name: site[f"{what}_{'after' if s.far else 'before'}"][s.axis] for s in sides}
            for what in ("pad", "contact")
        )
        rows.append(
            site
            | {name: size(site[name]) for name in ("kernel", "stride", "map_size")}
            | {"dilation": "" if set(site["dilation"]) == {1} else size(site["dilation"])}
            | {"pads": pads, "contacts": contacts, "found": found}
            | {"small": min(site["map_size"], default=0) < SMALL_MAP}
        )
    present = {name for row in rows for name in row["pads"]}
    return [side.name for side in sides_of(3) if side.name in present], rows
