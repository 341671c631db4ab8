"""What is said of input sizes: where strides are uneven, and what other sizes do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from padscope.counts import plural
from padscope.findings.gains import Gain, gain_of, judge_of
from padscope.findings.listing import Listing
from padscope.findings.measures import measure_of
from padscope.findings.words import NONE, number, visible
from padscope.findings.words import size as written
from padscope.images.element import elements
from padscope.study import Sizes

NAMED = 5  # sites named in a sentence
EVEN, CONTROL, OTHER_END = "even", "control", "other end"


def describe_uneven(uneven: Sequence[str], size: Sequence[int], even: Sequence[int] | None) -> str:
    """Name the strided sites that are padded more at one end, and a size at which none is.

    Parameters
    ----------
    uneven : sequence of str
        Names of the sites.
    size, even : sequence of int
        Pixels of the input, and of the nearest one that is even; None if there is none near.

    Examples
    --------
    >>> describe_uneven([], (224, 224), None)
    'At 224×224 every site with a stride sees as much padding at both ends.'
    """
    if not uneven:
        return f"At {written(size)} every site with a stride sees as much padding at both ends."
    named = ", ".join(map(visible, uneven[:NAMED])) + (" and more" if len(uneven) > NAMED else "")
    told = f"at {written(even)} none does" if even else "no size near it makes all of them even"
    return (
        f"At {written(size)}, {plural(len(uneven), 'site')} with a stride "
        f"{'sees' if len(uneven) == 1 else 'see'} more padding at one end than at the other "
        f"({named}); {told}."
    )


def size_gains(sizes: Sizes) -> list[tuple[tuple[int, ...], str, Gain]]:
    """Give size, change and gain of all that was tried; none where no measure judges."""
    judge = judge_of(sizes.table)
    return [
        (tuple(row["size"]), row["change"], gain_of(row, written(row["size"])))
        for row in sizes.table.iter_rows(named=True)
        if row["measure"] == judge
    ]


def size_sentences(sizes: Sizes) -> Iterator[str]:
    """Say where padding is uneven, at which sizes it is not, and what these do."""
    nearest = min(sizes.even, key=lambda each: abs(each[0] - sizes.size[0]), default=None)
    yield describe_uneven(sizes.parity["site"].to_list(), sizes.size, nearest)
    if sizes.parity.is_empty():
        yield from sizes.notes
        return
    steps = max(abs(step) for row in sizes.parity["steps"] for step in row)
    yield (
        "In a framework that puts the odd line at the other end, their windows are shifted by up "
        f"to {number(steps)} strides."
    )
    yield from _effects(sizes)
    yield from sizes.notes
    if sizes.counted:
        yield (
            f"Measured on {plural(sizes.counted, 'image')} ({sizes.images}), inputs cut out of the "
            "centre of the same canvases; intervals at 95 %, over independent images."
        )


def _effects(sizes: Sizes) -> Iterator[str]:
    found = size_gains(sizes)
    if not found and not sizes.table.is_empty():
        yield (
            "Whether another size is better cannot be told without labels, or a metric whose "
            "higher_is_better is set; the table has how far the answers move."
        )
    for pixels, change, gain in found:
        said = {
            EVEN: f"{written(pixels)}, even",
            CONTROL: f"{written(pixels)}, as far off and uneven",
            OTHER_END: f"{written(pixels)} with padding at the other end",
        }[change]
        yield f"{said}: {_judged(gain)}."


def _judged(gain: Gain) -> str:
    what = gain.measure.title.lower()
    if gain.sign > 0:
        return f"improves the {what} by {gain.written}"
    if gain.sign < 0:
        return f"costs {gain.written} of {what}"
    return f"no difference in {what} beyond the interval ({gain.written} {gain.direction})"


def size_listing(sizes: Sizes) -> Listing:
    """List all that was tried: what it changes by every measure, and its work."""
    named = sizes.table.select("measure", "unit").unique("measure", maintain_order=True)
    measures = [measure_of(*row) for row in named.iter_rows()]
    rows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in sizes.table.iter_rows(named=True):
        rows.setdefault((written(row["size"]), row["change"]), {})[row["measure"]] = row
    listed_rows = []
    for (pixels, change), by_measure in rows.items():
        first = next(iter(by_measure.values()))
        cells = [
            f"{measure.figure(found['effect'])} {measure.between(found, 'low', 'high')}".rstrip()
            if (found := by_measure.get(measure.name))
            else NONE
            for measure in measures
        ]
        uneven = NONE if change == OTHER_END else f"{first['uneven']:,}"
        listed_rows.append((f"{pixels} {change}", uneven, f"{first['work']:.3g}", *cells))
    unit = elements(len(sizes.size))
    headings = ("size", "uneven sites", unit, *(measure.heading for measure in measures))
    return Listing(
        headings, tuple(listed_rows), frozenset(),
        f"differences from {written(sizes.size)}; {unit} relative to it",
    )  # fmt: skip


def size_parts(sizes: Sizes) -> list[Listing]:
    """Give the tables that have rows: sites, and what was tried."""
    return [each for each in (parity_listing(sizes), size_listing(sizes)) if each.rows]


def parity_listing(sizes: Sizes) -> Listing:
    """List the sites whose strides are uneven, and by how much the other end differs."""
    rows = tuple(
        (
            row["site"], row["op"], *(written(row[key]) for key in ("stride", "before", "after")),
            " ".join(number(step) for step in row["steps"]), "yes" if row["movable"] else "no",
        )
        for row in sizes.parity.iter_rows(named=True)
    )  # fmt: skip
    return Listing(
        ("site", "op", "stride", "padding before", "after", "strides to the other end", "moved"),
        rows, frozenset({"op", "moved"}),
    )  # fmt: skip
