"""Kinds of filters: to which sides they answer, with which sign, and what their kernels do.

The kinds are those of Garcia-Gasulla et al. (arXiv:2309.08048), who sort padding-aware neurons by
their sides and describe their kernels and behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.counts import plural
from padscope.evidence import KINDS
from padscope.findings.once import once
from padscope.findings.words import listed, share
from padscope.regions import sides_of
from padscope.study import Study
from padscope.tables import MEASURED

EXCITED, INHIBITED, NEITHER = "excited", "inhibited", "neither"
TITLES = {
    "single": "One side",
    "adjacent": "Two sides that meet",
    "opposite-same": "Opposite sides, same sign",
    "opposite-opposed": "Opposite sides, opposed",
    "three": "Three sides",
    "frame": "All sides: frame",
    "several": "Four or five sides",
    "corner": "Corner alone (provisional)",
}
_BEHAVIOUR = {
    "single": "mark one side of the image",
    "adjacent": "mark two sides that meet",
    "opposite-same": "mark two opposite sides alike",
    "opposite-opposed": "rise at one side and fall at the opposite one: they tell where between "
    "the two a position lies",
    "three": "mark three sides",
    "frame": "mark the whole frame: they tell that the image ends, not where",
    "several": "mark four or five of the sides",
    "corner": "answer at a corner alone, which is few positions: provisional",
}
MOST_SETS = 4  # sets of sides that are named


@dataclass(frozen=True)
class Kind:
    """The filters of one kind.

    Attributes
    ----------
    name, title : str
    count, recognising : int
        Filters of the kind, and those of them that recognise the border.
    stability : float or None
        Mean share of resamples of the images that give the same kind.
    sentence : str
        Which sides, and whether padding raises or lowers their activations.
    kernels : str
        What their kernels do, beside those of other filters of the same sites; "" if no kernels
        were kept, or none has a line that lies on padding alone.
    """

    name: str
    title: str
    count: int
    recognising: int
    stability: float | None
    sentence: str
    kernels: str


def sign_of(polarity: float | None) -> str:
    """Name what padding does to the activations of a side.

    Examples
    --------
    >>> sign_of(0.9), sign_of(0.2), sign_of(0.5), sign_of(None)
    ('excited', 'inhibited', 'neither', 'neither')
    """
    if polarity is None or polarity == 0.5:
        return NEITHER
    return EXCITED if polarity > 0.5 else INHIBITED


def with_kind(study: Study) -> pl.DataFrame:
    """Select the filters of an explained study that have a kind: confirmed ones, and corners."""
    return study.filters.filter(
        (pl.col("kind") == "corner")
        | pl.col("kind").is_not_null() & (pl.col("label") == "confirmed")
    )


@once
def kinds(study: Study) -> tuple[Kind, ...]:
    """Describe the kinds that a study has filters of, in display order; none if not explained."""
    if study.explanation is None:
        return ()
    chosen, opposed = with_kind(study), _opposed(study)
    groups = {name: chosen.filter(pl.col("kind") == name) for name in KINDS}
    return tuple(_kind(name, own, opposed) for name, own in groups.items() if own.height)


def kind_sentence(study: Study) -> str:
    """Count the kinds in a sentence."""
    found = kinds(study)
    counts = ", ".join(f"{kind.name} {kind.count:,}" for kind in found)
    stability = with_kind(study)["stability"].mean() if found else None
    mean = f"; the same in {share(stability)} of resamples" if isinstance(stability, float) else ""
    return f"Kinds: {counts or 'none'}{mean}."


def _kind(name: str, own: pl.DataFrame, opposed: pl.DataFrame | None) -> Kind:
    stability = own["stability"].mean()
    steady = stability if isinstance(stability, float) else None
    told = f"{plural(own.height, 'filter')} {_BEHAVIOUR[name]}{_sides(name, own)}"
    if name != "opposite-opposed":  # whose signs are its name
        told += _signs(own)
    if steady is not None:
        told += f"; the same kind in {share(steady)} of resamples"
    kernels = "" if opposed is None or name == "corner" else _kernels(own, opposed)
    recognising = int(own["recognises"].sum())
    return Kind(name, TITLES[name], own.height, recognising, steady, f"{told}.", kernels)


def _sides(name: str, own: pl.DataFrame) -> str:
    column = own["causal_corner"] if name == "corner" else own["active"].list.join(" and ")
    counts = column.drop_nulls().value_counts(sort=True, name="n")
    first = counts.sort("n", column.name, descending=[True, False]).head(MOST_SETS).rows()
    if len(counts) < 2:
        return ""
    return f" ({', '.join(f'{sides} {count:,}' for sides, count in first)})"


def _signs(own: pl.DataFrame) -> str:
    counts = dict(own["sign"].drop_nulls().value_counts().iter_rows())
    told = [
        f"{counts[sign]:,} {words}"
        for sign, words in (
            (EXCITED, "excited by padding"), (INHIBITED, "inhibited"), ("mixed", "mixed"),
        )
        if counts.get(sign)
    ]  # fmt: skip
    return f": {listed(told)}" if told else ""


def _kernels(own: pl.DataFrame, opposed: pl.DataFrame) -> str:
    """Say how many kernels weigh their padded lines against the rest, beside other filters'."""
    sides = own.select("site", "filter", side="active").explode("side")
    mine = opposed.join(sides, on=["site", "filter", "side"], how="semi")
    if mine.is_empty():
        return ""
    places = mine.select("site", "side").unique()
    others = opposed.filter("other").join(places, on=["site", "side"], how="semi")
    told = (
        f"At {int(mine['opposed'].sum()):,} of their {plural(mine.height, 'side')} the weights "
        "that lie on padding sum to the opposite sign of the rest of the kernel, as in an edge "
        "detector"
    )
    if others.is_empty():
        return f"{told}."
    beside = share(float(np.asarray(others["opposed"], dtype=float).mean()))
    return f"{told}; the same holds for {beside} of the filters there that padding does not affect."


def _opposed(study: Study) -> pl.DataFrame | None:
    """Whether each filter weighs the lines of its kernel that lie on padding against the rest.

    Columns: ``site``, ``filter``, ``side``, ``opposed``, ``other`` (measured, and not confirmed).
    Sides without padding, and kernels no longer than it, are left out.
    """
    parts = []
    for site in study.sites.filter("scored").iter_rows(named=True):
        kept = study.kernels.get(site["site"])
        if kept is None or "transpose" in site["op"]:
            continue
        total: NDArray[np.float64] = kept.total.astype(np.float64)
        for side in sides_of(total.ndim - 1):
            pad = site["pad_after" if side.far else "pad_before"][side.axis]
            lines = ceil(pad / site["dilation"][side.axis])
            length = total.shape[1 + side.axis]
            if not 0 < lines < length:
                continue
            place = np.arange(length - lines, length) if side.far else np.arange(lines)
            others = tuple(range(1, total.ndim))
            outer = total.take(place, axis=1 + side.axis).sum(axis=others)
            rest = total.sum(axis=others) - outer
            parts.append(
                pl.DataFrame(
                    {
                        "site": site["site"], "filter": np.arange(len(total)), "side": side.name,
                        "opposed": outer * rest < 0,
                    }
                )
            )  # fmt: skip
    if not parts:
        return None
    left_alone = MEASURED & (pl.col("label") != "confirmed")
    labels = study.filters.select("site", "filter", other=left_alone)
    return pl.concat(parts).join(labels, on=["site", "filter"], how="left")
