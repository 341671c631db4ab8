"""How an explanation was checked: alignment, margin, chance, what could not be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.evidence import SMALL_MAP
from padscope.findings.words import number, plural, size
from padscope.images import Skipped
from padscope.regions import FOLDS
from padscope.study import Explanation, Study

CHANCE = 0.05  # false discovery rate
SKIPPED_SHOWN = 20


@dataclass(frozen=True)
class SiteCheck:
    """How one site was explained, and checked.

    Attributes
    ----------
    site, map_size : str
    small : bool
    reason : str
        Why there is no real context; "" if there is.
    stride : str
        Pixels per position.
    positions : int or None
        Positions no padding reaches.
    difference, window_error, core, change, agreement : str
        Written out; "–" where there is none.
    """

    site: str
    map_size: str
    small: bool
    reason: str
    stride: str
    positions: int | None
    difference: str
    window_error: str
    core: str
    change: str
    agreement: str


@dataclass(frozen=True)
class Checks:
    """What the page says of the checks.

    Attributes
    ----------
    margin : str
        Pixels of real surroundings; "" for none.
    doubling : str
        What doubling the margin changed, in a sentence.
    doubled : bool
        Whether it was.
    images, folds : int
    measured, unlikely : int
        Filter-sides with a q, and those of them up to `CHANCE`.
    apart : int
        Filter-sides without real context.
    notes : sequence of str
    skipped : sequence of Skipped
        The first ones.
    all_skipped : int
    sites : list of SiteCheck
    settings : dict
    """

    margin: str
    doubling: str
    doubled: bool
    images: int
    folds: int
    measured: int
    unlikely: int
    apart: int
    notes: Sequence[str]
    skipped: Sequence[Skipped]
    all_skipped: int
    sites: list[SiteCheck]
    settings: dict[str, Any]


def make_checks(study: Study, explanation: Explanation) -> Checks:
    """Gather what an explanation says of its own soundness."""
    q = study.sides["q"].drop_nulls()
    cores = study.filters.group_by("site").agg(pl.col("core_causal_ks").median())
    core = dict(cores.iter_rows())
    explained = study.sites.filter(pl.col("no_context").is_not_null())
    skipped = explanation.counts.skipped
    # Pixels of one axis, unless the axes differ.
    margin = size(dict.fromkeys(explanation.margin)) if any(explanation.margin) else ""
    return Checks(
        margin,
        describe_doubling(explained),
        bool(explained["margin_agreement"].count()),
        explanation.counts.images,
        min(FOLDS, explanation.counts.images),
        len(q),
        int((q <= CHANCE).sum()),
        int((~study.sides["real_context"]).sum()),
        explanation.notes,
        skipped[:SKIPPED_SHOWN],
        len(skipped),
        [_site(row, core.get(row["site"])) for row in explained.iter_rows(named=True)],
        explanation.identity["settings"],
    )


def describe_doubling(sites: pl.DataFrame) -> str:
    """Say what doubling the margin changed, on small maps and on others.

    Parameters
    ----------
    sites : polars.DataFrame
        Columns ``map_size`` and ``margin_agreement``.

    Examples
    --------
    >>> sites = {"map_size": [[28, 28], [7, 7]], "margin_agreement": [0.996, 0.75]}
    >>> describe_doubling(pl.DataFrame(sites))[:58]
    'on maps of 14 px and more the agreement is 0.99 or better;'
    """
    least: dict[bool, float] = {}
    for shape, agreement in sites.select("map_size", "margin_agreement").iter_rows():
        if agreement is not None:
            small = min(shape) < SMALL_MAP
            least[small] = min(agreement, least.get(small, 1.0))
    # Rounded down: "or better" must hold of what is written.
    words = {small: f"{int(value * 100 + 1e-9) / 100:.2f}" for small, value in least.items()}
    parts = []
    if False in least:
        parts.append(
            f"on maps of {SMALL_MAP} px and more the agreement is {words[False]} or better"
        )
    if True in least:
        parts.append(f"on maps under {SMALL_MAP} px it is {words[True]} or better")
    if len(least) == 2 and least[True] < least[False]:
        parts[1] += ", so those are less settled"
    return "; ".join(parts)


def describe_skipped(checks: Checks) -> str:
    """Say how many images were left out, and whether all of them are listed."""
    shown = len(checks.skipped)
    first = f"; the first {shown}:" if checks.all_skipped > shown else ":"
    return f"{plural(checks.all_skipped, 'image')} could not be used{first}"


def _site(row: dict[str, Any], core: float | None) -> SiteCheck:
    stride = row["total_stride"]
    return SiteCheck(
        row["site"], size(row["map_size"]), min(row["map_size"]) < SMALL_MAP, row["no_context"],
        "×".join(f"{value:g}" for value in dict.fromkeys(stride)) if stride else "–",
        row["out_of_reach"], _spreads(row["difference"]), _spreads(row["window_error"]),
        _fixed(core), _fixed(row["margin_change"], 3), _fixed(row["margin_agreement"]),
    )  # fmt: skip


def _fixed(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _spreads(value: float | None) -> str:
    """Write an error; what is of the order of rounding only as such."""
    if value is None:
        return "–"
    return "<0.0001" if 0 < value < 1e-4 else number(value, 2)
