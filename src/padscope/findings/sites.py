"""What is said of every site: where it pads, what was found there, and how that was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl

from padscope.counts import plural
from padscope.evidence import CANDIDATE, SMALL_MAP, STRONG
from padscope.findings.listing import Listing
from padscope.findings.words import NONE, fixed, number, share, size
from padscope.images.element import elements
from padscope.regions import sides_of
from padscope.sites.census import contact_share, touches
from padscope.sites.geometry import Window
from padscope.study import Study

if TYPE_CHECKING:
    from padscope.sites import Site

ORIGINS = {
    "nascent": "the site's own padding suffices",
    "inherited": "what comes in from padding before it suffices",
    "both": "either does",
    "neither": "only both together",
}
MARKS = {"*": f"map under {SMALL_MAP} positions", "‡": "explained without real context"}


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    counted = f"{plural(len(scored), 'scored site')}, {plural(filters, 'filter')}"
    return f"{counted}; {len(sites) - len(scored)} listed only."


def _per_side(before: Sequence[int], after: Sequence[int]) -> str:
    """Numbers of every side: one if they agree, else in the order of the sides."""
    values = [value for ends in zip(before, after, strict=True) for value in ends]
    return str(values[0]) if len(set(values)) == 1 else " ".join(map(str, values))


def window_of(site: Mapping[str, Any]) -> Window:
    """Tell the walk of a site from its row of `Study.sites`."""
    before, after = tuple(site["pad_before"]), tuple(site["pad_after"])
    kernel, dilation = tuple(site["kernel"]), tuple(site["dilation"])
    if transposed := "transpose" in site["op"]:
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before, after = (
            tuple(r - pad for r, pad in zip(reach, pads, strict=True)) for pads in (before, after)
        )
    return Window(
        kernel, tuple(site["stride"]), dilation, before, after, tuple(site["input_size"]),
        tuple(site["map_size"]), transposed,
    )  # fmt: skip


def census_of(site: Mapping[str, Any]) -> dict[str, Any]:
    """Count where a site's windows read, from its row of `Study.sites`.

    Returns
    -------
    dict
        ``in_contact``, the share of positions whose window touches padding, and ``read_by``, how
        many windows read each position of the input: per axis, and the product over axes holds;
        None where what fills the padding cannot be followed.
    """
    window = window_of(site)
    try:
        read = [along.tolist() for along in touches(window, site["fill"])]
    except ValueError:
        read = None
    return {"in_contact": contact_share(window), "read_by": read}


def _read_by(along: Sequence[Sequence[float]] | None) -> str:
    """Tell how many windows read a position, at least and at most."""
    if along is None:
        return NONE
    ends = dict.fromkeys(f"{prod(map(end, along)):g}" for end in (min, max))
    return "–".join(ends)


def site_listing(sites: pl.DataFrame) -> Listing:
    """List the padded operations of a model, in the order of its forward pass."""
    dims = max((len(shape) for shape in sites["map_size"]), default=2)
    order = ", ".join(side.name for side in sides_of(min(max(dims, 1), 3)))
    caption = (
        f"padding and contact lines per side: {order}; in contact: positions whose window touches "
        "padding; read by: windows that read a position of the input"
    )
    if sites["op"].str.contains("transpose").any():
        caption += (
            "; of a transposed convolution, padding is what is cut off its output: with 0 its "
            "outermost windows still reach beyond its input"
        )
    headings = (
        "site", "op", "kernel", "stride", "dilation", "groups", "padding", "fill", "map",
        "contact", "in contact", "read by", "filters", "",
    )  # fmt: skip
    rows = tuple(_geometry(row) for row in sites.iter_rows(named=True))
    return Listing(headings, rows, frozenset(headings), caption)


def _geometry(row: dict[str, Any]) -> tuple[str, ...]:
    census = census_of(row)
    return (
        row["site"], row["op"], size(row["kernel"]), size(row["stride"]), size(row["dilation"]),
        str(row["groups"]), _per_side(row["pad_before"], row["pad_after"]), row["fill"],
        size(row["map_size"]), _per_side(row["contact_before"], row["contact_after"]),
        share(census["in_contact"]), _read_by(census["read_by"]),
        str(row["filters"] or NONE),
        row["unscored"] or ("inside scripted code" if row["hidden"] else ""),
    )  # fmt: skip


def summary_listing(study: Study) -> Listing:
    """List the scored sites: filters, those that respond at every side, the strongest."""
    summary = study.summary()
    sides = [name for name in summary.columns if name in study.sides["side"].unique()]
    counts = ("filters", "unmeasured", "candidates", "strong", *sides)
    headings = (
        "site", "map", "filters", "unmeasured", f"KS ≥ {CANDIDATE:g}", f"≥ {STRONG:g}", *sides,
        "strongest filter",
    )  # fmt: skip
    return Listing(
        headings,
        tuple(
            (
                row["site"], _map_of(row), *(str(row[name]) for name in counts),
                _strongest(row["strongest"], row["strongest_side"], row["strongest_ks"]),
            )
            for row in summary.iter_rows(named=True)
        ),
        frozenset({"strongest filter"}), **_linked(headings, summary, "strongest"),
    )  # fmt: skip


def cause_listing(study: Study) -> Listing:
    """List the explained sites: labels, origins, reach, checks."""
    confirmed = pl.col("label") == "confirmed"
    labels, origins = ("confirmed", "grey", "rejected"), ("nascent", "inherited", "both")
    counts = study.filters.group_by("site").agg(
        pl.col("recognises").sum().alias("recognise"),
        *((pl.col("label") == label).sum().alias(label) for label in labels),
        *((confirmed & (pl.col("origin") == origin)).sum().alias(origin) for origin in origins),
        pl.col("reach").filter(confirmed).mean(),
    )
    best = (
        study.filters.sort("causal_ks", "filter", descending=[True, False], nulls_last=True)
        .group_by("site", maintain_order=True)
        .first()
        .select("site", "filter", "causal_side", "causal_ks")
    )
    table = (
        study.sites.filter(pl.col("no_context").is_not_null())
        .select("site", "map_size", "no_context", "margin_change")
        .join(counts, on="site", how="left", maintain_order="left")
        .join(best, on="site", how="left", maintain_order="left")
    )
    counted = ("recognise", *labels, *origins)
    headings = ("site", "map", *counted, "reach", "margin ×2", "strongest filter")
    return Listing(
        headings,
        tuple(
            (
                row["site"], _map_of(row), *(str(row[name]) for name in counted),
                NONE if row["reach"] is None else f"{row['reach'] + 1:.1f}",
                NONE if row["margin_change"] is None else f"±{row['margin_change']:.3f}",
                _strongest(row["filter"], row["causal_side"], row["causal_ks"]),
            )
            for row in table.iter_rows(named=True)
        ),
        frozenset({"strongest filter"}), _marks(table), **_linked(headings, table, "filter"),
    )  # fmt: skip


def check_listing(study: Study) -> Listing:
    """List how every site was explained, and how well that was checked."""
    medians = study.filters.group_by("site").agg(pl.col("core_causal_ks").median())
    cores = dict(medians.iter_rows())
    explained = study.sites.filter(pl.col("no_context").is_not_null())
    return Listing(
        ("site", "map", f"{elements(len(study.size))} per position", "positions out of reach",
         "difference there", "window error", "core", "margin ×2", "agreement", "without context"),
        tuple(_check(row, cores.get(row["site"])) for row in explained.iter_rows(named=True)),
        frozenset({"without context"}),
        _marks(explained),
    )  # fmt: skip


def _check(row: dict[str, Any], core: float | None) -> tuple[str, ...]:
    stride, reached = row["total_stride"], row["out_of_reach"]
    return (
        row["site"], _map_of(row),
        "×".join(f"{value:g}" for value in dict.fromkeys(stride)) if stride else NONE,
        NONE if reached is None else f"{reached:,}", _spreads(row["difference"]),
        _spreads(row["window_error"]), fixed(core), number(row["margin_change"]),
        fixed(row["margin_agreement"]), row["no_context"],
    )  # fmt: skip


def origin_sentence(study: Study) -> str:
    """Say where the filters that respond because of padding have their signal from."""
    found = study.filters.filter(pl.col("label") == "confirmed")["origin"]
    told = [
        f"{count:,} {origin} ({words})"
        for origin, words in ORIGINS.items()
        if (count := int((found == origin).sum()))
    ]
    if open_ := found.null_count():
        told.append(f"{open_:,} not told")
    if not told:
        return "No filter responds because of padding, so there is no origin to tell."
    return f"Of the {found.len():,} that respond because of padding: {', '.join(told)}."


def _marks(sites: pl.DataFrame) -> str:
    """Say what the marks mean that stand behind the maps of some sites."""
    maps = "".join(map(_map_of, sites.iter_rows(named=True)))
    return "; ".join(f"{mark} {told}" for mark, told in MARKS.items() if mark in maps)


def _map_of(row: dict[str, Any]) -> str:
    small = "*" if min(row["map_size"]) < SMALL_MAP else ""
    return f"{size(row['map_size'])}{small}{'‡' if row.get('no_context') else ''}"


def _linked(headings: Sequence[str], table: pl.DataFrame, filters: str) -> dict[str, Any]:
    """Link the last cell of each row of a table to the card of the filter that it names."""
    named = table.filter(pl.col(filters).is_not_null()).select("site", filters)
    links = {site: f"#{quote(f'{site}/{index}')}" for site, index in named.iter_rows()}
    return {"links": links, "linked": len(headings) - 1}


def _strongest(index: int | None, side: str | None, ks: float | None) -> str:
    return NONE if ks is None else f"{index} {side} {ks:.3f}"


def _spreads(value: float | None) -> str:
    """Write an error; what is of the order of rounding only as such."""
    if value is None:
        return NONE
    return "<0.0001" if 0 < value < 1e-4 else number(value, 2)
