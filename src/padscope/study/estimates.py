"""How much every single filter matters: estimates for all, checked exactly for some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from padscope.measurements import EstimateMeasurement, ExactMeasurement
from padscope.running import Recorded
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.stages import Effort
from padscope.study.subject import Subject
from padscope.tables import (
    agreement,
    check_table,
    choose_checked,
    impact_columns,
    missing_estimates,
)

PASSES = 3  # a forward pass, and a backward one, which counts for two
DEAR = 2.2  # what one of them costs, over one of the check


@dataclass(frozen=True)
class FilterEstimates:
    """Estimated impact of every filter; a `Step`."""

    subject: Subject
    what: str = "the estimated impact of single filters"

    @property
    def effort(self) -> Effort:
        """Forward passes of single images."""
        settings, tested = self.subject.settings, self.subject.tested
        checked = (tested.images(settings.check_images) or 0) * _checking(settings.check)
        return Effort.of((tested.images() or 0) * PASSES, DEAR) + Effort.of(checked)

    def run(self, stage: Stage) -> Outcome:
        """Estimate all, and check some."""
        subject, settings, tested = self.subject, self.subject.settings, self.subject.tested
        given = (settings.fill, settings.seed, subject.asking)
        module, observed = subject.module, subject.observation
        job = tested.job("estimates", lambda _: EstimateMeasurement(module, observed, *given))
        estimated = require_images(stage.run(job, Recorded(), PASSES, dear=DEAR), "estimates")
        impacts = impact_columns(estimated.sums, subject.kind)
        lacking = missing_estimates(subject.observation.sites, estimated.sums)
        notes = [
            f"No estimated impact for {', '.join(sites)}: {why}."
            for why, sites in _by_reason(lacking).items()
        ]
        chosen = choose_checked(impacts, settings.check, settings.seed)
        if not chosen:
            return Outcome(
                filters=impacts, notes=(*notes, UNKNOWN if impacts.is_empty() else NOTHING)
            )
        job = tested.job(
            "check", lambda pulse: ExactMeasurement(module, observed, chosen, *given, pulse),
            settings.check_images,
        )  # fmt: skip
        checked = require_images(stage.run(job, Recorded(), _checking(len(chosen))), "check")
        checks = check_table(chosen, checked.rows, subject.kind, tested.groups(checked.indices))
        agreed = agreement(checks, checked.images, settings.resamples, settings.seed)
        if agreed and not agreed["reliable"]:
            notes.append(
                f"The estimated impacts are unreliable: their rank correlation with exact effects "
                f"is {agreed['spearman']:.2f}, and .8 is asked for."
            )
        return Outcome({"checks": checks}, impacts, agreed, notes=tuple(notes))


def _checking(filters: int) -> int:
    """Forward passes of an image in which filters are checked: unchanged, and without each."""
    return PASSES + 1 + filters


def _by_reason(lacking: Mapping[str, str]) -> dict[str, list[str]]:
    """Gather sites that lack estimates for one reason."""
    reasons: dict[str, list[str]] = {}
    for site, why in lacking.items():
        reasons.setdefault(why, []).append(site)
    return reasons


UNKNOWN = (
    "No filter has an estimated impact, for want of gradients: none leads from the answer to a "
    "padded convolution, as under torch.no_grad() or behind detach() in forward."
)
NOTHING = "No filter has an estimated impact: the gradients at all padded convolutions are 0."
