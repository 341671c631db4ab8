"""From counts to what an explanation says: tables, inherited signals, baselines, notes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from padscope.measurements import Counts, SitePlan
from padscope.scores import (
    CausalScores,
    Statistic,
    contrast_lines,
    known_statistics,
    score_contrast,
)
from padscope.settings import ExplainSettings
from padscope.study.context import Context
from padscope.study.explanation import TRAINED, Explanation
from padscope.study.result import Study
from padscope.tables import (
    cause_tables,
    inherited_table,
    network_table,
    no_inherited,
    with_causes,
    with_context,
)


def conclude(
    study: Study,
    identity: dict[str, Any],
    context: Context,
    counts: Counts,
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
    counts : Counts
        Counts of the trained network.
    networks : mapping
        Baseline → its scores, or why there are none.
    margin : dict
        Of `check_margin`.
    settings : ExplainSettings
    """
    plan = context.plan
    score = _Scoring.of(study, counts, settings)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets go of the lock
        # The largest sites come last in most networks; begun last, one would be waited for.
        largest_first = sorted(plan.sites.items(), key=lambda item: -item[1].site.filters)
        begun = {name: pool.submit(score.explained, site) for name, site in largest_first}
        inherited = list(pool.map(score.inherited, plan.elsewhere.values()))
        explained = {name: begun[name].result() for name in plan.sites}
    causes = [causes for _, causes in explained.values()]
    sides, filters = with_causes(study.sides, study.filters, causes)
    checks = {name: _found(site, context, margin) for name, site in plan.sites.items()}
    trained = network_table(
        TRAINED,
        {name: found.response for name, (found, _) in explained.items()},
        {name: found.causal["ks"] for name, (found, _) in explained.items()},
    )
    tables = [table for table in networks.values() if isinstance(table, pl.DataFrame)]
    refused = [
        f"No baseline {name!r}: {reason}."
        for name, reason in networks.items()
        if isinstance(reason, str)
    ]
    explanation = Explanation(
        identity, context.canvas.describe(), context.canvas.margin, counts,
        pl.concat(inherited) if inherited else no_inherited(), pl.concat([trained, *tables]),
        (*context.notes, *refused),
    )  # fmt: skip
    return replace(
        study, sites=with_context(study.sites, checks), sides=sides, filters=filters,
        explanation=explanation,
    )  # fmt: skip


@dataclass(frozen=True)
class _Scoring:
    """Scores one site at a time, in whichever thread."""

    responses: dict[object, NDArray[np.float64]]
    counts: Counts
    settings: ExplainSettings
    statistics: Mapping[str, Statistic]

    @classmethod
    def of(cls, study: Study, counts: Counts, settings: ExplainSettings) -> _Scoring:
        by_site = study.sides.group_by(["site"], maintain_order=True)
        responses: dict[object, NDArray[np.float64]] = {
            name: table["ks"].to_numpy() for (name,), table in by_site
        }
        return cls(responses, counts, settings, known_statistics())

    def explained(self, site: SitePlan) -> tuple[CausalScores, tuple[pl.DataFrame, pl.DataFrame]]:
        """Score a padded site, and make its tables of sides and filters."""
        tallies = self.counts.of_site(site.site.name)
        scores = score_contrast(site.layout, tallies, self.statistics, real_context=site.contextual)
        ks = self.responses[site.site.name].reshape(-1, len(site.layout.sides)).T
        tables = cause_tables(
            site.site, site.layout, ks, scores, tallies, real_context=site.contextual,
            resamples=self.settings.resamples, seed=self.settings.seed,
        )  # fmt: skip
        return scores, tables

    def inherited(self, site: SitePlan) -> pl.DataFrame:
        ks, polarity = contrast_lines(site.layout, self.counts.of_site(site.site.name))
        return inherited_table(site.site, site.layout, ks, polarity)


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
