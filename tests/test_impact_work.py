"""Forward passes of an impact: as many as every step says beforehand, and few enough."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.test_impact import MARGIN, SIZE, Net, canvases, explained, labels
from torch import Tensor

from padscope import impact
from padscope.evidence import KINDS
from padscope.measurements.views import choose_views, passes
from padscope.models import load_model
from padscope.running.model import Asking, observe_first
from padscope.settings import ImpactSettings
from padscope.study.borders import FalseBorders
from padscope.study.effects import SetEffects
from padscope.study.estimates import PASSES, FilterEstimates
from padscope.study.impact_images import open_impact_images
from padscope.study.outcome import Outcome
from padscope.study.positions import PositionBias
from padscope.study.stage import Stage
from padscope.study.subject import Subject

IMAGES = 24
STEPS = (FilterEstimates, SetEffects, PositionBias, FalseBorders)


class Counted(Net):
    """Adds up the images that enter it, by area; where gradients are taken, three times."""

    passes = 0.0

    def forward(self, x: Tensor) -> Any:
        self.passes += x[:, 0].numel() / SIZE**2 * (PASSES if torch.is_grad_enabled() else 1)
        return super().forward(x)


def watch(monkeypatch: pytest.MonkeyPatch, net: Counted) -> dict[type, tuple[int, float]]:
    """Gather what every step says that it takes, and what it takes."""
    found: dict[type, tuple[int, float]] = {}

    def watched(step: Any) -> Any:
        run = step.run

        def watching(self: Any, stage: Stage) -> Outcome:
            work, before = self.effort.passes, net.passes
            outcome: Outcome = run(self, stage)
            found[step] = work, net.passes - before
            return outcome

        return watching

    for step in STEPS:
        monkeypatch.setattr(step, "run", watched(step))
    return found


@pytest.mark.parametrize("thorough", [False, True])
def test_an_impact_takes_the_passes_that_it_announces(
    thorough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    few: dict[str, Any] = {
        "limit": IMAGES, "batch_size": 8, "draws": 4, "disturbances": 2, "check": 3,
        "check_images": 8, "canvas_images": 4, "resamples": 10,
    }  # fmt: skip
    settings = ImpactSettings.thorough(**few) if thorough else ImpactSettings(**few, part_images=12)
    net, seen = Counted(), list[tuple[int, int | None, float | None]]()
    study, taken = explained(net), watch(monkeypatch, net)
    impact(study, net, canvases(IMAGES), labels(), settings, progress=lambda *at: seen.append(at))
    done, total, left = seen[-1]
    assert left == 0
    assert done == total == sum(work for work, _ in taken.values())
    assert taken[FilterEstimates] == (IMAGES * 3 + 8 * (3 + 3 + 1),) * 2
    for step in (SetEffects, FalseBorders):
        assert taken[step][0] == taken[step][1] > 0
    # One image is run beforehand: every view, to see whether the network takes it, and the centre.
    views = choose_views((SIZE,) * 2, (MARGIN,) * 2, 1, fine=thorough)
    tried = passes((views.centre, *views.others), (SIZE,) * 2)
    work, took = taken[PositionBias]
    assert took - work == pytest.approx(tried + 1, abs=1)


def lite0(settings: ImpactSettings) -> Subject:
    """Give EfficientNet-Lite0 with as many filters of each set as it has, picked at random.

    As in the network, some confirmed filters have no controls, and some recognising ones no
    partners.
    """
    loaded = load_model("lite0")
    observed = observe_first(loaded.module, torch.zeros(1, 3, 224, 224), None)
    sites = [site for site in observed.sites if site.filters]
    filters = pl.concat(
        pl.DataFrame({"site": [site.name] * site.filters, "filter": range(site.filters)})
        for site in sites
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(filters.height)
    first, second, *_ = (site.filters for site in sites)
    order[:first] = filters.height
    order[:4], order[4:24] = 0, 280  # fewer unlabelled filters than confirmed ones
    order[first : first + second] = filters.height
    order[first : first + 5] = 0  # none confirmed but recognising ones
    filters = filters.with_columns(
        recognises=pl.Series(order < 280), ks=pl.lit(0.1), recall=pl.lit(0.5),
        causal_ks=pl.lit(0.5),
        label=pl.Series(np.where(order < 1139, "confirmed", "quiet")),
        kind=pl.Series([KINDS[place % 6] for place in range(len(order))]),
    )  # fmt: skip
    sides = pl.concat(
        filters.with_columns(side=pl.lit(side)) for side in ("top", "bottom", "left", "right")
    )
    scale = {s.name: SimpleNamespace(spread=torch.ones(s.filters)) for s in sites}
    study: Any = SimpleNamespace(
        filters=filters, sides=sides, counted=SimpleNamespace(bins=scale),
        sites=pl.DataFrame({"total_stride": [[32.0, 32.0]]}),
    )  # fmt: skip
    explanation: Any = SimpleNamespace(margin=(128, 128))
    tested = open_impact_images(None, loaded, (224, 224), settings, 1)
    return Subject(
        study, explanation, loaded, loaded.module, tested, observed, Asking(), torch.zeros(1, 1000),
        settings,
    )  # fmt: skip


def test_the_impact_of_lite0_takes_25_passes_of_96_images() -> None:
    subject = lite0(ImpactSettings())
    works = {
        step.what: step.effort.passes
        for step in (
            FilterEstimates(subject), SetEffects.of(subject), PositionBias(subject),
            FalseBorders(subject),
        )
    }  # fmt: skip
    assert sum(works.values()) <= 25 * 96, works
    parts = Counter(one.part for one in SetEffects.of(subject).treatments)
    assert (parts["matched"], parts["paired"]) == (1, 1)
