"""Measure the estimated impact of every filter, and the exact one of some, for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects import Objective
from padscope.effects.classification import ClassAnswer, kl_divergence
from padscope.errors import PadscopeError, brief
from padscope.images import Batch
from padscope.interventions import Estimator, FillName, repad
from padscope.regions import FOLDS
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking, as_input
from padscope.running.recorded import Draft
from padscope.sites import Observation

IMAGES = "images"
SITE = "site/"


class EstimateMeasurement:
    """Measurement of the estimated effect of refilling each filter of a model; see `Estimator`.

    Of every batch it finds the sums

    ``images``
        (FOLDS,): how many images, per image fold (index modulo `FOLDS`).
    ``site/NAME``
        (FOLDS, 3, filters), of every site whose filters can be estimated: the sums of the effects
        on the `Objective` of the answer, of their absolute values, and of their squares.

    Memory does not grow with the number of images.

    Parameters
    ----------
    module : nn.Module
        In eval mode. Its parameters collect no gradients, and are left as they are.
    observation : Observation
        Of the module, on images of the same size.
    fill : FillName
        What would come in place of the padding; see `padscope.interventions.repad`.
    seed : int
        For the fill ``core``, and for the signs of an `Objective`.
    asking : Asking, optional
    """

    def __init__(
        self,
        module: nn.Module,
        observation: Observation,
        fill: FillName = "reflect",
        seed: int = 0,
        asking: Asking | None = None,
    ) -> None:
        self._module = module
        self._estimator = Estimator(module, fill, seed, observation)
        self._seed, self._asking = seed, asking or Asking()

    def __call__(self, batch: Batch) -> Findings:
        """Add up the effects on one batch."""
        member = F.one_hot(torch.tensor(batch.indices) % FOLDS, FOLDS).double()  # (N, FOLDS)
        sums = {IMAGES: member.sum(dim=0)}
        for name, effects in self.effects(batch).items():
            precise = effects.cpu().double()
            moments = torch.stack([precise, precise.abs(), precise.square()])
            sums[SITE + name] = torch.einsum("nf,mnc->fmc", member, moments)
        return Findings(sums=sums)

    def effects(self, batch: Batch) -> dict[str, Tensor]:
        """Estimate the effects on one batch: site name → (N, filters) Tensor.

        Raises
        ------
        PadscopeError
            The model fails, gives what is not finite, or has no gradients.
        """
        estimator, images = self._estimator, batch.indices
        with _frozen(self._module), torch.enable_grad():
            source = as_input(self._module, batch.pixels).detach().requires_grad_()
            with estimator.watching(self._asking.numbered(images)):
                answer = self._asking.ask(self._module, source, images)
            objective = Objective.of(answer, images, self._seed)(answer)
            reached = _take_gradient(objective, source, images)
        effects, estimator.effects = estimator.effects, {}
        if not reached:  # nothing is known of any site
            return {}
        return {name: of_rows[: len(images)] for name, of_rows in effects.items()}


class ExactMeasurement:
    """Measurement of the exact effect of refilling single filters, one forward pass for each.

    Of every batch it finds the rows

    ``exact``, ``estimate``
        (N, filters): the effect of each of the filters, alone, on the `Objective` of the answer,
        and its estimate; NaN where there is none.
    ``kl``
        (N, filters), if the answer is scores of classes: Kullback-Leibler divergence of the changed
        from the unchanged answer, in nats.

    Parameters
    ----------
    module, observation
        As of `EstimateMeasurement`.
    filters : sequence of (str, int)
        Site and filter.
    fill, seed, asking
        As of `EstimateMeasurement`; the same ones make the same effects.
    pulse : callable
        See `padscope.running.Pulse`.
    """

    def __init__(
        self,
        module: nn.Module,
        observation: Observation,
        filters: Sequence[tuple[str, int]],
        fill: FillName = "reflect",
        seed: int = 0,
        asking: Asking | None = None,
        pulse: Pulse = no_pulse,
    ) -> None:
        self._estimates = EstimateMeasurement(module, observation, fill, seed, asking)
        self._module, self._observation, self._filters = module, observation, filters
        self._fill, self._seed = fill, seed
        self._asking, self._pulse = asking or Asking(), pulse
        self.draft: Draft = {}

    def __call__(self, batch: Batch) -> Findings:
        """Refill each filter alone on one batch."""
        estimates = self._estimates.effects(batch)
        base = self._answer(batch)
        objective = Objective.of(base, batch.indices, self._seed)
        unchanged = objective(base)
        done = sum(name.startswith("exact") for name in self.draft)
        if done:
            self._pulse(done * len(batch.indices))
        for place, (site, index) in list(enumerate(self._filters))[done:]:
            changed = self._refilled(batch, site, index)
            if objective.kind == "classes":
                kl = kl_divergence(ClassAnswer.of(base), ClassAnswer.of(changed))
                self.draft[f"kl {place}"] = kl
            self.draft[f"exact {place}"] = objective(changed) - unchanged
            self._pulse(len(batch.indices))
        rows = {"estimate": self._chosen(estimates, unchanged)}
        for name in ("exact", "kl") if objective.kind == "classes" else ("exact",):
            columns = [self.draft[f"{name} {place}"] for place in range(len(self._filters))]
            rows[name] = torch.stack(columns, dim=1)
        self.draft.clear()
        return Findings(rows=rows)

    def _chosen(self, effects: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Select the filters' effects, (N, filters); NaN where there are none."""
        columns = torch.full((len(like), len(self._filters)), torch.nan, dtype=like.dtype)
        for column, (site, index) in enumerate(self._filters):
            if site in effects:
                columns[:, column] = effects[site][:, index]
        return columns

    def _refilled(self, batch: Batch, site: str, index: int) -> Tensor:
        with repad(
            self._module, filters={site: [index]}, fill=self._fill, seed=self._seed,
            observed=self._observation,
        ) as running:  # fmt: skip
            running.images = self._asking.numbered(batch.indices)
            return self._answer(batch)

    def _answer(self, batch: Batch) -> Tensor:
        """Answer in double precision: effects of weak filters are small differences."""
        with torch.no_grad():
            answer = self._asking.ask(self._module, batch.pixels, batch.indices)
        return answer.cpu().double()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Take gradients with respect to the images alone: the only paths on which they mean effects.

    What does not depend on the images then carries no gradients, and what only weights' gradients
    would need is not kept.
    """
    asked = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in asked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)


def _take_gradient(objective: Tensor, source: Tensor, images: Sequence[int]) -> bool:
    """Send gradients back to the images, which only whoever waits on the way makes use of.

    Returns
    -------
    bool
        Whether any way leads there: none does where the answer is computed without gradients.
    """
    if not bool(objective.isfinite().all()):
        raise PadscopeError(
            f"the model's answer on images {images[0]} to {images[-1]} is not finite; effects need "
            "finite answers: leave out the images that cause it"
        )
    if not objective.requires_grad:
        return False
    try:
        torch.autograd.grad(objective.sum(), source, allow_unused=True)
    except RuntimeError as error:  # an operation that has no derivative
        raise PadscopeError(
            f"gradients cannot be taken through the model: {brief(error)}; its filters' impact "
            "cannot be estimated"
        ) from error
    return True
