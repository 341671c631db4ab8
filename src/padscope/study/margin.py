"""Whether the margin suffices: the same images with twice as much real context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from padscope.errors import PadscopeError
from padscope.evidence import CONFIRMED
from padscope.images import Batch, central
from padscope.measurements import ContrastPlan, Counts, contrast_units, plan_contrast
from padscope.running.model import as_input
from padscope.scores import causal_distances
from padscope.settings import ExplainSettings
from padscope.sites import observe
from padscope.study.context import Canvas, Context


def check_margin(
    module: nn.Module, context: Context, counts: Counts, settings: ExplainSettings
) -> dict[str, dict[str, float]]:
    """Double the margin on some images, and compare the causal scores.

    Both margins see the same crops: the smaller canvas is the centre of the larger one.

    Returns
    -------
    dict
        Site name → ``margin_change``, mean change of a causal KS, and ``margin_agreement``,
        Jaccard index of the filter-sides at `CONFIRMED`. Empty where nothing could be compared:
        no margin, or no image large enough for twice as much.
    """
    if not any(context.canvas.margin) or not settings.check:
        return {}
    doubled = tuple(2 * margin for margin in context.canvas.margin)
    wide = context.canvas.with_margin(doubled, settings.check)
    try:
        first = wide.first()
    except PadscopeError:
        return {}
    static = context.plan.static_batch
    example = as_input(module, first.repeat_interleave(static or 2, dim=0))
    observed = observe(module, example, partial=True)
    apart = {name: plan.reason for name, plan in context.plan.plans.items() if plan.reason}
    wide_plan = plan_contrast(
        context.plan.observation, observed, context.plan.size, doubled,
        context.canvas.sample_size(settings), apart, static,
    ).light()  # fmt: skip
    plan = context.plan.light()
    batches = [batch for batch in wide.batches(wide.units) if batch.indices]
    near = [_narrowed(batch, context.canvas) for batch in batches]
    scores = [
        _causal(module, kept, each, counts) for kept, each in ((near, plan), (batches, wide_plan))
    ]
    return {
        name: _compared(scores[0][name], scores[1][name])
        for name, site in plan.sites.items()
        if site.contextual and wide_plan.sites[name].contextual
    }


def _narrowed(batch: Batch, canvas: Canvas) -> Batch:
    return replace(batch, pixels=central(batch.pixels, canvas.canvas_size, "a batch of images"))


def _causal(
    module: nn.Module, batches: list[Batch], plan: ContrastPlan, counts: Counts
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    counted = contrast_units(module, batches, plan, 1, counts.blank())
    return {
        name: causal_distances(site.layout, counted.of_site(name))
        for name, site in plan.sites.items()
    }


def _compared(
    near: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    wide: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> dict[str, float]:
    a, b = near >= CONFIRMED, wide >= CONFIRMED
    either = (a | b).sum()
    found = {"margin_agreement": float((a & b).sum() / either) if either else 1.0}
    if np.isfinite(near - wide).any():
        found["margin_change"] = float(np.nanmean(np.abs(near - wide)))
    return found
