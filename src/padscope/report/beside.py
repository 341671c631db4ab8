"""The sections on what stands beside a run: advice, depth, tiles, other padding, other sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from padscope.findings.advice import advise
from padscope.findings.depth import depth_lines, depth_listing
from padscope.findings.retrofit import retrofit_lines, retrofit_listing
from padscope.findings.sizes import size_parts, size_sentences
from padscope.findings.swaps import swap_listing, swap_sentences, target_listing
from padscope.findings.tiles import halo_listing, tile_listing, tile_sentences
from padscope.report.parts import Part, drawn
from padscope.study import Depth, Retrofit, Sizes, Study, Swaps, Tiles
from padscope.study.stages import DEPTH, RETROFIT, SIZES, SWAPS, TILES


def beside_parts(study: Study) -> list[Part]:
    """Make the sections of what was measured beside the run, under what follows from it."""
    found = [
        make(study, measured)
        for stage, make in MADE.items()
        if (measured := getattr(study, stage)) is not None
    ]
    return [_advice(study), *found] if found else []


def _advice(study: Study) -> Part:
    advised = advise(study, "RUN")
    missing = f"Not measured yet: {'; '.join(advised.missing)}."
    return Part(
        "advice", "What to do about padding",
        notes=[
            "What surely gains most comes first; nothing is advised whose interval spans zero. "
            "padscope advise RUN prints the lines that do it.",
            *([missing] if advised.missing else []),
        ],
        facts=[
            (one.action, f"{one.gain}{f'. Cost: {one.cost}' if one.cost else ''}.")
            for one in advised.advice
        ],
    )  # fmt: skip


def _depth(study: Study, depth: Depth) -> Part:
    return Part(
        "reach", "How deep padding reaches", depth_lines(depth),
        [
            "Every image is run as a crop, and with real surroundings; what differs is due to "
            "padding. Beside it stands how deep padding can reach, from the operations alone."
        ],
        drawn(study, "reach", "Difference by distance from each side."),
        tables=[("reach-rows", "Depth of padding by map and side", depth_listing(depth))],
        folded=True,
    )  # fmt: skip


def _tiles(study: Study, tiles: Tiles) -> Part:
    said = list(tile_sentences(tiles))
    return Part(
        "tiles", "Inference in tiles", said,
        charts=[
            *drawn(study, "tiles", f"Error by halo, and work by size of tiles. {said[0]}"),
            *drawn(study, "shares", "Shares of padding, normalisation and phase; said above."),
        ],
        tables=[
            ("tiles-rows", "What tiles cost", tile_listing(tiles)),
            ("halos-rows", "Halos that were tried", halo_listing(tiles)),
        ],
        folded=True,
    )  # fmt: skip


def _swaps(study: Study, swaps: Swaps) -> Part:
    said = list(swap_sentences(swaps))
    return Part(
        "swaps", "Other padding, weights as they are", said,
        charts=[
            *drawn(study, "swaps", f"What other padding changes. {said[0]}"),
            *drawn(study, "border", "Where the border is wrong, by padding; the swaps beside it."),
        ],
        tables=[
            ("swaps-rows", "Other padding", swap_listing(swaps)),
            ("swaps-targets", "What export targets call it", target_listing()),
        ],
        folded=True,
    )  # fmt: skip


def _retrofit(study: Study, retrofit: Retrofit) -> Part:
    said = retrofit_lines(retrofit)
    return Part(
        "retrofit", "Padding that is tuned", said,
        charts=drawn(study, "retrofit", f"Border error of every network. {said[0]}"),
        tables=[("retrofit-rows", "Before and after", retrofit_listing(retrofit.table))],
        folded=True,
    )  # fmt: skip


def _sizes(study: Study, sizes: Sizes) -> Part:
    said = list(size_sentences(sizes))
    return Part(
        "sizes", "The input size", said,
        charts=drawn(study, "sizes", f"What other input sizes change. {said[0]}"),
        tables=[
            (f"sizes-rows-{place}", "Other sizes" if place else "Uneven strides", each)
            for place, each in enumerate(size_parts(sizes))
        ],
        folded=True,
    )  # fmt: skip


MADE: Mapping[str, Callable[[Study, Any], Part]] = {
    DEPTH: _depth, TILES: _tiles, SWAPS: _swaps, RETROFIT: _retrofit, SIZES: _sizes
}  # fmt: skip
