"""From counts to what an explanation says: tables, inherited signals, baselines, notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import torch

from padscope.measurements import Counts, SitePlan
from padscope.scores import (
    Statistic,
    contrast_lines,
    known_statistics,
    score_contrast,
    score_site,
)
from padscope.settings import ExplainSettings
from padscope.study.baselines import USUAL
from padscope.study.context import Context
from padscope.study.explanation import COMPARED, GIVEN, Explanation
from padscope.study.likeness import Likeness
from padscope.study.result import Study
from padscope.tables import (
    added_impacts,
    cause_tables,
    inherited_table,
    response_tables,
    with_causes,
    with_context,
    with_decoys,
    with_impact,
)
from padscope.tables.schema import INHERITED
from padscope.threads import single_threaded_pool

Tables = tuple[pl.DataFrame, pl.DataFrame]


def conclude(
    study: Study,
    identity: dict[str, Any],
    context: Context,
    counts: Counts,
    networks: Mapping[str, pl.DataFrame | str],
    likeness: Likeness,
    margin: dict[str, dict[str, float]],
    settings: ExplainSettings,
) -> Study:
    """Score every filter on the explained images, and put the explanation in the scan's place.

    Parameters
    ----------
    study : Study
        Of the scan, with the impact if that is of the same explanation.
    identity : dict
        Of the explanation.
    context : Context
    counts : Counts
        Counts of the given network.
    networks : mapping
        Baseline → its scores, or why there are none; and `USUAL`.
    likeness : Likeness
    margin : dict
        Of `check_margin`.
    settings : ExplainSettings
    """
    plan = context.plan
    score = _Scoring(counts, settings, known_statistics())
    with single_threaded_pool(torch.get_num_threads(), "padscope-score") as pool:
        # The largest sites come last in most networks; begun last, one would be waited for.
        largest_first = sorted(plan.sites.items(), key=lambda item: -item[1].site.filters)
        begun = {name: pool.submit(score.explained, site) for name, site in largest_first}
        inherited = list(pool.map(score.inherited, plan.elsewhere.values()))
        explained = {name: begun[name].result() for name in plan.sites}
    responses = [responses for responses, _ in explained.values()]
    causes = [causes for _, causes in explained.values()]
    filters, sides = (pl.concat(tables) for tables in zip(*responses, strict=True))
    sides, filters = with_causes(sides, filters, causes)
    checks = {name: _found(site, context, margin) for name, site in plan.sites.items()}
    made = {name: table for name, table in networks.items() if isinstance(table, pl.DataFrame)}
    usual, given = made.pop(USUAL), made[GIVEN]
    noted = [table["note"][0] for table in made.values() if table["note"][0]]
    of_kind = {kind: [t for n, t in made.items() if n.startswith(f"{kind} ")] for kind in COMPARED}
    filters = with_decoys(filters, given, of_kind, settings.content)
    if study.impact:  # of this very explanation
        filters = with_impact(filters, added_impacts(study.filters))
    refused = [
        f"No baseline {name!r}: {reason}."
        for name, reason in networks.items()
        if isinstance(reason, str)
    ]
    explanation = Explanation(
        identity, context.canvas.describe(), context.canvas.margin, counts,
        pl.concat(inherited) if inherited else INHERITED.empty(), pl.concat(made.values()),
        usual, likeness.warnings, likeness.open_training, (*context.notes, *refused, *noted),
    )  # fmt: skip
    return replace(
        study, sites=with_context(study.sites, checks), sides=sides, filters=filters,
        explanation=explanation,
    )  # fmt: skip


@dataclass(frozen=True)
class _Scoring:
    """Scores one site at a time, in whichever thread."""

    counts: Counts
    settings: ExplainSettings
    statistics: Mapping[str, Statistic]

    def explained(self, site: SitePlan) -> tuple[Tables, Tables]:
        """Score a padded site: tables of responses and of causes."""
        settings, tallies = self.settings, self.counts.of_site(site.site.name)
        responses = score_site(site.layout, tallies, self.statistics, settings.content)
        scores = score_contrast(site.layout, tallies, self.statistics, real_context=site.contextual)
        causes = cause_tables(
            site.site, site.layout, responses, scores, tallies, real_context=site.contextual,
            resamples=settings.resamples, seed=settings.seed,
        )  # fmt: skip
        return response_tables(site.site, site.layout, responses), causes

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
