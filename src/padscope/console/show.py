"""A study, and one of its filters, drawn in the terminal.

Colours only repeat what characters say, so that nothing is lost without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from padscope.figures.drawings import DIVERGING, colour_cells
from padscope.findings.depth import depth_profile
from padscope.findings.headline import opening
from padscope.findings.kinds import sign_of
from padscope.findings.neuron import Neuron, flat
from padscope.findings.recall_curve import TICKS
from padscope.findings.words import fixed, fixed_interval, number, percent, share, shorten, visible
from padscope.regions import sides_of
from padscope.study import Study

FloatArray = NDArray[np.float64]
EIGHTHS = " ▏▎▍▌▋▊▉█"
HEIGHTS = "▁▂▃▄▅▆▇█"
BAR, SHORT_BAR = 20, 6  # characters of a full bar
LONGEST_NAME = 32
WRITTEN = 7  # a kernel up to so many columns has its weights written out
DEEPEST = 24  # positions of a border profile
LINES = 4  # lines of a side, from the border inwards, that have a KS
SIGNS = {"excited": "+", "inhibited": "−", "neither": "·"}
SIGN_STYLES = {"excited": "bold dark_orange", "inhibited": "bold dodger_blue1", "neither": "dim"}


def show_study(study: Study) -> RenderableType:
    """Draw a summary: the counts in sentences, and a bar for every site along the depth."""
    profile = depth_profile(study)
    what = "recognise the border" if study.explanation else "respond to the border"
    table = Table(
        box=None, pad_edge=False, title=f"Filters that {what}", title_justify="left",
        title_style="bold",
    )  # fmt: skip
    table.add_column("site", no_wrap=True)
    for name in ("filters", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    most = profile.sort("share", descending=True, nulls_last=True).row(0, named=True)
    table.add_column(f"up to {percent(most['counted'], most['measured'])}", no_wrap=True)
    for row in profile.iter_rows(named=True):
        drawn = bar((row["share"] or 0.0) / (most["share"] or 1.0), BAR)
        table.add_row(
            Text(shorten(visible(row["site"]), LONGEST_NAME)),
            f"{row['counted']:,} of {row['measured']:,}",
            percent(row["counted"], row["measured"]), Text(drawn, style="dodger_blue1"),
        )  # fmt: skip
    head = [Text(visible(study.model), style="bold"), Text(visible(study.images), style="dim")]
    said = [Text(visible(sentence)) for sentence in opening(study)]
    return Group(*head, Text(), *said, Text(), table)


def show_filter(card: Neuron) -> RenderableType:
    """Draw one filter: its kernel, its frame, its distances by side, and what it is called."""
    parts: list[RenderableType] = [Text(visible(card.name), style="bold"), Text()]
    pictures = list(_pictures(card))
    if pictures:
        beside = Table.grid(padding=(0, 4))
        beside.add_row(*pictures)
        parts += [beside, Text()]
    facts = Table.grid(padding=(0, 2))
    for name, value in card.facts:
        facts.add_row(Text(name, style="dim"), Text(visible(value)))
    return Group(*parts, _sides(card), Text(), *_recall(card), *_profile(card), facts)


def _pictures(card: Neuron) -> Iterator[RenderableType]:
    if card.kernel is not None:
        title = Text("kernel, summed over its inputs", style="dim")
        yield Group(title, *draw_kernel(flat(card.kernel)))
    if frame := list(draw_frame(card)):
        yield Group(Text("sides it answers to", style="dim"), *frame)


def bar(share: float, width: int) -> str:
    """Draw a share as a bar, to an eighth of a character; what is not 0 is seen.

    Examples
    --------
    >>> bar(0.5, 4), bar(0.001, 4), bar(0.0, 4)
    ('██', '▏', '')
    """
    eighths = min(round(8 * width * share), 8 * width)
    if share > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def heights(values: Sequence[float | None]) -> str:
    """Draw values between 0 and 1 as a row of columns; "·" where there is none.

    Examples
    --------
    >>> heights([1.0, 0.5, 0.0, None])
    '█▅▁·'
    """
    return "".join(
        "·" if value is None else HEIGHTS[round(7 * min(max(value, 0.0), 1.0))] for value in values
    )


def draw_kernel(kernel: FloatArray) -> Iterator[Text]:
    """Draw weights as coloured cells; those of a small kernel are written in them.

    Parameters
    ----------
    kernel : (H, W) array
    """
    most = float(np.abs(kernel[np.isfinite(kernel)]).max(initial=0.0)) or 1.0
    colours = colour_cells(kernel, -most, most, DIVERGING)
    written = kernel.shape[1] <= WRITTEN
    cells = [[_weight(weight, most, written=written) for weight in row] for row in kernel]
    width = max(cell_len(cell) for row in cells for cell in row)
    for row, shades in zip(cells, colours, strict=True):
        line = Text()
        for cell, shade in zip(row, shades.tolist(), strict=True):
            line.append(f"{cell:>{width}} " if written else cell, _on(shade))
        yield line


def _weight(weight: float, most: float, *, written: bool) -> str:
    """Write a weight; of a large kernel its sign, doubled from half the greatest weight on."""
    if written:
        return f" {weight:+.2g}".replace("-", "−")
    if not np.isfinite(weight):
        return "? "
    sign = "+" if weight > 0 else "−"
    return "· " if abs(weight) < most / 8 else f"{sign} " if abs(weight) < most / 2 else sign * 2


def _on(shade: Sequence[int]) -> Style:
    """Return black or white on a colour, whichever is read better."""
    red, green, blue = shade
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    return Style(color="black" if bright else "white", bgcolor=f"rgb({red},{green},{blue})")


def draw_frame(card: Neuron) -> Iterator[Text]:
    """Draw which sides of a 2D map a filter answers to: + where it is excited, − where inhibited.

    Nothing for maps of one and three axes, whose sides the facts name.
    """
    active = set(card.row.get("active") or ())
    signs = {
        side["side"]: sign_of(side["causal_polarity"])
        for side in card.sides
        if side["side"] in active
    }
    if not signs or len(card.map_size) != 2:
        return

    def edge(side: str, line: str, times: int = 1) -> Text:
        if side not in signs:
            return Text(line * times, style="dim")
        return Text(SIGNS[signs[side]] * times, style=SIGN_STYLES[signs[side]])

    corner = {name: Text(shape, style="dim") for name, shape in zip("abcd", "┌┐└┘", strict=True)}
    yield Text.assemble(corner["a"], edge("top", "─", 7), corner["b"])
    for _ in range(2):
        yield Text.assemble(edge("left", "│"), " " * 7, edge("right", "│"))
    yield Text.assemble(corner["c"], edge("bottom", "─", 7), corner["d"])


def _sides(card: Neuron) -> Table:
    """Distances of every side, with intervals, and by line from the border inwards."""
    deeper = f"lines: the same for lines 0–{LINES - 1}, from the border inwards"
    table = Table(box=None, pad_edge=False, caption=deeper, caption_justify="left")
    table.add_column("side")
    stems = [("ks", "ks", "KS", "dim")]
    if card.explained:
        stems.append(("causal_ks", "causal", "causal KS", "dodger_blue1"))
    for _, _, title, _ in stems:
        for heading in (title, "[95 %]", "lines"):
            table.add_column(Text(heading), no_wrap=True)
    for side in card.sides:
        cells: list[RenderableType] = [Text(side["side"])]
        for column, stem, _, style in stems:
            cells += _cells(side, column, stem, style)
        table.add_row(*cells)
    return table


def _cells(side: Mapping[str, Any], column: str, stem: str, style: str) -> Iterator[Text]:
    value, low, high = side[column], side[f"{stem}_low"], side[f"{stem}_high"]
    yield Text.assemble(
        f"{fixed(value):>4}", " ", (f"{bar(value or 0.0, SHORT_BAR):<{SHORT_BAR}}", style)
    )
    yield Text(fixed_interval(low, high))
    yield Text(heights([value, *(side[f"{stem}_{line}"] for line in range(1, LINES))]))


def _recall(card: Neuron) -> Iterator[Text]:
    """Draw border recall by the share of content that passes."""
    if (curve := card.recall) is None:
        return
    told = dict(zip(curve.contents, curve.recall, strict=True))
    ends = ", ".join(
        f"{share(part)}: {fixed(told[part])}" for part in sorted({*TICKS, curve.content})
    )
    yield Text.assemble(
        (f"border recall at the {curve.side} by content that passes  ", "dim"),
        heights(curve.recall), (f"  {ends}", "dim"),
    )  # fmt: skip
    yield Text()


def _profile(card: Neuron) -> Iterator[Text]:
    """Draw the mean activation from the strongest side inwards."""
    side = card.row.get("causal_side") or card.row["side"]
    if side is None:
        return
    values = border_profile(card, side)[:DEEPEST]
    known = values[np.isfinite(values)]
    if not len(known):
        return
    low, high = float(known.min()), float(known.max())
    shares = (values - low) / ((high - low) or 1.0)
    drawn = heights([float(share) if np.isfinite(share) else None for share in shares])
    yield Text.assemble(
        (f"mean activation from the {side} inwards  ", "dim"), drawn,
        (f"  {number(low)} to {number(high)}", "dim"),
    )  # fmt: skip
    yield Text()


def border_profile(card: Neuron, side: str) -> FloatArray:
    """Mean activation of every line of the mean map, from a side to the middle.

    Returns
    -------
    (D,) float64 array
        D is half the lines of the kept map, rounded up.
    """
    mean_map = card.mean_map
    chosen = next(end for end in sides_of(mean_map.ndim) if end.name == side)
    others = tuple(axis for axis in range(mean_map.ndim) if axis != chosen.axis)
    lines: FloatArray = mean_map.mean(axis=others) if others else mean_map
    inwards = lines[::-1] if chosen.far else lines
    return inwards[: (len(lines) + 1) // 2]
