"""What tiles need to equal the whole, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from padscope.findings.listing import Listing
from padscope.findings.words import number

if TYPE_CHECKING:
    from padscope.running.tiled import AdvisedHalo


def tile_listing(advised: AdvisedHalo, tiles: Sequence[int], axes: int) -> Listing:
    """List what tiles of some sizes cost with the advised halo."""
    rows = tuple(
        (str(tile), str(tile + 2 * advised.pixels), f"{advised.cost(tile, axes):.2f}")
        for tile in tiles
    )
    return Listing(("tile (px)", "run with its halo (px)", "pixels run per pixel"), rows)


def tile_lines(advised: AdvisedHalo, tolerance: float) -> list[str]:
    """Say which halo suffices, and how wrong narrower ones are."""
    wrong = {halo: error for halo, error in advised.tried.items() if error > tolerance}
    narrower = [
        f"{halo} px differ by up to {number(error)}" for halo, error in sorted(wrong.items())[-2:]
    ]
    said = [
        f"A halo of {advised.pixels} px is the smallest with which tiles equal the whole: they "
        f"differ by no more than {number(advised.error)} spreads of the answer "
        f"(tolerance {tolerance:g})."
    ]
    if narrower:
        said.append(f"Narrower ones do not suffice: {', '.join(narrower)}.")
    if advised.step > 1:
        said.append(f"Tiles and halos are in step with the strides if {advised.step} divides them.")
    return said


def tiles_json(
    advised: AdvisedHalo, tiles: Sequence[int], axes: int, tolerance: float
) -> dict[str, Any]:
    """Gather what tiles need and cost; see docs/json.md."""
    return {
        "halo": advised.pixels,
        "error": advised.error,
        "tolerance": tolerance,
        "step": advised.step,
        "tried": [{"halo": halo, "error": error} for halo, error in advised.tried.items()],
        "tiles": [{"tile": tile, "cost": advised.cost(tile, axes)} for tile in tiles],
        "sentences": tile_lines(advised, tolerance),
    }
