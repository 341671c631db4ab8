"""Figures of neurons: kernel, mean map as it is and with real surroundings, distributions."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.drawings import DIVERGING, SEQUENTIAL, ends_of
from padscope.figures.marks import PICTURE, pictured
from padscope.figures.theme import BLUE, GREEN, ORANGE
from padscope.findings.choice import choose_filters, strongest_side
from padscope.findings.distributions import distributions
from padscope.findings.neuron import flat, mean_maps, scale_of
from padscope.findings.neuron import neuron as find_neuron
from padscope.findings.words import shorten, visible
from padscope.study import Study

SHOWN = 6
POINTS = 160  # of a drawn distribution
CURVES = {"border": ORANGE, "border, real surroundings": GREEN, "core": BLUE}
FloatArray = NDArray[np.float64]


def neurons(study: Study) -> vl.Spec:
    """Draw the strongest filters, one a row; those that cannot be drawn are named."""
    rows: list[vl.Spec] = []
    refused: list[str] = []
    for site, index in choose_filters(study).select("site", "filter").iter_rows():
        if len(rows) == SHOWN:
            break
        try:
            rows.append(neuron(study, site, index))
        except PadscopeError as error:
            refused.append(visible(str(error)))
    if not rows:
        raise PadscopeError(next(iter(refused), "no filter could be measured"))
    words = {"title": f"Left out: {'; '.join(refused[:SHOWN])}"} if refused else {}
    return {"vconcat": rows, "spacing": 18} | words


def neuron(study: Study, site: str, index: int) -> vl.Spec:
    """Draw one filter: its kernel, its mean maps on one scale, and its distributions.

    Raises
    ------
    PadscopeError
        There is no such filter, or it could not be measured.
    """
    card = find_neuron(study, site, index)  # says what is wrong with a name
    side = card.row[strongest_side(study)] or card.row["side"]
    if side is None:
        raise PadscopeError(f"{site}/{index} could not be measured: it has one value everywhere")
    parts: list[vl.Spec] = []
    if card.kernel is not None:
        parts.append(_kernel(card.kernel))
    parts += _maps(study, site, index)
    place = [row["side"] for row in card.sides].index(side)
    parts.append(_curves(study, site, index, place))
    told = [f"KS {card.row['ks']:.2f}"] if card.row["ks"] is not None else []
    if card.row.get("causal_ks") is not None:
        told.append(f"causal KS {card.row['causal_ks']:.2f}")
    told += [str(card.row[name]) for name in ("kind", "origin") if card.row.get(name)]
    title = {
        "text": f"{shorten(visible(site), 60)}/{index}", "subtitle": f"{side}: {', '.join(told)}",
        "anchor": "start", "fontWeight": "bold",
    }  # fmt: skip
    return {"hconcat": parts, "spacing": 16, "title": title}


def _flat(values: FloatArray) -> FloatArray:
    """Give a picture of a kernel or map of 1 to 3 axes: a line, itself, or its central slice."""
    return flat(ends_of(values) if values.ndim == 1 else values)


def _kernel(total: FloatArray) -> vl.Spec:
    plane = _flat(total)
    limit = float(np.abs(plane[np.isfinite(plane)]).max(initial=0)) or 1.0
    return pictured(plane, -limit, limit, DIVERGING, f"kernel, ±{limit:.3g}")


def _maps(study: Study, site: str, index: int) -> list[vl.Spec]:
    maps = [_flat(m[0]) for m in mean_maps(study, site, [index])]
    low, high = scale_of(maps)
    words = [f"mean map, {low:.3g} to {high:.3g}"]
    if len(maps) > 1:
        words = ["as it is, padded", "real surroundings"]
    return [pictured(m, low, high, SEQUENTIAL, title) for m, title in zip(maps, words, strict=True)]


def _curves(study: Study, site: str, index: int, place: int) -> vl.Spec:
    found = distributions(study, site, np.array([index]), np.array([place]))
    low, high = (float(end[0]) for end in found.window())
    if not np.isfinite(high - low):
        raise PadscopeError(f"{site}/{index} has no distribution to draw")
    drawn = {"border": found.border, "core": found.core}
    if found.real:
        drawn["border, real surroundings"] = found.real
    x = np.linspace(low, high, POINTS)
    table = pl.concat(
        pl.DataFrame({"activation": x, "share": np.interp(x, *row), "where": name})
        for name, each in drawn.items()
        for row in zip(each.edges, each.values, strict=True)
    )
    known = {name: colour for name, colour in CURVES.items() if name in drawn}
    lines = vl.mark(
        "line", {"strokeWidth": 2},
        x=vl.quantity("activation", "activation", scale={"domain": [low, high], "nice": False}),
        y=vl.quantity("share", "share up to it", scale={"domain": [0, 1]}),
        color=vl.coloured("where", known),
    )  # fmt: skip
    return vl.data(table) | lines | {"width": 200, "height": PICTURE}
