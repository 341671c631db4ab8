"""Rows of the page's table of sites."""

from __future__ import annotations

from typing import Any

from padscope.evidence import SMALL_MAP
from padscope.findings.words import size
from padscope.regions import sides_of
from padscope.study import Study


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
