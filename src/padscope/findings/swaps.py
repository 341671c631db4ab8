"""What is said of other padding: how much it gains or loses, and which targets take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from padscope.counts import plural
from padscope.findings.exports import TARGETS, taken_by
from padscope.findings.gains import Gain, gains_of
from padscope.findings.listing import Listing
from padscope.findings.measures import Measure, measure_of
from padscope.findings.words import NONE, number
from padscope.interventions.fill_told import tell_fill
from padscope.sites.fill_words import PARTIAL
from padscope.study import Swaps
from padscope.study.swaps_result import AS_IS, REESTIMATED

CONTROL = "shuffle"  # the swap that has the statistics of content, and none of its words


def is_reestimated(swap: str) -> bool:
    """Whether a swap has batch norms estimated anew under it."""
    return swap.endswith(REESTIMATED)


def swap_told(swap: str) -> str:
    """Tell how a swap pads."""
    return "by partial convolution" if swap == PARTIAL else tell_fill(swap)


def swap_sentences(swaps: Swaps) -> Iterator[str]:
    """Say what other padding does, and what the control does."""
    gains = gains_of(swaps.table, "swap")
    if not gains:
        yield (
            "Whether other padding is better cannot be told: give labels, a metric whose "
            "higher_is_better is set, or larger images, so that the border can be compared with "
            "real surroundings."
        )
    else:
        yield from _judged(gains)
    yield (
        f"Its own padding holds {' and '.join(swaps.held)}; weights are as they are. "
        f"Measured on {plural(swaps.counted, 'image')} ({swaps.images}); intervals at 95 %, "
        "over independent images."
    )
    yield from swaps.notes


def _judged(gains: list[Gain]) -> Iterator[str]:
    named = [gain for gain in gains if gain.name != CONTROL and not is_reestimated(gain.name)]
    what = gains[0].measure.title.lower()
    better, worse = ([gain for gain in named if gain.sign == sign] for sign in (1, -1))
    for gain in better:
        yield f"Padding {swap_told(gain.name)} improves the {what} by {gain.written}."
    if not better and named:
        yield f"No other padding improves the {what} beyond its interval."
    if worse:
        least, most = worse[0], worse[-1]
        told = f"{len(worse)} of {plural(len(named), 'swap')} cost {what}"
        if len(worse) == 1:
            yield f"{told}: {swap_told(least.name)} {least.written}."
        else:
            yield (
                f"{told}, from {least.written} ({swap_told(least.name)}) to {most.written} "
                f"({swap_told(most.name)})."
            )
    for gain in gains:
        if gain.name == AS_IS:
            verb = "improves" if gain.value > 0 else "costs"
            yield (
                "Estimating the statistics of batch norm anew has a price of its own: without any "
                f"swap, it {verb} {gain.written} of {what}."
            )
        if gain.name == CONTROL and gain.value:
            verb = "improves" if gain.value > 0 else "costs"
            yield (
                f"The control, the border of another image, {verb} {gain.written}: so much is "
                "due to other values beyond the border, whatever they show."
            )


def swap_listing(swaps: Swaps) -> Listing:
    """List every swap: what it changes by every measure, its work, and who takes it."""
    named = swaps.table.select("measure", "unit").unique("measure", maintain_order=True)
    measures = [measure_of(*row) for row in named.iter_rows()]
    rows = {(row["swap"], row["measure"]): row for row in swaps.table.iter_rows(named=True)}
    listed = []
    for swap in swaps.table["swap"].unique(maintain_order=True):
        cells = [_cell(rows.get((swap, measure.name)), measure) for measure in measures]
        added = next(row["added"] for (name, _), row in rows.items() if name == swap)
        taken = taken_by(swap)
        told = NONE if taken is None else "all" if len(taken) == len(TARGETS) else ", ".join(taken)
        listed.append((swap, *cells, number(added, 2), told or "none"))
    headings = ("padding", *(measure.heading for measure in measures), "values per multiply-add",
                "exported to")  # fmt: skip
    return Listing(
        headings, tuple(listed), frozenset({"exported to"}),
        "differences from the network as it is; exported to: targets with an operation for it",
    )  # fmt: skip


def _cell(row: dict[str, Any] | None, measure: Measure) -> str:
    if row is None:
        return NONE
    return f"{measure.figure(row['effect'])} {measure.between(row, 'low', 'high')}".rstrip()


def target_listing() -> Listing:
    """List what export targets call each padding, with the source that says so."""
    fills = list(dict.fromkeys(fill for target in TARGETS for fill in target.pads))
    headings = ("target", *fills, "source")
    rows = tuple(
        (target.name, *(target.pads.get(fill, NONE) for fill in fills), target.source)
        for target in TARGETS
    )
    return Listing(headings, rows, frozenset(headings))
