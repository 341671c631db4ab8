"""What the gallery shows of the filters of one site, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.findings.neuron import mean_maps
from padscope.findings.words import size
from padscope.report.gallery.arrays import (
    Pictures,
    encode_rows,
    flatten_pictures,
    quantise_levels,
    quantise_scores,
    quantise_weights,
    thin_maps,
    thinned_cells,
)
from padscope.report.gallery.curves import Points, Shares, choose_points, cumulate_rows
from padscope.report.photos import ends_of_firing, first_images
from padscope.study import Kernels, Study
from padscope.tables.responses import REPORTED_LINES
from padscope.tallies import BINS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SLICES = 4  # input channels shown of a kernel
MAP_BYTES = 3_000_000  # of all maps together; they are thinned more if they would take more
LONGEST = (48, 32, 24, 16, 12, 8)  # longest axis of a thinned map, as many as may be


@dataclass(frozen=True)
class SitePictures:
    """Pictures of chosen filters of one site.

    Attributes
    ----------
    sides : list of str
        The site's sides.
    kernel, slices, maps : list of (str, int, int)
        Name, rows and columns of the pictures of a kernel's sum, of one slice, and of a map; the
        first two are empty if kernels were not kept.
    channels : list of list of int
        Input channels of each filter's slices.
    inputs : int
        Input channels of a kernel.
    thinned : str
        What is left of a map that was thinned; "" if it is whole.
    arrays : dict of list of str
        ``kernel``, ``map``, ``pair``, ``real``, ``sides``, ``recall``: base64 of each filter; of an
        explained site ``map`` holds the map as it is, then that with real surroundings.
    photos : dict of list of list of int
        ``most``, ``least``: images on which each filter's border fires so; empty without pictures.
    numbers : dict of arrays
        ``limit`` (of weights), ``mapLow``, ``mapHigh``, ``low``, ``high``, ``threshold``.
    """

    sides: list[str]
    kernel: list[tuple[str, int, int]]
    slices: list[tuple[str, int, int]]
    maps: list[tuple[str, int, int]]
    channels: list[list[int]]
    inputs: int
    thinned: str
    arrays: dict[str, list[str]]
    photos: dict[str, list[list[int]]]
    numbers: dict[str, FloatArray]


def longest_axis(study: Study, chosen: pl.DataFrame) -> int:
    """Choose how far maps are thinned, so that those of all chosen filters fit the page."""
    counts = chosen.group_by("site").len().join(study.sites, on="site").select("len", "map_size")
    maps = 2 if study.explanation else 1  # as it is, and with real surroundings
    for longest in LONGEST:
        cells = sum(maps * count * thinned_cells(size, longest) for count, size in counts.rows())
        if cells <= MAP_BYTES:
            return longest
    return LONGEST[-1]


def draw_site(
    study: Study,
    site: str,
    sides: pl.DataFrame,
    filters: IntArray,
    places: IntArray,
    recalled: IntArray,
    longest: int,
) -> SitePictures:
    """Draw chosen filters of a site.

    Parameters
    ----------
    study : Study
    site : str
    sides : polars.DataFrame
        Its rows of `Study.sides`.
    filters : (C,) int64 array
        Their indices.
    places : (C,) int64 array
        Which side's distributions are drawn of each.
    recalled : (C,) int64 array
        Which side's border recall.
    longest : int
        Positions left of a map's axis.
    """
    kernels = study.kernels.get(site)
    weights, slices, drawn = _draw_kernels(kernels, filters) if kernels else ([], [], None)
    whole = mean_maps(study, site, filters.tolist())
    thinned = [thin_maps(each, longest) for each in whole]
    maps = [flatten_pictures(each) for each in thinned]
    # Both maps of a filter on one scale: what differs between them is seen.
    levels, low, high = quantise_levels(np.concatenate([each.cells for each in maps], axis=1))
    points = site_points(study, site, filters, places)
    arrays = {
        "kernel": encode_rows(drawn[0]) if drawn else [""] * len(filters),
        "map": encode_rows(levels),
        "pair": encode_rows(points.pair),
        "real": encode_rows(points.real),
        "sides": encode_rows(quantise_scores(_side_scores(study, sides, filters))),
        "recall": encode_rows(quantise_scores(study.recall_curves(site, filters, recalled))),
    }
    numbers = {
        "limit": drawn[1] if drawn else np.full(len(filters), np.nan),
        "mapLow": low, "mapHigh": high,
        "low": points.low, "high": points.high, "threshold": points.threshold,
    }  # fmt: skip
    return SitePictures(
        names_of(sides), weights, slices, maps[0].shapes,
        kernels.channels[filters.tolist(), :SLICES].tolist() if kernels else [],
        kernels.inputs if kernels else 0,
        _what_is_left(study, site, whole[0], thinned[0]), arrays,
        _photos_of(study, site, filters, places), numbers,
    )  # fmt: skip


def _photos_of(
    study: Study, site: str, filters: IntArray, places: IntArray
) -> dict[str, list[list[int]]]:
    first = first_images(study)
    if first is None or site not in first.borders:
        return {end: [[] for _ in filters] for end in ("most", "least")}
    most, least = ends_of_firing(np.asarray(first.borders[site])[:, places, filters])
    return {"most": most.T.tolist(), "least": least.T.tolist()}


def _what_is_left(study: Study, site: str, whole: FloatArray, thinned: FloatArray) -> str:
    full = study.sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]
    if thinned.shape[1:] == tuple(full):
        return ""
    if whole.ndim == 2:
        return f"first and last positions of {full[0]}"
    return f"thinned in the middle to {size(thinned.shape[1:])}"


def _draw_kernels(
    kernels: Kernels, filters: IntArray
) -> tuple[
    list[tuple[str, int, int]],
    list[tuple[str, int, int]],
    tuple[NDArray[np.uint8], FloatArray],
]:
    chosen = filters.tolist()
    total = flatten_pictures(kernels.total[chosen].astype(np.float64))
    slices = kernels.slices[chosen, :SLICES].astype(np.float64)
    cells, shapes = [total.cells], []
    for place in range(slices.shape[1]):
        pictures = _first(flatten_pictures(slices[:, place]))
        shapes = pictures.shapes
        cells.append(pictures.cells)
    return total.shapes, shapes, quantise_weights(np.concatenate(cells, axis=1))


def _first(pictures: Pictures) -> Pictures:
    """Keep the first picture alone: the central plane of a slice of a 3D kernel."""
    rows, columns = pictures.shapes[0][1:]
    return Pictures(pictures.shapes[:1], pictures.cells[:, : rows * columns])


def site_points(study: Study, site: str, filters: IntArray, places: IntArray) -> Points:
    """Choose the points to draw of chosen filters' distributions at one side each."""
    counts = study.counts_of(site)
    fine = np.asarray(counts.near(site).fine)
    edges = counts.bins[site].edges()[filters]
    # The compared regions are line 0 of every side, in the order of the table, then the core.
    border = cumulate_rows(_binned(fine[places, filters]), edges)
    core = cumulate_rows(_binned(fine[-1, filters]), edges)
    return choose_points(border, core, _real_shares(study, site, filters, places))


