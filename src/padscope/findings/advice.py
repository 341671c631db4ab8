"""What to do about padding: what was measured to gain something, what it costs, and how it is done.

Nothing is advised whose interval spans zero; to leave things as they are is an answer too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, lcm, prod

import polars as pl

from padscope.errors import PadscopeError
from padscope.findings.exports import TARGETS, taken_by
from padscope.findings.gains import Gain, gains_of
from padscope.findings.measures import measure_of
from padscope.findings.sizes import EVEN, size_gains
from padscope.findings.swaps import CONTROL, is_reestimated, swap_told
from padscope.findings.words import interval, number, share, size
from padscope.images.element import elements, told_length
from padscope.measurements.output import OUTPUT
from padscope.sites.fill_words import PARTIAL
from padscope.study import Depth, Retrofit, Sizes, Study, Swaps, Tiles
from padscope.study.stages import DEPTH, SIZES, SWAPS

FIRST = (DEPTH, SWAPS, SIZES)  # what there is advice from
TORCH_MODES = frozenset({"zeros", "reflect", "replicate", "circular"})


@dataclass(frozen=True)
class Advice:
    """One thing to do, or to leave.

    Attributes
    ----------
    action : str
        What to do, in a few words.
    act : bool
        Whether anything is to be changed.
    gain : str
        What that was measured to bring, with its interval.
    cost : str
        What it takes.
    how : str
        A command, or lines of Python; "" where nothing is to be done.
    surely : float
        The lower end of the gain in its measure's own unit: what it is ranked by.
    """

    action: str
    act: bool
    gain: str
    cost: str
    how: str
    surely: float


@dataclass(frozen=True)
class Advised:
    """All that can be advised.

    Attributes
    ----------
    advice : tuple of Advice
        What to do first, by what it surely gains; then what to leave.
    missing : tuple of str
        Commands that would tell more.
    """

    advice: tuple[Advice, ...]
    missing: tuple[str, ...]


def advise(study: Study, run: str) -> Advised:
    """Say what to do about a network's padding.

    Parameters
    ----------
    study : Study
        With `depth`, `swaps` or `sizes`, the more the better.
    run : str
        How its directory is named in commands.

    Raises
    ------
    PadscopeError
        None of them was measured.
    """
    found: list[Advice] = []
    if study.depth:
        found += _of_depth(study.depth, study.tiles)
    elif study.tiles:
        found += _of_tiles(study.tiles)
    if study.swaps:
        found += _of_swaps(study.swaps)
    if study.sizes:
        found += _of_sizes(study.sizes)
    if study.retrofit:
        found += _of_retrofit(study.retrofit, run)
    missing = tuple(f"padscope {stage} {run}" for stage in FIRST if getattr(study, stage) is None)
    if not found:
        raise PadscopeError(
            f"there is nothing to advise from yet; run {missing[0]}, {missing[1]} or {missing[2]} "
            "first"
        )
    if study.depth and study.depth.last == OUTPUT and not study.tiles:
        missing = (*missing, f"padscope tiles {run}")
    ordered = sorted(found, key=lambda one: (not one.act, -one.surely))
    return Advised(tuple(ordered), missing)


def _of_depth(depth: Depth, tiles: Tiles | None) -> Iterator[Advice]:
    rows = depth.of_map(depth.last).to_dicts()
    if depth.last != OUTPUT:
        yield _leave(
            "Nothing to crop",
            "the answer is no map; what padding reaches is in padscope depth",
        )
        return
    surely = [row for row in rows if row["low"] is not None and row["low"] > 0]
    if not surely:
        yield _leave(
            "Leave borders and tiles as they are",
            "the interval of the depth that padding reaches into the output includes 0, at a "
            f"tolerance of {depth.tolerance:g} spreads",
        )
        return
    edges = depth.curves.filter((pl.col("map") == OUTPUT) & (pl.col("distance") == 0))
    worst = float(str(edges["mean"].max()))
    least, most = min(row["low"] for row in surely), max(row["high"] for row in surely)
    axes = len(depth.size)
    gain = (
        f"the outermost line is {number(worst)} spreads from what it is with real surroundings, "
        f"and less than {depth.tolerance:g} beyond {told_length(depth.deepest, axes)} "
        f"{interval(least, most)}"
    )
    crop = ceil(depth.deepest)
    if all(row["within"] for row in rows) and 2 * crop < min(depth.size):
        kept = prod((n - 2 * crop) / n for n in depth.size)
        inside = ", ".join([f"{crop}:-{crop}"] * len(depth.size))
        yield Advice(
            f"Crop {told_length(crop, axes)} off every side of the output", True, gain,
            f"{1 - kept:.0%} of an output of {size(depth.size)}",
            f"answer = model(image)[..., {inside}]", worst,
        )  # fmt: skip
    if depth.whole:
        yield _leave(
            "Run images whole",
            f"its {depth.whole} looks at the whole frame, so no halo makes tiles equal to it; "
            "padscope tiles says what they differ by",
        )
        return
    step = lcm(*depth.step)
    halo = ceil(depth.deepest / step) * step
    tile = max(step, min(depth.size) // step * step)
    if tiles is not None and tiles.halo:  # which was tried, value by value
        yield from _of_tiles(tiles)
        return
    more = ((tile + 2 * halo) / tile) ** len(depth.size)
    yield _tiled(tile, halo, axes, more, gain, worst)


def _of_tiles(tiles: Tiles) -> Iterator[Advice]:
    if tiles.halo is None:
        yield _leave(
            "Run images whole",
            f"its {tiles.whole} looks at the whole frame, so no halo makes tiles equal to it",
        )
        return
    padding = next(iter(tiles.shares.iter_rows(named=True)), None)
    if not tiles.halo or padding is None or padding["low"] is None or padding["low"] <= 0:
        yield _leave(
            "Run tiles without a halo",
            "the interval of padding's share in their difference from the whole includes 0",
        )
        return
    best = tiles.table.filter("best")
    row = (tiles.table if best.is_empty() else best).row(-1, named=True)
    axes = len(tiles.size)
    gain = (
        f"tiles of {told_length(tiles.tried, axes)} differ from the whole by up to "
        f"{number(tiles.error(0))} spreads without one, {share(padding['share'])} "
        f"{interval(100 * padding['low'], 100 * padding['high'])} of it due to padding, and by "
        f"{number(tiles.error(tiles.halo))} with it"
    )
    yield _tiled(row["tile"], tiles.halo, axes, row["cost"], gain, tiles.difference or 0.0)


def _tiled(tile: int, halo: int, axes: int, more: float, gain: str, surely: float) -> Advice:
    return Advice(
        f"Run tiles with a halo of {told_length(halo, axes)}", True, gain,
        f"{more:.3g} times the work, in tiles of {told_length(tile, axes)}",
        f"run = padscope.tiled(model, {tile}, {halo})\nanswer = run(image)", surely,
    )  # fmt: skip


def _of_swaps(swaps: Swaps) -> Iterator[Advice]:
    gains = [
        gain
        for gain in gains_of(swaps.table, "swap")
        if gain.name != CONTROL and not is_reestimated(gain.name)
    ]
    if not gains:
        yield _leave(
            "Keep the padding", "whether another is better takes labels, a metric or larger images"
        )
        return
    better = [gain for gain in gains if gain.sign > 0]
    if not better:
        best = gains[0]
        yield _leave("Keep the padding", f"no other is better; the best is {_best(best)}")
        return
    best = max(better, key=lambda gain: gain.low or 0.0)
    added = float(swaps.table.filter(pl.col("swap") == best.name)["added"][0])
    taken = taken_by(best.name)
    targets = "" if taken is None else (
        "; all export targets take it" if len(taken) == len(TARGETS)
        else f"; of export targets {', '.join(taken)} take it"
    )  # fmt: skip
    yield Advice(
        f"Pad {swap_told(best.name)}", True,
        f"{best.measure.title.lower()} better by {best.written}, weights as they are",
        f"{number(added, 2)} values written per multiply-add{targets}", _swapping(best.name),
        best.low or 0.0,
    )  # fmt: skip


def _swapping(swap: str) -> str:
    if swap in TORCH_MODES:
        return (
            "for layer in model.modules():\n"
            "    if isinstance(layer, torch.nn.modules.conv._ConvNd):\n"
            f'        layer.padding_mode = "{swap}"'
        )
    change = "padscope.interventions.renormalise(model)"
    if swap != PARTIAL:
        change = f'padscope.repad(model, fill="{swap}")'
    return f"with {change}:\n    answer = model(images)"


def _of_retrofit(found: Retrofit, run: str) -> Iterator[Advice]:
    given, *others = found.table.to_dicts()
    tuned = [row for row in others if row["network"] == "tuned"]
    better = [row for row in tuned if row["change_high"] is not None and row["change_high"] < 0]
    if not better:
        best = min(others, key=lambda row: float(row["error"]))
        yield _leave(
            f"Leave the padding: the network compensates its {found.own}",
            f"its border error is {number(given['error'])} spreads, and {number(best['error'])} "
            f"with the best of others ({best['network']}, {best['padding']}); "
            f"{number(tuned[-1]['error'])} {interval(tuned[-1]['low'], tuned[-1]['high'])} tuned",
        )
        return
    row = min(better, key=lambda row: float(row["change_high"]))
    measure, low, high = measure_of(row["measure"]), -row["change_high"], -row["change_low"]
    between = measure.between(row, "answer_low", "answer_high")
    answer = f"{measure.title.lower()} {measure.figure(row['answer'])} {between} {measure.unit}"
    yield Advice(
        f"Use the network whose {row['padding']} padding is tuned", True,
        f"border error lower by {number(-row['change'])} {interval(low, high)} spreads, of "
        f"{number(given['error'])}",
        f"{answer.rstrip()}; away from the border the map moves by {share(row['interior'])} of its "
        "spread",
        f"padscope retrofit {run} --fill {row['padding']} -o tuned.safetensors", low,
    )  # fmt: skip


def _of_sizes(sizes: Sizes) -> Iterator[Advice]:
    keep = f"Keep inputs of {size(sizes.size)}"
    if sizes.parity.is_empty():
        yield _leave(keep, "no stride is uneven there")
        return
    even = [(pixels, gain) for pixels, change, gain in size_gains(sizes) if change == EVEN]
    if not even:
        yield _leave(keep, "whether an even size is better takes labels or a metric")
        return
    better = [(pixels, gain) for pixels, gain in even if gain.sign > 0]
    if not better:
        pixels, best = max(even, key=lambda each: each[1].value)
        yield _leave(keep, f"no even size is better; the best is {_best(best)}")
        return
    pixels, best = max(better, key=lambda each: each[1].low or 0.0)
    yield Advice(
        f"Give inputs of {size(pixels)}", True,
        f"{best.measure.title.lower()} better by {best.written}; no stride is uneven there",
        f"{prod(pixels) / prod(sizes.size):.3g} times the {elements(len(pixels))}",
        f"padscope scan MODEL --size {size(pixels).replace('×', 'x')}", best.low or 0.0,
    )  # fmt: skip


def _best(gain: Gain) -> str:
    """Write what the best of changes does of which none is better."""
    return f"{gain.name}: {gain.written} of {gain.measure.title.lower()} {gain.direction}"


def _leave(action: str, why: str) -> Advice:
    return Advice(action, False, why, "", "", 0.0)


def advice_lines(advised: Advised) -> Iterator[str]:
    """Lay the advice out as lines, numbered."""
    for place, one in enumerate(advised.advice, 1):
        yield f"{place}. {one.action}: {one.gain}."
        if one.cost:
            yield f"   Cost: {one.cost}."
        for line in one.how.splitlines():
            yield f"       {line}"
    if advised.missing:
        yield f"Not measured yet: {'; '.join(advised.missing)}."
