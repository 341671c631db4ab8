"""The network along its depth: which part of each site's filters recognises the border."""

from __future__ import annotations

from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.evidence import CANDIDATE
from padscope.findings.listing import Listing
from padscope.findings.once import once
from padscope.findings.words import NONE, shorten
from padscope.images.element import elements
from padscope.measurements.output import OUTPUT
from padscope.study import Depth, Explanation, Study
from padscope.study.explanation import COMPARED
from padscope.tables import MEASURED

LONGEST = 16  # characters of a block's name


def climbs(*, explained: bool) -> pl.Expr:
    """Select what is counted of filters or sides: those that recognise, or respond.

    Parameters
    ----------
    explained : bool
        Whether the study is; it is not known before who recognises the border.
    """
    return pl.col("recognises") if explained else pl.col("ks") >= CANDIDATE


def block_name(site: str) -> str:
    """Shorten a site's name to that of its block.

    Examples
    --------
    >>> block_name("blocks.3.1.conv_dw"), block_name("layer1.0.conv2"), block_name("conv_stem")
    ('3.1', 'layer1.0', 'conv_stem')
    """
    first, *parts = site.split(".")
    if parts and not parts[-1].isdigit():
        parts.pop()
    if not parts or any(map(str.isdigit, first)):
        parts.insert(0, first)
    return shorten(".".join(parts), LONGEST)


@once
def depth_profile(study: Study) -> pl.DataFrame:
    """Count every scored site's filters that recognise the border, or respond if not explained.

    Returns
    -------
    polars.DataFrame
        One row per scored site, in the order of the forward pass: ``site``; ``block`` (its name in
        short); ``depth`` (from 0, the first, to 1, the last); ``measured`` and ``counted``
        (filters); ``share`` (of the measured ones; null where none is); one count per side, named
        as the side; ``fresh_share`` and ``matched_share`` (means over the networks of the share
        that recalls the border, on crops; null without such baselines).
    """
    explained = study.explanation is not None
    counted = climbs(explained=explained)
    sites = study.sites.filter("scored").select("site")
    filters = study.filters.group_by("site").agg(
        measured=MEASURED.sum().cast(pl.Int64),
        counted=(counted & MEASURED).sum().cast(pl.Int64),
    )
    sides = study.sides["side"].unique(maintain_order=True).to_list()
    known = study.filters.filter(MEASURED).select("site", "filter")
    by_side = (
        study.sides.join(known, on=["site", "filter"], how="semi")
        .group_by("site")
        .agg(
            (counted & (pl.col("side") == side)).sum().cast(pl.Int64).alias(side) for side in sides
        )
    )
    table = sites.with_columns(
        block=pl.col("site").map_elements(block_name, return_dtype=pl.String),
        depth=pl.int_range(pl.len()) / max(sites.height - 1, 1),
    )
    for more in (filters, by_side, *_baselines(study.explanation)):
        table = table.join(more, on="site", how="left", maintain_order="left")
    share = pl.when(pl.col("measured") > 0).then(pl.col("counted") / pl.col("measured"))
    order = ["site", "block", "depth", "measured", "counted"]
    kinds = [f"{kind}_share" for kind in COMPARED]
    missing = [pl.lit(None, pl.Float64).alias(name) for name in kinds if name not in table.columns]
    return table.with_columns(missing).select(*order, share.alias("share"), *sides, *kinds)


def _baselines(explanation: Explanation | None) -> list[pl.DataFrame]:
    if explanation is None:
        return []
    measured = pl.col("filters") - pl.col("unmeasured")
    shares = explanation.networks.select(
        "site",
        kind=pl.col("network").str.split(" ").list.first(),
        share=pl.when(measured > 0).then(pl.col("recalled") / measured),
    )
    return [
        shares.filter(pl.col("kind") == kind)
        .group_by("site")
        .agg(pl.col("share").mean().alias(f"{kind}_share"))
        for kind in explanation.kinds_of_baselines
    ]


def map_words(depth: Depth) -> str:
    """Name what is said to be reached: the output, or the last map."""
    return "the output" if depth.last == OUTPUT else f"the last map ({depth.last})"


def depth_lines(depth: Depth) -> list[str]:
    """Say how deep padding reaches, how deep it can, and what counts as a difference."""
    return [
        *depth.sentences(),
        f"Measured on {plural(depth.counted, 'image')}; the depth is where the difference from "
        f"real surroundings falls below {depth.tolerance:g} spreads of the map.",
    ]


def depth_json(depth: Depth) -> dict[str, Any]:
    """Gather how deep padding reaches; see docs/json.md."""
    return {
        "model": depth.model,
        "images": depth.images,
        "counted": depth.counted,
        "size": depth.size,
        "margin": depth.margin,
        "tolerance": depth.tolerance,
        "step": depth.step,
        "whole": depth.whole,
        "last": depth.last,
        "maps": depth.table,
        "curves": depth.curves,
        "sentences": depth_lines(depth),
    }


def depth_listing(depth: Depth) -> Listing:
    """List how deep padding reaches into every map from every side, beside how deep it can."""
    unit, rows = elements(len(depth.size)), depth.table.iter_rows(named=True)
    return Listing(
        ("map", "side", f"{unit} per position", f"depth ({unit})", "95 %", f"bound ({unit})",
         "depth ÷ bound"),
        tuple((row["map"], row["side"], *_reached(row)) for row in rows),
        frozenset({"side"}),
    )  # fmt: skip


def _reached(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["low"], row["high"]
    bound = "not known" if row["status"] is None else "none"
    if row["bound"] is not None:
        bound = f"{'≤ ' if row['status'] == 'upper bound' else ''}{row['bound']:g}"
    return (
        f"{row['stride']:g}",
        f"{'' if row['within'] else '≥ '}{row['depth']:g}",
        NONE if low is None else f"{low:.3g} to {high:.3g}",
        bound,
        NONE if row["ratio"] is None else f"{row['ratio']:.2f}",
    )
