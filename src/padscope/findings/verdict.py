"""Are padding-aware neurons desirable in this model? The measured answer, under four headings.

The headings are those with which Garcia-Gasulla et al. (arXiv:2309.08048) close: performance,
generalisation, efficiency and safety. An interval that spans zero gives no verdict,
and neither do controls that could not show anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.findings.effects import spelt, use_sentence
from padscope.findings.once import once
from padscope.findings.words import chance, number, share
from padscope.images.element import told_length
from padscope.interventions import RECOGNISING_SET, SILENCE
from padscope.study.impact_result import (
    ANSWER_MEASURE,
    UNITS,
    Impact,
    beyond_controls,
    cannot_show,
    counted,
    no_interval,
)
from padscope.study.result import Study

ALL_VIEWS = {
    "shift": "moved", "size": "at another input size", "crop": "cropped differently",
}  # fmt: skip
# What is compared with the answer to the centred image: words, scale, unit.
STABILITY = {
    "kl": ("the answer diverges by {} nats from that to the centred image", 1, " nats"),
    "flip": ("{} % of the images get another class", 100, " points"),
    "change": ("the answer differs by {} from that to the centred image", 1, ""),
}


@dataclass(frozen=True)
class Heading:
    """What was found under one heading.

    Attributes
    ----------
    name : str
    sentences : tuple of str
        With the numbers, their intervals, and what stands beside them.
    decided : bool
        Whether any interval of it leaves out zero.
    advice : tuple of str
        What to do about it, where that is known.
    """

    name: str
    sentences: tuple[str, ...]
    decided: bool
    advice: tuple[str, ...]


@once
def verdict(study: Study) -> tuple[Heading, ...]:
    """Answer under four headings whether the model's padding-aware neurons are desirable.

    Raises
    ------
    PadscopeError
        The impact has not been measured.
    """
    impact = study.impact
    if impact is None:
        raise PadscopeError(f"there is no verdict before the impact is measured; {study.next}")
    found = (
        ("performance", _performance(impact)),
        ("generalisation", _generalisation(impact)),
        ("efficiency", _efficiency(impact)),
        ("safety", _safety(impact, len(study.size))),
    )
    headings = []
    for name, statements in found:
        told = list(statements) or [_Statement("Not measured; see the notes.", decided=False)]
        headings.append(
            Heading(
                name,
                tuple(s.sentence for s in told),
                any(s.decided for s in told),
                tuple(s.advice for s in told if s.advice),
            )
        )
    return tuple(headings)


@dataclass(frozen=True)
class _Statement:
    sentence: str
    decided: bool
    advice: str = ""


def _performance(impact: Impact) -> Iterator[_Statement]:
    row = impact.use
    if row is None:
        return
    yield _Statement(use_sentence(impact), decided=beyond_controls(row))
    metric = impact.identity["settings"].get("metric") or ""
    for name, what, scale, unit in (
        ("accuracy", "accuracy", 100, " points"),
        ("metric", f"the metric {metric}".rstrip(), 1, ""),
    ):  # fmt: skip
        changed = impact.headline_effect(name)
        if changed is not None:
            yield _worth(changed, what, scale, unit or f" {changed['unit'] or ''}".rstrip())
    if row["paired"] is not None:
        yield _beside_partners(row, UNITS[impact.answer])


def _beside_partners(row: dict[str, Any], unit: str) -> _Statement:
    """Say whether recognising the border goes beyond responding to it."""
    paired = plural(row["paired"], f"{row['set']} filter")
    told = (
        f"Undoing the {paired} that can be paired changes "
        f"the answer by {number(row['paired_effect'])} {unit}; undoing as many others, confirmed "
        f"but not recognising, of the same sites and like scale, by {number(row['partner'])}: "
        f"{spelt(row, 'beyond', 'beyond_low', 'beyond_high')} more (on {counted(row)})"
    )
    sign = _sign(row, "beyond_low", "beyond_high")
    closing = {
        1: "filters that recognise the border matter more than others that padding shifts",
        -1: "filters that recognise the border matter less than others that padding shifts",
        0: f"{_open(row, 'beyond_low')}, so no verdict",
    }[sign]
    return _Statement(f"{told}: {closing}.", decided=sign != 0)


def _worth(row: dict[str, Any], what: str, scale: float, unit: str) -> _Statement:
    """Say whether a score gets better or worse, beyond what it does for controls."""
    told = (
        f"It changes {what} by {spelt(row, 'effect', 'low', 'high', scale)}{unit} "
        f"(on {counted(row)})"
    )
    if not row["draws"]:
        return _Statement(f"{told}; {cannot_show(row)}, so no verdict.", decided=False)
    told += f", {spelt(row, 'excess', 'excess_low', 'excess_high', scale)} beyond the controls"
    sign = _sign(row, "excess_low", "excess_high")
    beyond = f"{spelt(row, 'excess', 'excess_low', 'excess_high', scale)}{unit}"
    if not sign:
        return _Statement(
            f"{told}: {_open(row, 'excess_low')}, so no verdict.",
            decided=False,
            advice=""
            if no_interval(row, "excess_low")
            else (
                f"Nothing here calls for other padding: with these filters undone, {what} "
                f"changes by {beyond} beyond its change with matched filters undone."
            ),
        )
    if row["higher_is_better"] is None:
        return _Statement(
            f"{told}: it is not known whether higher is better, so no verdict; set the "
            "attribute higher_is_better of its function.",
            decided=False,
        )
    helps = (sign < 0) == row["higher_is_better"]
    advice = (
        f"Keep the padding as it is: undoing these filters costs {what}"
        if helps
        else f"Try another padding: undoing these filters improves {what}"
    )
    return _Statement(
        f"{told}: on these images they {'help' if helps else 'hurt'}.",
        decided=True,
        advice=f"{advice} ({beyond} beyond the controls).",
    )


def _generalisation(impact: Impact) -> Iterator[_Statement]:
    if impact.views.is_empty():
        return
    undone = impact.views.filter(
        (pl.col("treatment") == "PANs undone") & pl.col("amount").is_null()  # all amounts together
    )
    for (view,), rows in undone.group_by(["view"], maintain_order=True):
        by_measure = {row["measure"]: row for row in rows.iter_rows(named=True)}
        yield _stability(str(view), by_measure, impact.headline)


def _stability(view: str, rows: Mapping[str, dict[str, Any]], undone: str | None) -> _Statement:
    """Say whether answers are steadier with them, if every measure says the same.

    A treatment that flattens answers lowers their divergence, and flips more of them.
    """
    told = [_steadiness(measure, row, undone) for measure, row in rows.items()]
    on = counted(next(iter(rows.values())))
    sentence = f"Image {ALL_VIEWS[view]} (on {on}): {'; '.join(told)}"
    signs = {_sign(row, "difference_low", "difference_high") for row in rows.values()}
    if len(signs) > 1 or not signs <= {-1, 1}:
        why = "the measures disagree"
        if not {-1, 1} <= signs:
            why = next(_open(row, "difference_low") for row in rows.values()
                       if not _sign(row, "difference_low", "difference_high"))  # fmt: skip
        return _Statement(f"{sentence}: {why}, so no verdict.", decided=False)
    steadier = "steadier" if signs == {1} else "less steady"
    return _Statement(f"{sentence}: with them the model is {steadier}.", decided=True)


def _steadiness(measure: str, row: dict[str, Any], undone: str | None) -> str:
    """Write one measure of steadiness, and how it changes when filters are undone."""
    what, scale, unit = STABILITY[measure]
    change = spelt(row, "difference", "difference_low", "difference_high", scale)
    control = row["control_difference"]
    controls = "" if control is None else f" (controls {number(scale * control)})"
    as_is = what.format(number(scale * (row["value"] - row["difference"])))
    return f"{as_is}, {change}{unit} more with the {undone} filters undone{controls}"


def _sign(row: Mapping[str, Any], low: str, high: str) -> int:
    """Sign of a value whose interval leaves out zero; 0 if it does not, or is not known."""
    if row[low] is None or row[high] is None:
        return 0
    return int(row[low] > 0) - int(row[high] < 0)


def _open(row: Mapping[str, Any], low: str) -> str:
    """Say why a value has no sign."""
    return no_interval(row, low) or "the interval spans zero"


def _efficiency(impact: Impact) -> Iterator[_Statement]:
    costs = {row["set"]: row for row in impact.costs.iter_rows(named=True)}
    if RECOGNISING_SET not in costs:
        return
    row = costs[RECOGNISING_SET]
    yield _Statement(
        "Filters that recognise the border, and hardly ever fire elsewhere: "
        f"{row['filters']:,} ({share(row['filters_share'])} of those at padded convolutions), with "
        f"{share(row['parameters_share'])} of the parameters and {share(row['macs_share'])} of the "
        "multiply-adds of these convolutions.",
        decided=False,
    )
    effect = impact.effect(RECOGNISING_SET, ANSWER_MEASURE[impact.answer], SILENCE)
    if effect is not None and effect["p"] is not None:
        yield _cost_of(effect, UNITS[impact.answer])


def _cost_of(row: dict[str, Any], unit: str) -> _Statement:
    told = (
        f"Pruning them changes the answer by {spelt(row, 'effect', 'low', 'high')} "
        f"{unit}, controls by {number(row['control'])} (p = {chance(row['p'])}, on {counted(row)})"
    )
    if why := cannot_show(row):
        return _Statement(f"{told}: {why}, so no verdict.", decided=False)
    if beyond_controls(row):
        return _Statement(f"{told}: the model would miss them.", decided=True)
    return _Statement(f"{told}: no more than controls, so no verdict.", decided=False)


def _safety(impact: Impact, axes: int) -> Iterator[_Statement]:
    measure = ANSWER_MEASURE[impact.answer]
    if impact.bands.is_empty():
        return
    rows = impact.bands.filter((pl.col("band") == "fill") & (pl.col("measure") == measure))
    if rows.is_empty():
        return
    row = rows.sort("width").row(-1, named=True)
    told = (
        f"A band of the padding's value, {told_length(row['width'], axes)} wide inside the image, "
        f"changes the answer by {spelt(row, 'value', 'low', 'high')} {UNITS[impact.answer]}, "
        f"{spelt(row, 'excess', 'excess_low', 'excess_high')} more than one of the mean colour "
        f"(on {counted(row)})"
    )
    sign = _sign(row, "excess_low", "excess_high")
    closing = {
        1: "a false border has more effect than its colour",
        -1: "a false border has less effect than its colour",
        0: f"{_open(row, 'excess_low')}, so no verdict",
    }[sign]
    yield _Statement(f"{told}: {closing}.", decided=sign != 0)
    yield from _spoofed(impact, row["width"])


def _spoofed(impact: Impact, width: int) -> Iterator[_Statement]:
    fired = impact.firing.filter((pl.col("width") == width) & pl.col("firing").is_not_null())
    if fired.is_empty():
        return
    weight = pl.col("filters") / pl.col("filters").sum()
    fill, colour, without = fired.select(
        (pl.col(name) * weight).sum() for name in ("firing", "mean_colour", "control")
    ).row(0)
    yield _Statement(
        f"At such a band the {impact.headline} filters give {share(fill)} of their answer to the "
        f"true border (median of each site, weighted by filters), at one of the mean colour "
        f"{share(colour)}, without any {share(without)} (on "
        f"{plural(fired['images'][0], 'image')}).",
        decided=False,
    )
