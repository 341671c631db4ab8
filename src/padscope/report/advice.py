"""The sections on what could be done about padding: advice, other padding, other input sizes."""

from __future__ import annotations

from collections.abc import Iterator

from padscope.findings.advice import advise
from padscope.findings.retrofit import retrofit_lines, retrofit_listing
from padscope.findings.sizes import size_parts, size_sentences
from padscope.findings.swaps import swap_listing, swap_sentences, target_listing
from padscope.findings.tiles import halo_listing, tile_listing, tile_sentences
from padscope.report.parts import Part, drawn
from padscope.study import Study
from padscope.study.stages import BESIDE


def advice_parts(study: Study) -> list[Part]:
    """Make the sections of what was measured beside the run."""
    parts: list[Part] = []
    if any(getattr(study, stage) for stage in BESIDE):
        parts.append(_advice(study))
    return [*parts, *_tiles(study), *_swaps(study), *_retrofit(study), *_sizes(study)]


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


def _swaps(study: Study) -> Iterator[Part]:
    if study.swaps is None:
        return
    said = list(swap_sentences(study.swaps))
    yield Part(
        "swaps", "Other padding, weights as they are", said,
        charts=[
            *drawn(study, "swaps", f"What other padding changes. {said[0]}"),
            *drawn(study, "border", "Where the border is wrong, by padding; the swaps beside it."),
        ],
        tables=[
            ("swaps-rows", "Other padding", swap_listing(study.swaps)),
            ("swaps-targets", "What export targets call it", target_listing()),
        ],
        folded=True,
    )  # fmt: skip


def _sizes(study: Study) -> Iterator[Part]:
    if study.sizes is None:
        return
    said = list(size_sentences(study.sizes))
    yield Part(
        "sizes", "The input size", said,
        charts=drawn(study, "sizes", f"What other input sizes change. {said[0]}"),
        tables=[
            (f"sizes-rows-{place}", "Other sizes" if place else "Uneven strides", each)
            for place, each in enumerate(size_parts(study.sizes))
        ],
        folded=True,
    )  # fmt: skip


def _tiles(study: Study) -> Iterator[Part]:
    if study.tiles is None:
        return
    said = list(tile_sentences(study.tiles))
    yield Part(
        "tiles", "Inference in tiles", said,
        charts=[
            *drawn(study, "tiles", f"Error by halo, and work by size of tiles. {said[0]}"),
            *drawn(study, "shares", "Shares of padding, normalisation and phase; said above."),
        ],
        tables=[
            ("tiles-rows", "What tiles cost", tile_listing(study.tiles)),
            ("halos-rows", "Halos that were tried", halo_listing(study.tiles)),
        ],
        folded=True,
    )  # fmt: skip


def _retrofit(study: Study) -> Iterator[Part]:
    if study.retrofit is None:
        return
    said = retrofit_lines(study.retrofit)
    yield Part(
        "retrofit", "Padding that is tuned", said,
        charts=drawn(study, "retrofit", f"Border error of every network. {said[0]}"),
        tables=[("retrofit-rows", "Before and after", retrofit_listing(study.retrofit.table))],
        folded=True,
    )  # fmt: skip
