"""The strongest filters of the gallery, one card each, drawn in the page itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from padscope.findings.neuron import mean_maps
from padscope.findings.recall_curve import RecallCurve, recall_curve
from padscope.findings.words import number, plural, size
from padscope.regions import sides_of
from padscope.report.card_causes import CardCause, card_cause, real_surroundings
from padscope.report.curves import Curves, accumulate, curve_plot, recall_plot, side_plot
from padscope.report.drawings import (
    DIVERGING,
    ENDS,
    SEQUENTIAL,
    ends_of,
    line_plot,
    picture,
    planes,
)
from padscope.report.photos import draw_photo, ends_of_firing, first_images
from padscope.scores import Statistic, listed_statistics
from padscope.study import Kernels, Study
from padscope.tables import RESOLUTION
from padscope.tallies import BINS

FloatArray = NDArray[np.float64]
LARGE = 40  # positions on an axis, above which a line of the map is too thin to see
CLOSE = 12  # positions along and away from a side in its close-up


@dataclass(frozen=True)
class Drawing:
    """One or more pictures under one heading.

    Attributes
    ----------
    pictures : sequence of (str, Markup)
        Caption and picture.
    low, high : float
        Least and greatest value, or what the ends of the colour scale stand for.
    scale : {"diverging", "sequential", ""}
        The colour scale; "" for a line.
    notes : sequence of str
        What must be known to read them.
    slices : sequence of (str, Markup)
        Of a kernel: input channel and its weights, strongest first, on the same scale.
    """

    pictures: Sequence[tuple[str, Markup]]
    low: float
    high: float
    scale: str
    notes: Sequence[str] = ()
    slices: Sequence[tuple[str, Markup]] = ()


@dataclass(frozen=True)
class Card:
    """What the page shows of one filter.

    Attributes
    ----------
    row : dict
        Its row of `Study.filters`.
    map_size : str
    flagged : bool
        Whether the bins may hide more of the KS than the page shows digits of.
    statistics : list of (str, str, str)
        Title, meaning and value of what is listed beside the KS.
    sides : Markup
        KS of every side and line.
    recall : RecallCurve
    recall_plot : Markup
        The same, drawn.
    kernel : Drawing or None
        None if it was not kept.
    mean_map : Drawing
    real_map : Drawing or None
        The same with real surroundings, on the same scale; None if there is none.
    close_up : Drawing or None
        The middle of the strongest side on the mean map, if the map is large.
    curves : Curves or None
        Border and core distributions at the strongest side.
    plot : Markup
        The same, drawn.
    photos : list of (str, list of Markup)
        On which images the strongest border fires most, and least; empty without pictures.
    cause : CardCause or None
        The second rung, if the study is explained.
    """

    row: dict[str, Any]
    map_size: str
    flagged: bool
    statistics: list[tuple[str, str, str]]
    sides: Markup
    recall: RecallCurve
    recall_plot: Markup
    kernel: Drawing | None
    mean_map: Drawing
    real_map: Drawing | None
    close_up: Drawing | None
    curves: Curves | None
    plot: Markup
    photos: list[tuple[str, list[Markup]]]
    cause: CardCause | None = None


def make_cards(study: Study, chosen: pl.DataFrame) -> list[Card]:
    """Draw filters.

    Parameters
    ----------
    study : Study
    chosen : polars.DataFrame
        Rows of `Study.filters`.
    """
    estimated = study.filters["impact"].count() if "impact" in chosen.columns else 0
    # Cards search the table of sides many times; they need only these rows of it.
    sides = study.sides.join(chosen, on=["site", "filter"], how="semi", maintain_order="left")
    study = replace(study, sides=sides)
    statistics = listed_statistics(chosen.columns)
    return [_make_card(study, row, statistics, estimated) for row in chosen.iter_rows(named=True)]


def _make_card(
    study: Study, row: dict[str, Any], statistics: Mapping[str, Statistic], estimated: int
) -> Card:
    site, index = row["site"], row["filter"]
    chosen = (pl.col("site") == site) & (pl.col("filter") == index)
    sides = study.sides.filter(chosen)
    map_size = study.sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]
    curves = distributions(study, site, index, row["side"])
    plot = Markup("")
    if curves:
        alt = (
            f"Cumulative distributions of the {row['side']} border and of the core: they lie "
            f"{curves.ks:.2f} apart at an activation of {number(curves.threshold)}"
        )
        if curves.real:
            others = "a replicated border" if row["real_context"] is False else "real surroundings"
            alt += f"; and of the same border positions with {others}"
        plot = curve_plot(curves, alt)
    maps = [mean[0] for mean in mean_maps(study, site, [index])]
    extent = _extent(np.stack(maps))
    cause = card_cause(row, sides, estimated) if study.explanation else None
    others = "border replicated ‡" if cause and cause.apart else "real surroundings"
    columns = sides.select("side", "ks", "ks_1", "ks_2", "ks_3").iter_rows()
    recall = recall_curve(study, site, index)
    assert recall is not None  # cards are of measured filters
    return Card(
        row,
        size(map_size),
        (row["ks_bound"] or 0) > RESOLUTION,
        [
            (each.title.replace(" ", "\N{NO-BREAK SPACE}"), each.meaning, each.write(row[name]))
            for name, each in statistics.items()
        ],
        side_plot([(name, profile) for name, *profile in columns], row["side"]),
        recall,
        recall_plot(recall),
        kernel_of(study, site, index),
        draw_map(maps[0], map_size, extent, "padded" if len(maps) > 1 else ""),
        draw_map(maps[1], map_size, extent, others) if len(maps) > 1 else None,
        draw_close_up(maps[0], row["side"], extent),
        curves,
        plot,
        _photos(study, site, index, sides["side"].to_list().index(row["side"])),
        cause,
    )


def _photos(study: Study, site: str, index: int, side: int) -> list[tuple[str, list[Markup]]]:
    first = first_images(study)
    if first is None or site not in first.borders:
        return []
    fired = first.borders[site][:, side, index].numpy()
    return [
        (end, [draw_photo(first, n, photo_alt(n, float(fired[n]))) for n in images[:, 0].tolist()])
        for end, images in zip(("most", "least"), ends_of_firing(fired[:, None]), strict=True)
    ]


def photo_alt(image: int, fired: float) -> str:
    """Say which image a photograph is, and what the border does on it."""
    return f"Image {image + 1}: mean activation {number(fired)} at the border"


def distributions(study: Study, site: str, index: int, side: str) -> Curves | None:
    """Give the counted border and core distributions of a filter, and the explained one."""
    names = study.sides.filter(pl.col("site") == site)["side"].unique(maintain_order=True).to_list()
    counts = study.counts_of(site)
    fine = counts.near(site).fine[:, index, :BINS].numpy().astype(np.int64)
    edges = counts.bins[site].edges()[index]
    # The compared regions are line 0 of every side, in the order of the table, then the core.
    curves = accumulate(fine[names.index(side)], fine[-1], edges)
    if curves and study.explanation:
        real = real_surroundings(study.explanation, site, index, names.index(side))
        return replace(curves, real=real)
    return curves


def kernel_of(study: Study, site: str, index: int) -> Drawing | None:
    """Draw a filter's kernel; None if the study has not kept it."""
    if site in study.kernels:
        return draw_kernel(study.kernels[site], index)
    for portrait in study.portraits:
        if (portrait.site, portrait.filter) == (site, index):
            return draw_kernel(Kernels.of(portrait.kernel[None]), 0)
    return None


