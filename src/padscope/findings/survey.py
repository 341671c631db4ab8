"""A survey of models: what became of each, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.evidence import CANDIDATE, CONFIRMED, RECOGNISED
from padscope.findings.comparison import comparison_listing, read_comparison, take
from padscope.findings.depth import depth_profile
from padscope.findings.headline import headline
from padscope.findings.json import SCHEMA, plain
from padscope.findings.listing import Listing
from padscope.findings.sites import window_of
from padscope.findings.words import NONE, number, percent
from padscope.sites.census import is_uneven, used_padding
from padscope.sites.geometry import Window
from padscope.study import Study
from padscope.tables import MEASURED
from padscope.tables.schema import SURVEY, SURVEY_SITES

DONE, NOT_FETCHED, FAILED, NOT_TRIED = "done", "not fetched", "failed", "not tried"
DOZEN, HUNDRED = 12, 100
ENDS = (("top", "bottom"), ("left", "right"), ("front", "back"), ("start", "end"))
# Properties of sites by which the survey's are divided: what it is called, and which have it.
PROPERTIES: tuple[tuple[str, pl.Expr], ...] = (
    ("in the first third", pl.col("depth") < 1 / 3),
    ("in the middle third", pl.col("depth").is_between(1 / 3, 2 / 3)),
    ("in the last third", pl.col("depth") > 2 / 3),
    ("map below 16 positions", pl.col("map") < 16),
    ("depthwise", pl.col("depthwise")),
    ("stride above 1", pl.col("strided")),
    ("stride above 1, uneven padding", pl.col("uneven")),
)


@dataclass(frozen=True)
class Survey:
    """Several models, measured or not.

    Attributes
    ----------
    table : polars.DataFrame
        See `padscope.tables.schema.SURVEY`.
    sites : polars.DataFrame
        See `padscope.tables.schema.SURVEY_SITES`.
    """

    table: pl.DataFrame
    sites: pl.DataFrame

    @classmethod
    def of(cls, rows: Iterable[tuple[Mapping[str, Any], pl.DataFrame]]) -> Survey:
        """Put together what `row_of` and `site_rows` give."""
        own, sites = zip(*rows, strict=True)
        return cls(SURVEY.frame(own), pl.concat([SURVEY_SITES.empty(), *sites]))

    @property
    def trained(self) -> pl.DataFrame:
        """The rows of explained networks whose weights are not known to be random."""
        explained = pl.col("recognises").is_not_null()
        return self.table.filter(explained & (pl.col("weights") != "random"))

    @property
    def left_out(self) -> pl.DataFrame:
        """The rows of models that were not measured to the end."""
        return self.table.filter(pl.col("state") != DONE)


def row_of(about: Mapping[str, Any], study: Study | None) -> dict[str, Any]:
    """Write the row of one model.

    Parameters
    ----------
    about : mapping
        Columns of `SURVEY` that are known without a study.
    study : Study or None
        None where there is none.
    """
    if study is None:
        return dict(about)
    row = take(about["run"], study).row
    for name in ("run", "model"):  # those of the survey
        row.pop(name)
    sites = site_rows(about["name"], study)
    return {
        **about, **row, "pixels": prod(study.size), "verdict": headline(study).title,
        **dict(sites.select(pl.col("depthwise", "strided", "uneven").sum()).row(0, named=True)),
        **(_recognising(study) if study.explanation else {}),
    }  # fmt: skip


def _recognising(study: Study) -> dict[str, Any]:
    sides = study.sides.join(
        study.filters.filter(MEASURED).select("site", "filter"), on=["site", "filter"], how="semi"
    )
    cuts = (("ks", CANDIDATE), ("causal", CONFIRMED), ("border_recall", RECOGNISED))

    def beyond(end: str) -> pl.Expr:
        return pl.all_horizontal(pl.col(f"{name}_{end}") >= cut for name, cut in cuts)

    def filters(condition: pl.Expr) -> int:
        return sides.filter(condition).select("site", "filter").unique().height

    own = study.filters.filter(MEASURED & pl.col("recognises"))
    origins = dict(own["origin"].drop_nulls().value_counts().iter_rows())
    at = dict(sides.filter("recognises")["side"].value_counts().iter_rows())
    return {
        "recognises_low": filters(pl.col("recognises") & beyond("low").fill_null(value=False)),
        "recognises_high": filters(pl.col("recognises") | beyond("high").fill_null(value=False)),
        **{side: at.get(side, 0) for side in sides["side"].unique(maintain_order=True)},
        **{name: origins.get(name, 0) for name in ("nascent", "inherited", "both", "neither")},
    }


def site_rows(name: str, study: Study) -> pl.DataFrame:
    """Write a row for every scored site of an explained study; see `SURVEY_SITES`."""
    profile = depth_profile(study)
    counts = {row["site"]: row for row in profile.iter_rows(named=True)}
    rows = []
    for row in study.sites.filter("scored").iter_rows(named=True):
        window = window_of(row)
        counted = counts[row["site"]]
        rows.append(
            {
                "name": name, "site": row["site"], "depth": counted["depth"],
                "map": min(row["map_size"]), "depthwise": 1 < row["groups"] == row["filters"],
                "strided": not window.transposed and max(row["stride"]) > 1,
                "uneven": is_uneven(window),
                "measured": counted["measured"],
            }
            | (_counts(counted, window) if study.explanation else {})
        )  # fmt: skip
    return SURVEY_SITES.frame(rows)


def _counts(counted: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """Count recognising filters, by side, and by which end of an axis has more padding."""
    pairs = [pair for pair in ENDS if pair[0] in counted]
    found = {"recognises": counted["counted"], "fuller": 0, "barer": 0}
    for (first, last), (before, after) in zip(pairs, used_padding(window), strict=True):
        found |= {first: counted[first], last: counted[last]}
        if before != after:
            more, less = (first, last) if before > after else (last, first)
            found["fuller"] += counted[more] or 0
            found["barer"] += counted[less] or 0
    return found


def survey_listing(survey: Survey) -> Listing:
    """List the models: what a comparison says, the answers, and what they are."""
    found = comparison_listing(survey.table)
    rows = []
    for (model, *cells), row in zip(found.rows, survey.table.iter_rows(named=True), strict=True):
        counted = cells[: len(_SHOWN)]
        if row["recognises_low"] is not None:
            between = f" [{row['recognises_low']:,} to {row['recognises_high']:,}]"
            counted[_SHOWN.index("recognises")] += between
        parameters = NONE if row["parameters"] is None else f"{row['parameters'] / 1e6:.2f}"
        rows.append(
            (
                model, row["weights"] or NONE, *counted, row["training"] or NONE,
                row["kernels"] or NONE, *cells[len(_SHOWN) :],
                *(NONE if row[name] is None else str(row[name]) for name in ("sites", "year")),
                NONE if row["accuracy"] is None else f"{row['accuracy']:.1f}",
                parameters, row["norms"] or NONE, number(row["seconds"]),
                row["verdict"] or row["state"],
            )
        )  # fmt: skip
    before, behind = found.headings[1 : len(_SHOWN) + 1], found.headings[len(_SHOWN) + 1 :]
    headings = (
        "model", "weights", *before, "training", "kernels", *behind, "sites", "year", "top-1 (%)",
        "parameters (M)", "normalisation", "s a pass", "what its page says",
    )  # fmt: skip
    words = frozenset(("weights", "training", "kernels", "normalisation", "what its page says"))
    links = {
        row["name"]: f"{row['run']}/report.html"
        for row in survey.table.filter(pl.col("filters").is_not_null()).iter_rows(named=True)
    }
    return Listing(headings, tuple(rows), words, links=links)


_SHOWN = ("filters", "responds", "caused", "recognises", "fresh", "matched")  # as they are listed


def side_listing(survey: Survey) -> Listing:
    """List at which sides, and where they come from, the recognising filters of each model are."""
    table = survey.table.filter(pl.col("recognises").is_not_null())
    sides = [side for pair in ENDS for side in pair if table[side].count()]
    columns = [*sides, "nascent", "inherited", "both", "neither"]
    return Listing(
        ("model", *columns),
        tuple(
            (row["name"], *(NONE if row[name] is None else f"{row[name]:,}" for name in columns))
            for row in table.iter_rows(named=True)
        ),
    )


def property_listing(survey: Survey) -> Listing:
    """List what part of the filters recognises the border at sites with some property.

    Models are pooled, and counted: in how many the share is greater there than elsewhere.
    """
    sites = survey.sites.join(survey.trained.select("name"), on="name", how="semi")
    rows = []
    for told, which in PROPERTIES:
        there = sites.filter(which)
        measured, recognising = (sum(there[name]) for name in ("measured", "recognises"))
        greater, compared = _greater(sites, which)
        rows.append(
            (
                told, f"{there.height:,}", f"{measured:,}", f"{recognising:,}",
                percent(recognising, measured) if measured else NONE,
                f"{greater} of {compared}" if compared else NONE,
            )
        )  # fmt: skip
    return Listing(
        ("sites", "number", "filters", "recognise", "share", "greater than elsewhere in"),
        tuple(rows),
    )


def _greater(sites: pl.DataFrame, which: pl.Expr) -> tuple[int, int]:
    """Count the models whose share is greater where a property holds, of those that have both."""
    shares = (
        sites.group_by("name", there=which, maintain_order=True)
        .agg(pl.col("recognises", "measured").sum())
        .filter(pl.col("measured") > 0)
        .with_columns(share=pl.col("recognises") / pl.col("measured"))
    )
    both = shares.filter("there").join(shares.filter(~pl.col("there")), on="name")
    return both.filter(pl.col("share") > pl.col("share_right")).height, both.height


def read_survey(survey: Survey) -> list[str]:
    """Put a survey into sentences."""
    trained = survey.trained
    if trained.is_empty():
        return [_read_state(survey)]
    return [_read_state(survey), *_read_counts(trained), *read_comparison(trained)]


def _read_state(survey: Survey) -> str:
    states = survey.table["state"].to_list()
    lost = [
        f"{states.count(state)} {told}"
        for state, told in ((NOT_FETCHED, "could not be fetched"), (FAILED, "failed"),
                            (NOT_TRIED, "not tried yet"))
        if state in states
    ]  # fmt: skip
    measured = f"{states.count(DONE)} of {plural(len(states), 'model')} measured"
    return f"{'; '.join([measured, *lost])}."


def _read_counts(trained: pl.DataFrame) -> Iterator[str]:
    rows = trained.sort("recognises", "name").select("name", "recognises").rows()
    counts = [count for _, count in rows]
    has = sum(count > 0 for count in counts)
    one = plural(len(rows), "network")
    verb = "has" if has == 1 else "have"
    told = f"{has} of {one}, random weights aside, {verb} filters that recognise the border"
    if len(rows) > 1:
        (least, few), (most, many) = rows[0], rows[-1]
        told += f": from {few:,} ({least}) to {many:,} ({most}), median {number(median(counts))}"
    yield f"{told}."
    dozens = sum(DOZEN <= count < HUNDRED for count in counts)
    hundreds = sum(count >= HUNDRED for count in counts)
    yield (
        f"{dozens} {'has' if dozens == 1 else 'have'} dozens ({DOZEN} to {HUNDRED - 1}), "
        f"{hundreds} {'has' if hundreds == 1 else 'have'} hundreds ({HUNDRED} or more)."
    )


def failures(survey: Survey) -> list[str]:
    """Name the models that were not measured to the end, and why."""
    return [
        f"{row['name']} ({row['state']}): {row['reason'] or 'the survey has not come to it'}"
        for row in survey.left_out.iter_rows(named=True)
    ]


def survey_json(survey: Survey) -> dict[str, Any]:
    """Gather a survey as plain values; see `padscope.findings.json`."""
    found = {
        "schema": SCHEMA,
        "models": survey.table,
        "sites": survey.sites,
        "sentences": read_survey(survey),
        "failures": dict(survey.left_out.select("name", "reason").iter_rows()),
    }
    return {name: plain(value) for name, value in found.items()}
