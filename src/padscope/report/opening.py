"""The first screen: the answer, the network along its depth, one neuron, and the four rungs."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.errors import PadscopeError
from padscope.evidence import SMALL_MAP
from padscope.figures.depth import caption, depth
from padscope.figures.drawings import SEQUENTIAL, picture
from padscope.figures.rendering import inline
from padscope.findings.headline import Headline, headline
from padscope.findings.neuron import flat, mean_maps, scale_of
from padscope.findings.rungs import Rung, rungs
from padscope.findings.words import number
from padscope.study import Study

BOX = 150  # pixels of a map
VISIBLE = 28  # positions of a map's axis of which one is seen in such a box


@dataclass(frozen=True)
class Example:
    """One neuron, as the page opens with it.

    Attributes
    ----------
    site : str
    index : int
    maps : list of (str, Markup)
        Its mean map with padding, and with real surroundings where there are any.
    """

    site: str
    index: int
    maps: list[tuple[str, Markup]]


@dataclass(frozen=True)
class Opening:
    """What the page opens with.

    Attributes
    ----------
    found : Headline
    rungs : list of (Rung, list of (str, str, float))
        Each with what stands beside it: label, value, and the share of its bar.
    chart, narrow, caption : Markup, Markup, str
        The network along its depth; "" without scored sites.
    example : Example or None
        One of the strongest neurons; None if nothing responds.
    """

    found: Headline
    rungs: list[tuple[Rung, list[tuple[str, str, float]]]]
    chart: Markup
    narrow: Markup
    caption: str
    example: Example | None


def make_opening(study: Study) -> Opening:
    """Draw the first screen."""
    try:
        chart = inline(depth(study, titled=False))
        narrow = inline(depth(study, downwards=True, titled=False))
        told = caption(study)
    except PadscopeError:  # no site could be scored
        chart = narrow = Markup("")
        told = ""
    drawn = [(rung, _beside(rung)) for rung in rungs(study)]
    return Opening(headline(study), drawn, chart, narrow, told, _example(study))


def _beside(rung: Rung) -> list[tuple[str, str, float]]:
    end = max((each.high or each.value for each in rung.beside), default=0.0) or 1.0
    return [(each.label, each.written, max(each.value, 0.0) / end) for each in rung.beside]


def _example(study: Study) -> Example | None:
    """Choose a strong neuron, a frame if there is one, on a map of which a line can be seen."""
    large = {
        site: max(shape)
        for site, shape in study.sites.select("site", "map_size").iter_rows()
        if len(shape) == 2 and min(shape) >= SMALL_MAP
    }
    strongest = study.pans() if study.explanation else study.pans(label="strong")
    strongest = strongest.filter(pl.col("site").is_in(list(large)))
    seen = [site for site, longest in large.items() if longest <= VISIBLE]
    wanted = [pl.col("site").is_in(seen)]
    if "kind" in strongest.columns:
        wanted.insert(0, pl.col("kind") == "frame")
    strongest = strongest.sort(wanted, descending=True, maintain_order=True)
    if strongest.is_empty():
        return None
    site, index = strongest.select("site", "filter").row(0)
    maps = [flat(each[0]) for each in mean_maps(study, site, [index])]
    low, high = scale_of(maps)
    names = ("with padding", "with real surroundings") if len(maps) > 1 else ("mean response",)
    scale = f"from {number(low)} to {number(high)}"
    return Example(
        site, index,
        [
            (name, picture(each, low, high, SEQUENTIAL, BOX, f"Mean map {name}, {scale}"))
            for name, each in zip(names, maps, strict=True)
        ],
    )  # fmt: skip
