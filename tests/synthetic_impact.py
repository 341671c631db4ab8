"""Tables as the third stage writes them, with made-up numbers: for what shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from padscope.effects import AnswerKind
from padscope.images import Skipped
from padscope.study import Impact, Study
from padscope.tables import schema

IMAGES, DRAWS = 48, 20
SETS = {
    "recognising": 420, "confirmed but not recognising": 400, "confirmed": 1119,
    "kind: single": 151, "kind: opposite, opposite signs": 33, "side: top": 120, "side: left": 180,
    "all padding": 8992,
}  # fmt: skip
MEASURES: dict[str, list[tuple[str, float]]] = {
    "classes": [("kl", 0.07), ("flip", 0.05), ("confidence", -0.012), ("ece", 0.004),
                ("accuracy", -0.021), ("nll", 0.06)],
    "dense": [("change", 0.11), ("metric", -0.4)],
    "values": [("change", 0.11)],
}  # fmt: skip
VIEWS = {"shift": (4.0, 8.0, 16.0, 32.0, 64.0), "size": (0.75, 1.25, 1.5), "crop": (0.75, 0.875)}
TREATMENTS = ("as is", "PANs undone", "controls undone", "all padding refilled")
BANDS = ("fill", "mean colour", "mean colour elsewhere", "elsewhere")
BIRDS = tuple(f"kind {number} of bird" for number in range(40))
WIDTHS = (1, 2, 4, 8)
READ = {"as is": 0.71, "PANs undone": 0.48, "all padding refilled": 0.05}


def around(value: float, spread: float = 0.3) -> dict[str, float]:
    """An interval about a value."""
    half = spread * abs(value)
    return {"low": value - half, "high": value + half}


def effects(answer: AnswerKind, fill: str = "reflect") -> pl.DataFrame:
    changes = [(f"refill {fill}", list(SETS)), ("refill replicate", ["recognising"]),
               ("silence", ["recognising"])]  # fmt: skip
    rows = [
        _effect(chosen, change, measure, size)
        for change, sets in changes
        for chosen in sets
        for measure, size in MEASURES[answer]
    ]
    return schema.EFFECTS.frame(rows)


def _effect(chosen: str, change: str, measure: str, size: float) -> dict[str, Any]:
    filters = SETS[chosen]
    value = size * (filters / 1119) ** 0.7 * (1.1 if change == "refill replicate" else 1.0)
    alone = chosen == "all padding"  # which leaves no filters to be controls
    control = None if alone else value / (10 if filters > 300 else 0.9)
    beside = (
        dict.fromkeys(("control", "control_low", "control_high", "p", "excess", "excess_low",
                       "excess_high"))
        if control is None
        else {
            "control": control,
            "control_low": control - 0.4 * abs(control),
            "control_high": control + 0.5 * abs(control),
            "p": 1 / 21 if filters > 300 else 0.62,
            "excess": value - control,
            "excess_low": value - control - 0.3 * abs(value),
            "excess_high": value - control + 0.3 * abs(value),
        }
    )  # fmt: skip
    refilled = chosen == "recognising" and change.startswith("refill r")
    paired = refilled and change != "refill replicate"
    return {
        "set": chosen, "change": change, "filters": filters, "sites": 17,
        "matched": 0 if alone else filters - filters // 20, "measure": measure, "images": IMAGES,
        "photographs": IMAGES,
        "unit": "dB" if measure == "metric" else None,
        "higher_is_better": {"accuracy": True, "nll": False, "ece": False}.get(measure),
        "effect": value, **around(value), **beside, "draws": 0 if alone else DRAWS,
        "control_images": None if alone else IMAGES // 10,
        "matched_effect": None if alone else 0.9 * value,
        "disturbance": 0.3 * value if refilled else None,
        "shared": None if alone else 0.05, "scale_error": None if alone else 0.1,
        "paired": SETS["confirmed but not recognising"] if paired else None,
        "paired_effect": 0.95 * value if paired else None,
        "partner": 0.4 * value if paired else None, "beyond": 0.55 * value if paired else None,
        "beyond_low": 0.55 * value - 0.2 * abs(value) if paired else None,
        "beyond_high": 0.55 * value + 0.2 * abs(value) if paired else None,
    }  # fmt: skip


def doses(measure: str) -> pl.DataFrame:
    rows = []
    for filters in (1, 2, 4, 8, 16, 32, 64, 128, 256, 420):
        value = 0.0004 * filters**0.75
        control = 0.00025 * filters**0.5
        rows.append(
            {"filters": filters, "effect": value, **around(value), "control": control,
             "control_low": 0.5 * control, "control_high": 1.7 * control,
             "p": 0.4 if filters < 8 else 1 / 21, "measure": measure, "matched": min(filters, 400),
             "images": IMAGES, "photographs": IMAGES, "draws": DRAWS, "control_images": 1,
             "excess": value - control,
             "excess_low": 0.5 * value - control, "excess_high": 1.5 * value - control}
        )  # fmt: skip
    flips = [row | {"measure": "flip", "effect": 0.01} for row in rows]
    return schema.DOSES.frame(rows + flips)


def distances() -> pl.DataFrame:
    rows = []
    for chosen, size in (("recognising", 0.4), ("confirmed", 0.5), ("all padding", 0.9)):
        for distance in range(24):
            value = size * 0.75**distance
            control = None if chosen == "all padding" else value / 9
            rows.append(
                {"set": chosen, "distance": distance, "change": value, **around(value),
                 "control": control, "images": IMAGES, "photographs": IMAGES}
            )  # fmt: skip
    return schema.DISTANCES.frame(rows)


def classes(names: Sequence[str], *, decided: bool = True) -> pl.DataFrame:
    """Changes of classes, of which the outermost have q < .05 if `decided`."""
    rng = np.random.default_rng(3)
    rows = []
    for chosen in ("confirmed", "recognising", "side: top"):
        changes = rng.normal(0, 0.002, len(names)).tolist()
        order = np.argsort(np.abs(changes)).tolist()
        for place, (name, change) in enumerate(zip(names, changes, strict=True)):
            clear = decided and place in order[-3:]
            rows.append(
                {"set": chosen, "class": place, "name": name, "change": change,
                 "low": change - (0.3 * abs(change) if clear else 0.004),
                 "high": change + (0.3 * abs(change) if clear else 0.004),
                 "control": change / 8, "excess": change * 7 / 8,
                 "excess_low": change * 7 / 8 - 0.003, "excess_high": change * 7 / 8 + 0.003,
                 "p": 1e-5 if clear else 0.3, "q": 0.012 if clear else 0.8,
                 "images": IMAGES, "photographs": IMAGES, "images_needed": 48 if decided else 1234}
            )  # fmt: skip
    return schema.CLASSES.frame(rows)


def views(measure: str) -> pl.DataFrame:
    sizes = dict(zip(TREATMENTS, (1.0, 1.2, 1.03, 1.7), strict=True))
    rows = []
    for view, amounts in VIEWS.items():
        for amount in (None, *amounts):
            for treatment, factor in sizes.items():
                plain = 0.12 if amount is None else 0.02 + 0.05 * abs(float(np.log(amount)))
                value = factor * plain
                beside = treatment != "as is"
                rows.append(
                    {"view": view, "amount": amount, "treatment": treatment, "measure": measure,
                     "images": IMAGES, "photographs": IMAGES, "value": value, **around(value, 0.2),
                     "difference": value - plain if beside else None,
                     "difference_low": value - plain - 0.01 if beside else None,
                     "difference_high": value - plain + 0.01 if beside else None,
                     "control_difference": 0.03 * plain if treatment == "PANs undone" else None}
                )  # fmt: skip
    return schema.VIEWS.frame(rows)


def readout() -> pl.DataFrame:
    rows = [
        {"treatment": treatment, "axis": axis, "r2": r2 - 0.06 * (axis == "left-right"),
         "low": r2 - 0.12, "high": r2 + 0.05, "chance": -0.04, "images": 16,
         "photographs": 16}
        for treatment, r2 in READ.items()
        for axis in ("top-bottom", "left-right")
    ]  # fmt: skip
    return schema.READOUT.frame(rows)


def bands(measure: str) -> pl.DataFrame:
    rows = []
    for width in WIDTHS:
        for place, band in enumerate(BANDS):
            value = 0.03 * width**0.9 / (1 + 0.4 * place)
            fill = band == "fill"
            rows.append(
                {"width": width, "band": band, "measure": measure, "value": value,
                 "images": IMAGES, "photographs": IMAGES, **around(value, 0.2),
                 "excess": 0.3 * value if fill else None,
                 "excess_low": 0.1 * value if fill else None,
                 "excess_high": 0.5 * value if fill else None}
            )  # fmt: skip
    return schema.BANDS.frame(rows)


def firing(sites: Sequence[str]) -> pl.DataFrame:
    rows = []
    for place, site in enumerate(sites):
        for side in ("top", "left"):
            for width in WIDTHS:
                value = min(0.95, 0.2 * width) / (1 + 0.3 * place)
                dead = place == 1 and side == "left"
                rows.append(
                    {"site": site, "side": side, "width": width, "filters": 12 + place,
                     "images": IMAGES, "photographs": IMAGES,
                     "firing": None if dead else value, "low": None if dead else 0.7 * value,
                     "high": None if dead else 1.25 * value, "control": None if dead else 0.06,
                     "mean_colour": None if dead else 0.4 * value}
                )  # fmt: skip
    return schema.FIRING.frame(rows)


def checks(sites: Sequence[str], count: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    exact = 10 ** rng.uniform(-5, -1, count)
    estimate = exact * 10 ** rng.normal(0, 0.2, count)
    return schema.CHECKS.frame(
        (sites[place % len(sites)], place % 5, IMAGES, IMAGES, estimate[place], value, value / 7)
        for place, value in enumerate(exact)
    )


def costs() -> pl.DataFrame:
    return schema.COSTS.frame(
        [
            ("recognising", 420, 0.0467, 40_000, 0.04, 500_000, 0.05),
            ("confirmed", 1119, 0.124, 110_000, 0.11, 1_000_000, 0.1),
        ]
    )


def with_impact(
    study: Study,
    answer: AnswerKind = "classes",
    names: Sequence[str] = BIRDS,
    **changed: Any,
) -> Study:
    """Put a made-up impact, and estimates of its filters, on an explained study."""
    measure = "kl" if answer == "classes" else "change"
    sites = study.filters["site"].unique(maintain_order=True).to_list()
    impact = Impact(
        identity={"images": "c0ffee", "settings": {"fill": "reflect", "draws": DRAWS}},
        images="48 of 600 photographs in images/ (seed 0)",
        labels="48 classes by labels.csv" if answer == "classes" else "",
        counted=IMAGES, answer=answer, fill="reflect", effects=effects(answer),
        doses=doses(measure),
        distances=distances() if answer == "dense" else schema.DISTANCES.empty(),
        classes=classes(names) if answer == "classes" else schema.CLASSES.empty(),
        views=views(measure), readout=readout(), bands=bands(measure), firing=firing(sites),
        checks=checks(sites), costs=costs(),
        agreement={"spearman": 0.93, "low": 0.88, "high": 0.96, "spearman_kl": 0.91,
                   "reliable": 1.0, "filters": 60, "images": 48},
        skipped=(Skipped(7, "torn.jpg", "it ends too early"),),
        notes=("The read-out was made on 16 photographs.",),
    )  # fmt: skip
    size = 0.01 * study.filters["ks"].fill_null(0).to_numpy() ** 2
    rank = pl.col("impact").rank("min", descending=True).cast(pl.Int64)
    estimated = study.filters.with_columns(
        impact=pl.Series(size), impact_low=pl.Series(0.8 * size), impact_high=pl.Series(1.2 * size),
        impact_signed=pl.Series(-0.5 * size),
    ).with_columns(impact_rank=rank)  # fmt: skip
    return replace(study, filters=estimated, impact=replace(impact, **changed))
