"""A card of one filter as HTML that stands in a notebook: no style sheet, no script, no file.

Lines and words take the colour of the notebook's text, so that they can be read on light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from padscope.evidence import RECOGNISED
from padscope.figures.drawings import DIVERGING, SEQUENTIAL, picture
from padscope.findings.neuron import Fact, FloatArray, Neuron, flat, neuron
from padscope.findings.recall_curve import RecallCurve
from padscope.findings.words import fixed, fixed_interval, visible
from padscope.study import Study

_BOX = 96  # CSS pixels of a picture's longer side
_LEFT, _RIGHT, _ROW = 58.0, 258.0, 30  # of the plot of sides: its scale, and the height of a side
_SEEN, _CAUSED = "#7b848c", "#0b7fc4"  # readable on white and on black


def text(words: str) -> str:
    r"""Escape a text, and show every character it has.

    Examples
    --------
    >>> text("<b>" + chr(0x202E))
    '&lt;b&gt;\\u202e'
    """
    return escape(visible(words))


@dataclass(frozen=True)
class FilterCard(Neuron):
    """What is known of one filter; a notebook shows it as a card."""

    def _repr_html_(self) -> str:
        pictures = []
        if self.kernel is not None:
            pictures.append(draw_picture("kernel, summed", flat(self.kernel), signed=True))
        pictures.append(draw_picture("mean map", flat(self.mean_map)))
        return draw_card(
            self.name, pictures, self.sides, self.facts, recall=self.recall,
            explained=self.explained,
        )  # fmt: skip


def make_card(study: Study, site: str, index: int) -> FilterCard:
    """Make the card of one filter; see `padscope.Study.card`."""
    return FilterCard(**vars(neuron(study, site, index)))


def draw_card(
    name: str,
    pictures: Sequence[str],
    sides: Sequence[Mapping[str, Any]],
    facts: Sequence[Fact],
    *,
    recall: RecallCurve | None,
    explained: bool,
) -> str:
    """Draw a card: pictures, distances by side, border recall, facts.

    Parameters
    ----------
    name : str
    pictures : sequence of str
        See `draw_picture`.
    sides : sequence of mapping
        Rows of `Study.sides`.
    facts : sequence of (str, str)
    recall : RecallCurve or None
    explained : bool
        Whether the sides have a causal KS.
    """
    listed = "".join(
        f'<tr><th style="text-align:left;font-weight:400;opacity:.7;padding:1px 12px 1px 0;'
        f'vertical-align:top;white-space:nowrap">{text(fact)}</th>'
        f'<td style="text-align:left;padding:1px 0">{text(value)}</td></tr>'
        for fact, value in facts
    )
    return (
        '<div style="font:13px/1.45 system-ui,sans-serif;max-width:46rem">'
        f'<div style="font:600 14px ui-monospace,monospace;overflow-wrap:anywhere"><bdi>'
        f"{text(name)}</bdi></div>"
        '<div style="display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start;margin:8px 0">'
        f"{''.join(pictures)}{_plot(sides, explained=explained)}"
        f"{_recall(recall) if recall else ''}</div>"
        f'<table style="border-collapse:collapse;border:0;font-size:13px">{listed}</table></div>'
    )


def draw_picture(title: str, values: FloatArray, *, signed: bool = False) -> str:
    """Draw (H, W) weights or a map; colours of what is `signed` are centred on zero."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if signed:
        high = max(-low, high) or 1.0
        low = -high
    ends = f"{low:.2g} … {high:.2g}"
    alt = f"{title}, {'×'.join(map(str, values.shape))}, {ends}"
    image = picture(values, low, high, DIVERGING if signed else SEQUENTIAL, _BOX, alt)
    styled = str(image).replace("<img", '<img style="image-rendering:pixelated;display:block"', 1)
    return (
        f'<figure style="margin:0"><figcaption style="opacity:.7">{title}</figcaption>'
        f'{styled}<small style="opacity:.7">{ends}</small></figure>'
    )


