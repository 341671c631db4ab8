"""The filters of the gallery as one compact block of JSON, which the page's script draws."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import polars as pl

from padscope.evidence import CANDIDATE, RECOGNISED, SMALL_MAP, STRONG
from padscope.figures.drawings import DIVERGING, SEQUENTIAL
from padscope.findings.choice import strongest_side
from padscope.findings.recall_curve import TICKS
from padscope.findings.words import size, visible
from padscope.report.gallery.sites import SitePictures, draw_site, longest_axis, names_of, sides_at
from padscope.report.photos import encode_photos, first_images
from padscope.scores import listed_statistics
from padscope.study import Study
from padscope.study.explanation import COMPARED
from padscope.tables import RESOLUTION
from padscope.tables.responses import REPORTED_LINES

# Columns of numbers: name in the block, and column of the table of filters. Scores keep a third
# decimal, to sort by; what stands beside them is written as it is printed. Statistics that are
# listed have their own names, and so many decimals if they are shares.
SCORES = (("ks", "ks"), ("causal", "causal_ks"), ("recall", "recall"))
HUNDREDTHS = (
    ("ksLow", "ks_low"), ("ksHigh", "ks_high"), ("causalLow", "causal_low"),
    ("causalHigh", "causal_high"), ("own", "own_ks"), ("incoming", "incoming_ks"),
    ("stability", "stability"), ("recallLow", "recall_low"), ("recallHigh", "recall_high"),
)  # fmt: skip
# The same with significant digits, for what has no fixed scale.
AMOUNTS = (
    ("q", "q"), ("qFresh", "q_fresh"), ("qMatched", "q_matched"),
    ("impact", "impact"), ("impactLow", "impact_low"), ("impactHigh", "impact_high"),
    ("impactSigned", "impact_signed"),
)  # fmt: skip
COUNTS = (
    ("filter", "filter"), ("reach", "reach"), ("rank", "impact_rank"), ("nonfinite", "nonfinite"),
)  # fmt: skip
WORDS = (
    ("label", "label"), ("side", "side"), ("causalSide", "causal_side"), ("kind", "kind"),
    ("sign", "sign"), ("origin", "origin"), ("corner", "causal_corner"),
    ("recallSide", "recall_side"), ("active", "active_sides"),
)  # fmt: skip
DIGITS = 3
_Entry = TypeVar("_Entry", list[int], float | None, str)


def gallery_block(study: Study, chosen: pl.DataFrame) -> dict[str, Any]:
    """Gather what the script draws.

    Parameters
    ----------
    study : Study
    chosen : polars.DataFrame
        From `choose_filters`.

    Returns
    -------
    dict
        ``sites``: what filters of a site share. ``statistics``: what is listed beside the KS.
        ``columns``: one list per number, with an entry
        for each filter, in the order of `chosen`; those of words hold places in ``words``.
        ``arrays``: the same of base64 texts.
    """
    rows = _with_evidence(study, chosen)
    pictures = _draw_sites(study, chosen)
    places = {site: place for place, site in enumerate(pictures)}
    columns: dict[str, list[Any]] = {"site": [places[site] for site in chosen["site"]]}
    words: dict[str, list[str]] = {}
    for name, column in COUNTS:
        columns[name] = _list(rows, column)
    for name, column in SCORES:
        columns[name] = [None if v is None else to_thousandths(v) for v in _list(rows, column)]
    statistics = listed_statistics(rows.columns)
    for name, statistic in statistics.items():
        write = to_thousandths if statistic.share else significant
        columns[name] = [None if v is None else write(v) for v in _list(rows, name)]
    for name, column in HUNDREDTHS:
        columns[name] = [None if v is None else float(f"{v:.2f}") for v in _list(rows, column)]
    for name, column in AMOUNTS:
        columns[name] = [significant(value) for value in _list(rows, column)]
    for name, column in WORDS:
        words[name] = sorted({word for word in _list(rows, column) if word is not None})
        known = {word: place for place, word in enumerate(words[name])}
        columns[name] = [known.get(word, -1) for word in _list(rows, column)]
    for name in ("flagged", "apart", "beyond", "recognises"):
        columns[name] = [int(bool(value)) for value in _list(rows, name)]
    arrays, numbers, channels, photos = _scatter(chosen, pictures)
    return {
        "sites": [_describe(study, site, found) for site, found in pictures.items()],
        "words": words,
        "statistics": [
            {
                "name": name,
                "title": each.title,
                "meaning": each.meaning,
                "unit": each.unit,
                "share": each.share,
            }
            for name, each in statistics.items()
        ],
        "columns": columns | numbers | {"channels": channels} | photos,
        "photos": encode_photos(first) if (first := first_images(study)) else [],
        "arrays": arrays,
        "palettes": {"diverging": DIVERGING, "sequential": SEQUENTIAL},
        "cuts": {"candidate": CANDIDATE, "strong": STRONG, "recognised": RECOGNISED},
        "contents": study.contents,
        "ticks": TICKS,
        "content": study.content,
        "compared": [kind for kind in COMPARED if f"q_{kind}" in chosen.columns],
        "explained": study.explanation is not None,
        "impact": "impact" in chosen.columns,
        "ranked": int(study.filters["impact"].count()) if "impact" in chosen.columns else 0,
        "strongest": "causalSide" if strongest_side(study) == "causal_side" else "side",
    }


def write_block(block: Mapping[str, Any]) -> str:
    r"""Write JSON that may stand inside a page's script element, in ASCII.

    Examples
    --------
    >>> write_block({"a": "</script>" + chr(0x2028)})
    '{"a":"\\u003c/script\\u003e\\u2028"}'
    """
    text = json.dumps(block, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def to_thousandths(score: float) -> float:
    """Round to three decimals that still round to the two that are printed.

    Examples
    --------
    >>> to_thousandths(0.87462), to_thousandths(0.87512), to_thousandths(0.125)
    (0.874, 0.876, 0.124)
    """
    rounded = round(score, 3)
    if round(1000 * rounded) % 10 == 5:
        rounded += 0.001 if float(f"{score:.2f}") > rounded else -0.001
    return round(rounded, 3)


def significant(value: float | None) -> float | None:
    """Round to some significant digits; None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _list(rows: pl.DataFrame, column: str) -> list[Any]:
    """Values of a column; Nones if the study has no such column."""
    return rows[column].to_list() if column in rows.columns else [None] * rows.height