def _real_shares(study: Study, site: str, filters: IntArray, places: IntArray) -> Shares | None:
    if study.explanation is None:
        return None
    contrasted = study.explanation.counts
    tally, bins = contrasted.near_real(site), contrasted.bins.get(site)
    if tally is None or bins is None:
        return None
    counts = _binned(np.asarray(tally.fine)[places, filters])
    return cumulate_rows(counts, bins.edges()[filters])


def _binned(counts: NDArray[np.integer[Any]]) -> IntArray:
    """Leave out what lies in no bin."""
    return counts[:, :BINS].astype(np.int64)


def _side_scores(study: Study, table: pl.DataFrame, filters: IntArray) -> FloatArray:
    """KS, then causal KS, of every side and line: (C, sides, 4 or 8), NaN where unmeasured."""
    columns = ["ks", *(f"ks_{line}" for line in REPORTED_LINES)]
    if study.explanation:
        columns += ["causal_ks", *(f"causal_{line}" for line in REPORTED_LINES)]
    values = table.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    by_filter: FloatArray = values.reshape(-1, len(names_of(table)), len(columns))[filters]
    return by_filter


def names_of(sides: pl.DataFrame) -> list[str]:
    """Names of a site's sides, in the order of the table."""
    return sides["side"].unique(maintain_order=True).to_list()


def sides_at(sides: Sequence[str], names: Sequence[str | None]) -> IntArray:
    """Places of sides among those of a site; the first for none."""
    places = {name: place for place, name in enumerate(sides)}
    return np.array([places.get(name or "", 0) for name in names], dtype=np.int64)
