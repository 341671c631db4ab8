"""What the gallery shows of the filters of one site, as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.evidence import SMALL_MAP
from padscope.findings.distributions import distributions
from padscope.findings.neuron import mean_maps
from padscope.findings.words import size, visible
from padscope.report.gallery.arrays import (
    encode_rows,
    flatten_pictures,
    quantise_levels,
    quantise_scores,
    quantise_weights,
    significant,
    thin_maps,
    thinned_cells,
)
from padscope.report.gallery.curves import choose_points
from padscope.report.photos import ends_of_firing, first_images
from padscope.study import Kernels, Study
from padscope.tables.responses import REPORTED_LINES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SLICES = 4  # input channels shown of a kernel
MAP_BYTES = 3_000_000  # of all maps together; they are thinned more if they would take more
LONGEST = (48, 32, 24, 16, 12, 8)  # longest axis of a thinned map, as many as may be


@dataclass(frozen=True)
class SitePictures:
    """Pictures of C chosen filters of one site.

    Attributes
    ----------
    shared : dict
        What they share: the site's ``name``, map and sides; ``kernel``, ``slice``, ``maps``: name,
        rows and columns of the pictures of a kernel's sum, of one slice of it, and of a map.
    arrays : dict of list of str
        ``kernel``, ``map``, ``pair``, ``real``, ``sides``, ``recall``: base64 of each filter; of an
        explained site ``map`` holds the map as it is, then that with real surroundings.
    columns : dict of list
        ``limit`` (of weights), ``mapLow``, ``mapHigh``, ``low``, ``high``, ``threshold``: numbers;
        ``channels``: input channels of its slices; ``most``, ``least``: images on which its border
        fires so.
    """

    shared: dict[str, Any]
    arrays: dict[str, list[str]]
    columns: dict[str, list[Any]]


def longest_axis(study: Study, chosen: pl.DataFrame) -> int:
    """Choose how far maps are thinned, so that those of all chosen filters fit the page."""
    counts = chosen.group_by("site").len().join(study.sites, on="site").select("len", "map_size")
    maps = 2 if study.explanation else 1  # as it is, and with real surroundings
    for longest in LONGEST:
        cells = sum(maps * count * thinned_cells(size, longest) for count, size in counts.rows())
        if cells <= MAP_BYTES:
            return longest
    return LONGEST[-1]


def draw_site(study: Study, here: pl.DataFrame, sides: pl.DataFrame, longest: int) -> SitePictures:
    """Draw chosen filters of a site.

    Parameters
    ----------
    study : Study
    here : polars.DataFrame
        Their rows of `Study.filters`.
    sides : polars.DataFrame
        Rows of `Study.sides` of all filters of the site.
    longest : int
        Positions left of a map's axis.
    """
    site, filters = here["site"][0], here["filter"].to_numpy().astype(np.int64)
    shape = study.sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]
    names = sides["side"].unique(maintain_order=True).to_list()
    places = _sides_at(names, here["side"])
    recalled = _sides_at(names, here["recall_side"]) if "recall_side" in here.columns else places
    kernel = _draw_kernels(study.kernels.get(site), filters)
    whole = mean_maps(study, site, filters.tolist())
    thinned = [thin_maps(each, longest) for each in whole]
    maps = [flatten_pictures(each) for each in thinned]
    # Both maps of a filter on one scale: what differs between them is seen.
    levels, low, high = quantise_levels(np.concatenate([each.cells for each in maps], axis=1))
    drawn = distributions(study, site, filters, places)
    points = choose_points(drawn)
    scores = _side_scores(study, sides, len(names))[filters]
    arrays = {
        "kernel": kernel.pop("bytes"),
        "map": encode_rows(levels),
        "pair": encode_rows(points.pair),
        "real": encode_rows(points.real),
        "sides": encode_rows(quantise_scores(scores)),
        "recall": encode_rows(quantise_scores(study.recall_curves(site, filters, recalled))),
    }
    numbers = {
        "limit": kernel.pop("limits"), "mapLow": low, "mapHigh": high,
        "low": points.low, "high": points.high, "threshold": drawn.threshold,
    }  # fmt: skip
    columns = {name: [significant(float(v)) for v in values] for name, values in numbers.items()}
    columns["channels"] = kernel.pop("channels")
    shared = {
        "name": visible(site), "map": size(shape), "axes": len(shape),
        "small": min(shape) < SMALL_MAP, "sides": names, "maps": maps[0].shapes, **kernel,
        "thinned": _what_is_left(shape, whole[0], thinned[0]),
    }  # fmt: skip
    return SitePictures(shared, arrays, columns | _photos_of(study, site, filters, places))


def _photos_of(
    study: Study, site: str, filters: IntArray, places: IntArray
) -> dict[str, list[list[int]]]:
    first = first_images(study)
    if first is None or site not in first.borders:
        return {end: [[] for _ in filters] for end in ("most", "least")}
    most, least = ends_of_firing(np.asarray(first.borders[site])[:, places, filters])
    return {"most": most.T.tolist(), "least": least.T.tolist()}


def _what_is_left(full: list[int], whole: FloatArray, thinned: FloatArray) -> str:
    """Say what is left of a map that was thinned; "" if it is whole."""
    if thinned.shape[1:] == tuple(full):
        return ""
    if whole.ndim == 2:
        return f"first and last positions of {full[0]}"
    return f"thinned in the middle to {size(thinned.shape[1:])}"


def _draw_kernels(kernels: Kernels | None, filters: IntArray) -> dict[str, Any]:
    """Draw sums over the input channels, and the strongest slices; nothing if none was kept."""
    if kernels is None:
        none = {"kernel": [], "slice": [], "inputs": 0, "channels": [[] for _ in filters]}
        return none | {"bytes": [""] * len(filters), "limits": np.full(len(filters), np.nan)}
    chosen = filters.tolist()
    total = flatten_pictures(kernels.total[chosen].astype(np.float64))
    slices = kernels.slices[chosen, :SLICES].astype(np.float64)
    cells, shapes = [total.cells], []
    for place in range(slices.shape[1]):
        pictures = flatten_pictures(slices[:, place])
        shapes = pictures.shapes[:1]  # of a 3D kernel the central plane alone
        rows, columns = shapes[0][1:]
        cells.append(pictures.cells[:, : rows * columns])
    quantised, limits = quantise_weights(np.concatenate(cells, axis=1))
    return {
        "kernel": total.shapes, "slice": shapes, "inputs": kernels.inputs,
        "channels": kernels.channels[chosen, :SLICES].tolist(),
        "bytes": encode_rows(quantised), "limits": limits,
    }  # fmt: skip


def _side_scores(study: Study, table: pl.DataFrame, sides: int) -> FloatArray:
    """KS, then causal KS, of every side and line: (C, sides, 4 or 8), NaN where unmeasured."""
    columns = ["ks", *(f"ks_{line}" for line in REPORTED_LINES)]
    if study.explanation:
        columns += ["causal_ks", *(f"causal_{line}" for line in REPORTED_LINES)]
    values = table.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    by_filter: FloatArray = values.reshape(-1, sides, len(columns))
    return by_filter


def _sides_at(sides: Sequence[str], names: Iterable[str | None]) -> IntArray:
    """Places of sides among those of a site; the first for none."""
    places = {name: place for place, name in enumerate(sides)}
    return np.array([places.get(name or "", 0) for name in names], dtype=np.int64)
