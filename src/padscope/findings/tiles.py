"""What is said of tiles: halo, safe crop, cost, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator

from padscope.counts import plural, told_bytes
from padscope.findings.listing import Listing
from padscope.findings.words import NONE, interval, listed, number, share
from padscope.images.element import elements, told_length
from padscope.study import Tiles


def tile_listing(found: Tiles) -> Listing:
    """List what tiles of every size cost with the halo."""
    rows = tuple(
        (
            f"{row['tile']}{' (best)' if row['best'] else ''}", str(row["run"]),
            f"{row['cost']:.2f}", NONE if row["held"] is None else told_bytes(row["held"]),
        )
        for row in found.table.iter_rows(named=True)
    )  # fmt: skip
    unit = elements(len(found.size))
    headings = (f"tile ({unit})", f"run with its halo ({unit})", "run for each one", "holds up to")
    return Listing(
        headings, rows,
        caption="holds: input, maps and working copies of one tile at once, beside the weights",
    )  # fmt: skip


def halo_listing(found: Tiles) -> Listing:
    """List the halos that were tried: how far tiles are from the whole, and what they cost."""
    rows = tuple(
        (f"{row['halo']}{' (smallest)' if row['halo'] == found.halo else ''}",
         number(row["error"]), f"{row['cost']:.2f}")
        for row in found.halos.iter_rows(named=True)
    )  # fmt: skip
    unit = elements(len(found.size))
    return Listing(
        (f"halo ({unit})", "greatest difference (spreads)", "run for each one"),
        rows, caption=f"with tiles of {told_length(found.tried, len(found.size))}",
    )  # fmt: skip


def tile_sentences(found: Tiles) -> Iterator[str]:
    """Say which halo suffices, what may be cropped, which tile is best, and why tiles differ."""
    axes = len(found.size)
    tiles = f"tiles of {told_length(found.tried, axes)}"
    errors = [(row["halo"], row["error"]) for row in found.halos.iter_rows(named=True)]
    if found.halo is None:
        shown = dict([errors[0], errors[len(errors) // 2], errors[-1]])
        decay = [
            f"{_spreads(error)} with a halo of {told_length(halo, axes)}"
            for halo, error in shown.items()
        ]
        yield (
            f"Its answer looks at the whole frame ({found.whole}): no finite halo makes tiles "
            f"equal to the whole, and no crop is safe. {tiles.capitalize()} differ by up "
            f"to {listed(decay)}."
        )
    else:
        error = dict(errors)[found.halo]
        yield (
            f"A halo of {told_length(found.halo, axes)} is the smallest with which {tiles} equal "
            f"the whole: they differ by no more than {_spreads(error)} of the answer (tolerance "
            f"{found.tolerance:g})."
        )
        wrong = [each for each in errors if each[0] < found.halo][-2:]
        if wrong:
            narrower = [
                f"{told_length(halo, axes)} differ by up to {_spreads(error)}"
                for halo, error in wrong
            ]
            yield f"Narrower ones do not suffice: {', '.join(narrower)}."
        yield (
            f"Safe crop: {told_length(found.halo, axes)} or more inside the frame (of the "
            "input), the answer is what it is with real surroundings, within the tolerance."
        )
    if found.step > 1:
        yield f"Tiles and halos are in step with the strides if {found.step} divides them."
    if found.memory is not None:
        yield _best(found)
    yield from _shares(found)
    yield f"Measured on {plural(found.counted, 'image')} ({found.images})."
    yield from found.notes


def _best(found: Tiles) -> str:
    limit, axes = told_bytes(found.memory or 0), len(found.size)
    row = next((row for row in found.table.iter_rows(named=True) if row["best"]), None)
    if row is None:
        return f"No tile is best under {limit}: none equals the whole."
    return (
        f"Under {limit} the best tile is {told_length(row['tile'], axes)}: it holds no more than "
        f"{told_bytes(row['held'])}, and runs {row['cost']:.3g} {elements(axes)} for each one. "
        "Image and answer take memory of their own."
    )


def _shares(found: Tiles) -> Iterator[str]:
    if found.difference is None:
        return
    axes = len(found.size)
    begun = f", begun {told_length(found.offset, axes)} out of step," if found.offset else ""
    told = f"Without a halo, tiles of {told_length(found.tried, axes)}{begun} differ from "
    if not found.difference:
        yield f"{told}the whole by nothing."
        return
    parts = [
        f"{row['cause']} {share(row['share'])} "
        f"{interval(_percent(row['low']), _percent(row['high']))}".rstrip()
        for row in found.shares.iter_rows(named=True)
    ]
    over = f" Over the tile it computes {listed(found.statistics)}." if found.statistics else ""
    differs = f"{told}the whole by {_spreads(found.difference)} (root mean square)"
    yield f"{differs}: {', '.join(parts)}.{over}"


def _spreads(error: float | None) -> str:
    return "more than can be told" if error is None else f"{number(error)} spreads"


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
