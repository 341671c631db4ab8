"""What a retrofit is worth, beside the network as given and every plain swap."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.findings.listing import Listing
from padscope.findings.words import NONE, interval, listed, number, share
from padscope.measurements.output import OUTPUT
from padscope.settings import STILL
from padscope.study import Retrofit


def retrofit_listing(table: pl.DataFrame) -> Listing:
    """List the networks with their border errors, answers and counts of filters."""
    measure = table["measure"][0] if table.height else ""
    return Listing(
        (
            "network", "padding", "border error", "interior", f"answer ({measure})",
            "respond", "recall the border",
        ),
        tuple(_cells(row) for row in table.iter_rows(named=True)),
        frozenset({"padding"}),
        "border error and interior in spreads of the map; filters out of those that vary",
    )  # fmt: skip


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    def with_interval(value: str, low: str, high: str) -> str:
        return f"{number(row[value])} {interval(row[low], row[high])}".rstrip()

    counted = (NONE, NONE) if row["filters"] is None else (
        f"{row['responds']} of {row['filters']}", f"{row['recalled']} of {row['filters']}",
    )  # fmt: skip
    return (
        row["network"], row["padding"], with_interval("error", "low", "high"),
        with_interval("interior", "interior_low", "interior_high"),
        with_interval("answer", "answer_low", "answer_high"), *counted,
    )  # fmt: skip


def retrofit_lines(found: Retrofit) -> list[str]:
    """Say what the retrofit is worth, what no method can do, and what else has changed."""
    rows = found.table.to_dicts()
    given, *others, new = rows
    return [
        _advice(found, given, others, new),
        *_swaps([row for row in others if row["network"] == "swapped"], new),
        *_unremovable(rows),
        _interior(new),
        _counts(given, new),
        f"Tuned on {plural(found.fitted, 'image')}, compared on "
        f"{plural(found.counted, 'image')} independent of these.",
        *found.notes,
    ]


def _advice(
    found: Retrofit, given: dict[str, Any], others: list[dict[str, Any]], new: dict[str, Any]
) -> str:
    where = "The output" if found.compared == OUTPUT else f"The last map ({found.compared})"
    errors = (
        f"{where} differs at its border from that with real surroundings by "
        f"{number(given['error'])} spreads as given and by {number(new['error'])} "
        f"{interval(new['low'], new['high'])} with {found.fill} padding that is tuned"
    )
    same = next((row for row in others if row["network"] == "tuned"), None)
    own = "" if same is None else f"; {number(same['error'])} with its own padding tuned"
    if _below(new, "change"):
        if same is not None and _below(same, "behind"):
            return f"{errors}{own}. Its own padding comes nearer: tune that (--fill {found.own})."
        return f"{errors}{own}. Use the tuned network."
    if found.fill == found.own:
        return f"{errors}. Tuning gains nothing here: leave the network as it is."
    tuned = ", tuned" if same and _below(same, "change") else ""
    return (
        f"{errors}{own}. The network compensates its {found.own} padding, and {found.fill} "
        f"padding comes no nearer even when it is tuned: do not swap; keep {found.own}{tuned}."
    )


def _below(row: dict[str, Any], name: str) -> bool:
    """Whether a difference is below zero, and its whole interval."""
    high = row[f"{name}_high"]
    return high is not None and high < 0


def _swaps(swaps: list[dict[str, Any]], new: dict[str, Any]) -> list[str]:
    if not swaps:
        return []
    beaten = [row for row in swaps if row["behind_low"] is not None and row["behind_low"] > 0]
    left = [row["padding"] for row in swaps if row not in beaten]
    least = min(swaps, key=lambda row: float(row["error"]))
    told = f"The best plain swap, {least['padding']}, has {number(least['error'])}"
    if not left:
        return [f"{told}: the tuned network beats every plain swap."]
    return [f"{told}: the tuned network ({number(new['error'])}) does not beat {listed(left)}."]


def _unremovable(rows: list[dict[str, Any]]) -> list[str]:
    given, best = rows[0]["error"], min(row["error"] for row in rows)
    if not given:
        return []
    return [
        f"At most {share(best / given)} of the given network's border error cannot be removed by "
        "any method, since what lies outside the frame is unknown: the best of these networks "
        "leaves as much."
    ]


def _interior(new: dict[str, Any]) -> str:
    moved = f"Away from the border the map moves by {share(new['interior'])} of its spread"
    if new["interior"] < STILL:
        return f"{moved}."
    return f"{moved}: padding reaches farther than --margin, or the whole frame is looked at."


def _counts(given: dict[str, Any], new: dict[str, Any]) -> str:
    answers = {
        "flip": f"It names another class for {share(new['answer'])} of the images",
        "change": f"Its answer changes by {number(new['answer'])}",
    }
    return (
        f"Filters that respond to the border: {given['responds']} before, {new['responds']} after; "
        f"filters that recall it: {given['recalled']} before, {new['recalled']} after. "
        f"{answers[new['measure']]}."
    )


def loading_code(found: Retrofit, path: str) -> str:
    """Write what loads the weights into the given architecture, without padscope."""
    code = files("padscope").joinpath("models", "tuned_padding.py").read_text(encoding="utf-8")
    load = f"safetensors.torch.load_file({path!r})"
    return f"{code}\n\nimport safetensors.torch\n\ntune_padding(model, {load}, {found.fill!r})"


def retrofit_json(found: Retrofit, path: str) -> dict[str, Any]:
    """Gather what a retrofit found; see docs/json.md."""
    return {
        "model": found.model,
        "images": found.images,
        "fitted": found.fitted,
        "counted": found.counted,
        "size": found.size,
        "margin": found.margin,
        "compared": found.compared,
        "fill": found.fill,
        "own": found.own,
        "weights": path,
        "padding_modes": found.modes,
        "networks": found.table,
        "sentences": retrofit_lines(found),
        "code": loading_code(found, path),
    }