def _with_evidence(study: Study, chosen: pl.DataFrame) -> pl.DataFrame:
    """Add what only the table of sides knows: both origins, and whether the reach ends."""
    rows = chosen.with_columns(flagged=pl.col("ks_bound").fill_null(0) > RESOLUTION)
    if study.explanation is None:
        return rows
    keys = ["site", "filter"]
    measured = [
        pl.when(pl.col(f"causal_{line}").is_not_null()).then(line).otherwise(0)
        for line in REPORTED_LINES
    ]
    own = study.sides.select(*keys, pl.col("side").alias("causal_side"), "own_ks", "incoming_ks")
    deepest = (
        study.sides.select(*keys, "side", "reach", deepest=pl.max_horizontal(measured))
        .join(chosen.select(*keys, "active", deep=pl.col("reach")), on=keys)
        .filter(pl.col("side").is_in(pl.col("active")) & (pl.col("reach") == pl.col("deep")))
        .group_by(keys)
        .agg(beyond=(pl.col("deep") >= pl.col("deepest")).any())
    )
    return (
        rows.join(own, on=[*keys, "causal_side"], how="left", maintain_order="left")
        .join(deepest, on=keys, how="left", maintain_order="left")
        .with_columns(apart=~pl.col("real_context"), active_sides=pl.col("active").list.join(", "))
    )


def _draw_sites(study: Study, chosen: pl.DataFrame) -> dict[str, SitePictures]:
    longest = longest_axis(study, chosen)
    # Once, instead of a search through the whole table at every site.
    all_sides = study.sides.partition_by("site", as_dict=True)
    by_site = chosen.partition_by("site", as_dict=True)
    pictures = {}
    for site in study.sites.filter("scored")["site"]:
        if (site,) not in by_site:
            continue
        here, sides = by_site[site,], all_sides[site,]
        places = sides_at(names_of(sides), here["side"].to_list())
        recalled = places
        if "recall_side" in here.columns:
            recalled = sides_at(names_of(sides), here["recall_side"].to_list())
        filters = here["filter"].to_numpy().astype(np.int64)
        pictures[site] = draw_site(study, site, sides, filters, places, recalled, longest)
    return pictures


def _scatter(
    chosen: pl.DataFrame, pictures: Mapping[str, SitePictures]
) -> tuple[
    dict[str, list[str]], dict[str, list[float | None]], list[list[int]],
    dict[str, list[list[int]]],
]:  # fmt: skip
    """Put what was drawn site by site into the order of the gallery."""
    first = next(iter(pictures.values()), None)
    arrays = {name: [""] * chosen.height for name in (first.arrays if first else ())}
    numbers: dict[str, list[float | None]] = {
        name: [None] * chosen.height for name in (first.numbers if first else ())
    }
    channels: list[list[int]] = [[] for _ in range(chosen.height)]
    photos = {end: [list[int]() for _ in range(chosen.height)] for end in ("most", "least")}
    places: dict[str, list[int]] = {}
    for place, site in enumerate(chosen["site"]):
        places.setdefault(site, []).append(place)
    for site, found in pictures.items():
        for name, texts in found.arrays.items():
            _put(arrays[name], places[site], texts)
        for name, values in found.numbers.items():
            _put(numbers[name], places[site], [significant(float(v)) for v in values])
        for end, images in found.photos.items():
            _put(photos[end], places[site], images)
        if found.channels:
            _put(channels, places[site], found.channels)
    return arrays, numbers, channels, photos


def _put(into: list[_Entry], places: Sequence[int], values: Sequence[_Entry]) -> None:
    for place, value in zip(places, values, strict=True):
        into[place] = value


def _describe(study: Study, site: str, found: SitePictures) -> dict[str, Any]:
    shape = study.sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]
    return {
        "name": visible(site),
        "map": size(shape),
        "axes": len(shape),
        "small": min(shape) < SMALL_MAP,
        "sides": found.sides,
        "kernel": found.kernel,
        "slice": found.slices[:1],
        "maps": found.maps,
        "inputs": found.inputs,
        "thinned": found.thinned,
    }