def draw_kernel(kernels: Kernels, index: int) -> Drawing:
    """Draw a kernel's sum over its input channels and its strongest slices, on one scale.

    Parameters
    ----------
    kernels : Kernels
    index : int
        Of the filter.
    """
    total = kernels.total[index].double().numpy()
    parts = kernels.slices[index].double().numpy()
    shown = np.concatenate([total[None], parts])
    finite = np.abs(shown[np.isfinite(shown)])
    limit = float(finite.max(initial=0)) or 1.0
    pictures = [
        (name, picture(plane, -limit, limit, DIVERGING, 72, _kernel_alt(plane, kernels, name)))
        for name, plane in planes(total)
    ]
    slices = []
    for channel, part in zip(kernels.channels[index].tolist(), parts, strict=True):
        name, plane = planes(part)[0]
        alt = f"Weights for input channel {channel}{name and ', '}{name}"
        slices.append((str(channel), picture(plane, -limit, limit, DIVERGING, 30, alt)))
    notes = [] if np.isfinite(shown).all() else ["grey: not finite"]
    return Drawing(pictures, -limit, limit, "diverging", notes, slices)


def _kernel_alt(plane: FloatArray, kernels: Kernels, name: str) -> str:
    alt = f"Weights summed over {plural(kernels.inputs, 'input channel')}{name and ', '}{name}"
    if plane.size <= 25:
        rows = "; ".join(" ".join(number(weight, 2) for weight in row) for row in plane)
        return f"{alt}: {rows}"
    return alt


def draw_map(
    mean_map: FloatArray, map_size: Sequence[int], extent: tuple[float, float], told: str = ""
) -> Drawing:
    """Draw a mean map: 1D as a line, 2D as it is, 3D as its central planes.

    Parameters
    ----------
    mean_map : (*spatial) array
    map_size : sequence of int
        Of the map before it was thinned.
    extent : (float, float)
        What the ends of the scale stand for.
    told : str
        Which of two maps this is.
    """
    low, high = extent
    alt = f"Mean activation map of {size(map_size)} positions, from {number(low)} to {number(high)}"
    alt += told and f", {told}"
    notes = []
    if mean_map.ndim == 1:
        drawn = [("", line_plot(ends_of(mean_map), alt, extent))]
        if map_size[0] > 2 * ENDS:
            notes.append(f"first and last {ENDS} of {map_size[0]} positions")
    else:
        drawn = [
            (name, picture(plane, low, high, SEQUENTIAL, 112, f"{alt}{name and ', '}{name}"))
            for name, plane in planes(mean_map)
        ]
        if mean_map.shape != tuple(map_size):
            notes.append(f"thinned in the middle to {size(mean_map.shape)}")
    if holes := int((~np.isfinite(mean_map)).sum()):
        notes.append(f"not finite at {plural(holes, 'position')}")
    return Drawing(drawn, low, high, "sequential" if mean_map.ndim > 1 else "", notes)


def draw_close_up(mean_map: FloatArray, side: str, extent: tuple[float, float]) -> Drawing | None:
    """Enlarge the middle of a side of a large 2D map, in the map's own colours."""
    if mean_map.ndim != 2 or max(mean_map.shape) <= LARGE:
        return None
    chosen = next(s for s in sides_of(2) if s.name == side)
    spans = [slice(max(0, (n - CLOSE) // 2), (n + CLOSE) // 2) for n in mean_map.shape]
    spans[chosen.axis] = slice(-CLOSE, None) if chosen.far else slice(CLOSE)
    cut = mean_map[tuple(spans)]
    alt = f"The mean map close to the middle of its {side} side, {size(cut.shape)} positions"
    low, high = extent
    return Drawing([("", picture(cut, low, high, SEQUENTIAL, 72, alt))], low, high, "sequential")


def _extent(values: FloatArray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
