"""Effects of undoing sets of filters, drawn beside the same done to controls."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from padscope.figures.scales import Scale, fitting
from padscope.findings.effects import Effect, Effects, effects
from padscope.report.impact.dots import Dot, dot_strip
from padscope.study import Impact

DRAWN = (
    "effect", "low", "high", "control", "control_low", "control_high", "disturbance",
    "matched_effect",
)  # fmt: skip


@dataclass(frozen=True)
class DrawnEffects(Effects):
    """The same, drawn.

    Attributes
    ----------
    scale : Scale
    drawn : dict
        (change, set) → its strip.
    """

    scale: Scale
    drawn: dict[tuple[str, str], Markup]


def make_effects(impact: Impact) -> DrawnEffects | None:
    """Draw the effects; None if none were measured by the answer's own measure."""
    found = effects(impact)
    if found is None:
        return None
    every = [(change, effect) for change, block in found.blocks for effect in block]
    values = [effect.row[name] for _, effect in every for name in DRAWN]
    scale = fitting([value for value in values if value is not None])
    drawn = {(change, effect.chosen): _draw(effect, scale) for change, effect in every}
    return DrawnEffects(**vars(found), scale=scale, drawn=drawn)


def _draw(effect: Effect, scale: Scale) -> Markup:
    row = effect.row
    part = row["matched_effect"] if effect.matched_value else None
    dot = Dot(
        row["effect"], row["low"], row["high"], row["control"], row["control_low"],
        row["control_high"], row["disturbance"], part,
    )  # fmt: skip
    return dot_strip(dot, scale)