def _plot(sides: Sequence[Mapping[str, Any]], *, explained: bool) -> str:
    """Draw KS, and causal KS below it, of every side with their intervals."""
    bottom = _ROW * len(sides) + 20
    lines = "".join(
        f'<path d="M{_x(tick)} 16V{bottom - 2}" stroke="currentColor" stroke-opacity="{faint}"/>'
        f'<text x="{_x(tick)}" y="11" text-anchor="middle" opacity=".7">{tick:g}</text>'
        for tick, faint in ((0.0, 0.5), (0.5, 0.25), (1.0, 0.25))
    )
    rows, told = [], []
    for place, side in enumerate(sides):
        top = 20 + _ROW * place
        rows.append(f'<text x="0" y="{top + 15}">{text(side["side"])}</text>')
        rows.append(_interval(side, "ks", "KS", top + (8 if explained else 13), _SEEN))
        told.append(f"{side['side']} KS {fixed(side['ks'])}")
        if explained:
            rows.append(_interval(side, "causal", "caused", top + 20, _CAUSED))
            told.append(f"causal {fixed(side['causal_ks'])}")
    return (
        f'<svg width="430" height="{bottom}" viewBox="0 0 430 {bottom}" role="img" '
        f'aria-label="{text("; ".join(told))}" font-size="11" fill="currentColor" '
        f'style="max-width:100%;height:auto">{lines}{"".join(rows)}</svg>'
    )


def _recall(curve: RecallCurve) -> str:
    """Draw border recall against the share of content that passes, on a logarithmic axis."""
    left, right, top, bottom = 18, 168, 8, 68

    def place(at: float, value: float) -> str:
        return f"{left + (right - left) * at:.1f} {bottom - (bottom - top) * value:.1f}"

    line = "L".join(place(at, value) for at, value, _ in curve.points)
    dot = "".join(f"M{place(at, value)}h.01" for at, value, asked in curve.points if asked)
    ticks = "".join(
        f'<text x="{left + (right - left) * at:.1f}" y="{bottom + 14}" text-anchor="{anchor}" '
        f'opacity=".7">{label}</text>'
        for at, anchor, label in curve.ticks
    )
    return (
        '<figure style="margin:0"><figcaption style="opacity:.7">'
        f"border recall {curve.value}, {text(curve.side)}, by content</figcaption>"
        f'<svg width="180" height="88" viewBox="0 0 180 88" role="img" '
        f'aria-label="{text(curve.words)}" font-size="11" fill="none" style="max-width:100%">'
        f'<path d="M{left} {top}V{bottom}H{right}" stroke="currentColor" stroke-opacity=".5"/>'
        f'<path d="M{place(0, RECOGNISED)}H{right}" stroke="currentColor" stroke-opacity=".5" '
        'stroke-dasharray="2 3"/>'
        f'<path d="{line and f"M{line}"}" stroke="{_CAUSED}" stroke-width="2"/>'
        f'<path d="{dot}" stroke="{_CAUSED}" stroke-width="7" stroke-linecap="round"/>'
        f'<g fill="currentColor"><text x="{left - 5}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{left - 5}" y="{top + 8}" text-anchor="end">1</text>{ticks}</g></svg></figure>'
    )


def _interval(side: Mapping[str, Any], stem: str, title: str, y: int, colour: str) -> str:
    value, low, high = (side[name] for name in (_value_of(stem), f"{stem}_low", f"{stem}_high"))
    words = f"{title} {fixed(value)} {fixed_interval(low, high)}".rstrip()
    drawn = f'<text x="{_RIGHT + 10:g}" y="{y + 4}">{text(words)}</text>'
    if value is None:
        return drawn
    line = f"M{_x(low)} {y}H{_x(high)}" if low is not None else ""
    return (
        f'<path d="{line}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{_x(value)}" cy="{y}" r="3.5" fill="{colour}"/>{drawn}'
    )


def _value_of(stem: str) -> str:
    return "ks" if stem == "ks" else f"{stem}_ks"


def _x(share: float) -> str:
    return f"{_LEFT + (_RIGHT - _LEFT) * share:.1f}"
