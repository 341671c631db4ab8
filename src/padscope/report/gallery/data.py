"""The filters of the gallery as one compact block of JSON, which the page's script draws."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from padscope.evidence import CANDIDATE, RECOGNISED, STRONG
from padscope.figures.drawings import DIVERGING, SEQUENTIAL
from padscope.findings.choice import strongest_side
from padscope.findings.recall_curve import TICKS
from padscope.report.gallery.arrays import significant
from padscope.report.gallery.sites import SitePictures, draw_site, longest_axis
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
TOLD = ("title", "meaning", "unit", "share")  # of a listed statistic


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
    statistics = listed_statistics(rows.columns)
    numbers: list[tuple[str, str, Callable[[Any], float | None]]] = [
        *((*names, int) for names in COUNTS),
        *((*names, to_thousandths) for names in SCORES),
        *((n, n, to_thousandths if s.share else significant) for n, s in statistics.items()),
        *((*names, to_hundredths) for names in HUNDREDTHS),
        *((*names, significant) for names in AMOUNTS),
    ]
    for name, column, write in numbers:
        columns[name] = [None if v is None else write(v) for v in _list(rows, column)]
    for name, column in WORDS:
        words[name] = sorted({word for word in _list(rows, column) if word is not None})
        known = {word: place for place, word in enumerate(words[name])}
        columns[name] = [known.get(word, -1) for word in _list(rows, column)]
    for name in ("flagged", "apart", "beyond", "recognises"):
        columns[name] = [int(bool(value)) for value in _list(rows, name)]
    drawn = _in_order(chosen, {site: found.columns for site, found in pictures.items()})
    return {
        "sites": [found.shared for found in pictures.values()],
        "words": words,
        "statistics": [
            {"name": name} | {told: getattr(each, told) for told in TOLD}
            for name, each in statistics.items()
        ],
        "columns": columns | drawn,
        "photos": encode_photos(first) if (first := first_images(study)) else [],
        "arrays": _in_order(chosen, {site: found.arrays for site, found in pictures.items()}),
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


def to_hundredths(score: float) -> float:
    """Round to what is printed."""
    return float(f"{score:.2f}")


def to_thousandths(score: float) -> float:
    """Round to three decimals that still round to the two that are printed.

    Examples
    --------
    >>> to_thousandths(0.87462), to_thousandths(0.87512), to_thousandths(0.125)
    (0.874, 0.876, 0.124)
    """
    rounded = round(score, 3)
    if round(1000 * rounded) % 10 == 5:
        rounded += 0.001 if to_hundredths(score) > rounded else -0.001
    return round(rounded, 3)


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
    sides = study.sides.partition_by("site", as_dict=True)
    here = chosen.partition_by("site", as_dict=True)
    scored = study.sites.filter("scored")["site"]
    return {
        site: draw_site(study, here[site,], sides[site,], longest)
        for site in scored
        if (site,) in here
    }


def _in_order(
    chosen: pl.DataFrame, drawn: Mapping[str, Mapping[str, list[Any]]]
) -> dict[str, list[Any]]:
    """Put what was drawn site by site into the order of the gallery."""
    names = next(iter(drawn.values()), {})
    rows = {site: zip(*columns.values(), strict=True) for site, columns in drawn.items()}
    ordered = [next(rows[site]) for site in chosen["site"]]
    return {name: [row[place] for row in ordered] for place, name in enumerate(names)}
