"""From counts to what an explanation says: tables, inherited signals, baselines, notes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from padscope.engines import Contrasted, SitePlan
from padscope.scores import score_borders, score_contrast
from padscope.settings import ExplainSettings
from padscope.study.baselines import network_scores
from padscope.study.context import Context
from padscope.study.explanation import TRAINED, Explanation
from padscope.study.result import Study
from padscope.tables import (
    cause_tables,
    inherited_table,
    no_inherited,
    with_causes,
    with_context,
)


def conclude(
    study: Study,
    identity: dict[str, Any],
    context: Context,
    contrasted: Contrasted,
    networks: Mapping[str, pl.DataFrame | str],
    margin: dict[str, dict[str, float]],
    settings: ExplainSettings,
) -> Study:
    """Score every filter, and put the explanation beside the scan.

    Parameters
    ----------
    study : Study
        Of the scan.
    identity : dict
        Of the explanation.
    context : Context
    contrasted : Contrasted
        Counts of the trained network.
    networks : mapping
        Baseline → its scores, or why there are none.
    margin : dict
        Of `check_margin`.
    settings : ExplainSettings
    """
    plan = context.plan
    causes = _score(study, plan.sites, contrasted, settings)
    sides, filters = with_causes(study.sides, study.filters, causes)
    found = {name: _found(site, context, margin) for name, site in plan.sites.items()}
    inherited = [
        inherited_table(site.site, site.layout, scores.causal.ks, scores.causal.polarity)
        for name, site in plan.elsewhere.items()
        for scores in [score_borders(site.layout, contrasted.of_site(name))]
    ]
    trained = network_scores(TRAINED, plan, contrasted)
    tables = [table for table in networks.values() if isinstance(table, pl.DataFrame)]
    refused = [
        f"No baseline {name!r}: {reason}."
        for name, reason in networks.items()
        if isinstance(reason, str)
    ]
    explanation = Explanation(
        identity, context.canvas.describe(), context.canvas.margin, contrasted,
        pl.concat(inherited) if inherited else no_inherited(), pl.concat([trained, *tables]),
        (*context.notes, *refused),
    )  # fmt: skip
    return replace(
        study, sites=with_context(study.sites, found), sides=sides, filters=filters,
        explanation=explanation,
    )  # fmt: skip


def _score(
    study: Study, sites: dict[str, SitePlan], contrasted: Contrasted, settings: ExplainSettings
) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    responses = {
        name: table["ks"].to_numpy()
        for (name,), table in study.sides.group_by(["site"], maintain_order=True)
    }

    def tables(site: SitePlan) -> tuple[pl.DataFrame, pl.DataFrame]:
        name, sides = site.site.name, len(site.layout.sides)
        tallies = contrasted.of_site(name)
        scores = score_contrast(site.layout, tallies, real_context=site.contextual)
        ks: NDArray[np.float64] = responses[name].reshape(-1, sides).T
        return cause_tables(
            site.site, site.layout, ks, scores, tallies, real_context=site.contextual,
            resamples=settings.resamples, seed=settings.seed,
        )  # fmt: skip

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets go of the lock
        return list(pool.map(tables, sites.values()))


def _found(
    site: SitePlan, context: Context, margin: dict[str, dict[str, float]]
) -> dict[str, object]:
    name, verified = site.site.name, context.verified.get(site.site.name)
    found: dict[str, object] = {"no_context": site.reason}
    if site.alignment:
        found["total_stride"] = [float(stride) for stride in site.alignment.stride]
    if verified:
        difference = verified.difference if verified.compared else None
        found |= {
            "out_of_reach": verified.compared,
            "difference": difference,
            "window_error": verified.window_error,
        }
    return found | margin.get(name, {})
