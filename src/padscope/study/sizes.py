"""Which input sizes leave no stride uneven, and what they do to the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn

from padscope.effects import kind_of_answer
from padscope.errors import PadscopeError
from padscope.images import StreamedImages
from padscope.interventions import move_padding
from padscope.measurements.sizes import Changed, SizeMeasurement
from padscope.models import LoadedModel
from padscope.running import Recorded, Runner
from padscope.running.model import observe_first
from padscope.settings import SizeSettings
from padscope.sites import Site
from padscope.sites.census import even_size, is_uneven
from padscope.study.compared import Compared, comparing
from padscope.study.context import Canvas
from padscope.study.impact_images import GivenLabels
from padscope.study.result import Study
from padscope.study.sizes_result import Sizes
from padscope.study.stage import Journal
from padscope.study.stages import SIZES, Progress
from padscope.study.subject import Asked
from padscope.tables.schema import SIZE_EFFECTS
from padscope.tables.sizes import EVEN, OTHER_END, OTHER_SIZE, Tried, parity_table, size_table


def measure_sizes(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    labels: GivenLabels | None = None,
    settings: SizeSettings | None = None,
    *,
    study: Study | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Sizes:
    """Find input sizes at which no stride is uneven, and measure what they do to the answers.

    Every input is cut out of the centre of the same canvas, so that nothing changes but its size.
    Beside each size stands a control, as far from the wanted one on its other side, and uneven; and
    the network with its uneven padding moved to the other end, as another framework has it.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        It comes back exactly as it was.
    images, labels
        As of `impact`; tensors must be as large as the largest size.
    settings : SizeSettings, optional
    study : Study, optional
        Of the same model, whose size of crops is the wanted one.
    journal : Journal, optional
        A `RunDirectory` with the scan of `study`, to keep checkpoints in and to resume from.
    progress, stop, workers, runner
        As of `scan`; what is done is counted in forward passes of single images.

    Raises
    ------
    PadscopeError
        The model, the images, the labels or the metric cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, 2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> images = torch.rand(20, 1, 40, 40, generator=torch.manual_seed(0))
    >>> found = measure_sizes(net, images, settings=SizeSettings(size=(32, 32)))
    >>> found.even, found.parity["steps"].to_list()
    (((33, 33), (31, 31)), [[0.5, 0.5]])
    """
    settings = settings or SizeSettings()
    with comparing(
        SIZES, model, images, labels, settings, study=study, journal=journal, progress=progress,
        stop=stop, workers=workers, runner=runner,
    ) as compared:  # fmt: skip
        asked, size = compared.asked, compared.size
        plan = _plan(compared.module, asked, size, compared.loaded.static_batch)
        found, table = Recorded(), SIZE_EFFECTS.empty()
        if plan.tried:
            canvas = plan.canvas(compared, settings.limit)
            look = SizeMeasurement(
                compared.module, size, plan.changes(asked), asked.asking, compared.classes,
                compared.metric,
            )  # fmt: skip
            passes = 1 + sum(prod(each.size) / prod(size) for each in plan.tried)
            found = compared.run(SIZES, canvas, look, passes, "the sizes")
            bootstrap = compared.bootstrap(found)
            table = size_table(plan.tried, size, found.rows, bootstrap, compared.metric)
        return Sizes(
            **compared.described(found), size=size, even=plan.even, table=table,
            parity=parity_table(asked.observation.sites), notes=(*asked.notes, *plan.notes),
        )  # fmt: skip


def sizes(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    labels: GivenLabels | None = None,
    settings: SizeSettings | None = None,
    **how: Any,
) -> Study:
    """Measure what other sizes do, and add it to a study; parameters as of `measure_sizes`."""
    found = measure_sizes(model, images, labels, settings, study=study, **how)
    return replace(study, sizes=found)


@dataclass(frozen=True)
class _Plan:
    """What is tried; nothing where no stride is uneven."""

    size: tuple[int, ...]
    even: tuple[tuple[int, ...], ...]
    tried: tuple[Tried, ...]
    notes: tuple[str, ...]

    def changes(self, asked: Asked) -> tuple[Changed, ...]:
        moving = partial(move_padding, observed=asked.observation)
        return tuple(
            Changed(each.change, each.size, moving if each.change == OTHER_END else None)
            for each in self.tried
        )

    def canvas(self, compared: Compared, limit: int | None) -> Canvas:
        """Give images that hold the largest of all sizes."""
        source = compared.tested.source
        if isinstance(source, StreamedImages):
            raise PadscopeError(
                "the stream of images has been read from already; give a tensor or a Dataset"
            )
        margin = tuple(
            max(-(-(each.size[axis] - n) // 2) for each in self.tried)
            for axis, n in enumerate(self.size)
        )
        margin = tuple(max(0, pixels) for pixels in margin)
        batch = compared.tested.work.batch_size
        return Canvas(source, self.size, margin, limit, batch, compared.workers)


def _plan(module: nn.Module, asked: Asked, size: tuple[int, ...], static: int | None) -> _Plan:
    """Find what to try: even sizes next to the wanted one, their controls, and the other end."""
    first = asked.tested.first()
    assert first is not None  # it has been asked
    known: dict[tuple[int, ...], Sequence[Site] | None] = {}

    def there(tried: tuple[int, ...]) -> Sequence[Site] | None:
        if tried not in known:
            noise = torch.zeros(1, first.pixels.shape[1], *tried)
            try:
                known[tried] = observe_first(module, noise, static).sites
            except PadscopeError:  # it does not run on that size
                known[tried] = None
        return known[tried]

    def uneven(tried: tuple[int, ...]) -> int:
        return sum(is_uneven(site.window) for site in there(tried) or ())

    known[size] = asked.observation.sites
    if not uneven(size):
        return _Plan(size, (size,), (), ())
    found = (even_size(size, there, signs=(sign,)) for sign in (1, -1))
    even = tuple(each for each in found if each is not None)
    notes, tried = [], []
    if kind_of_answer(asked.answer) == "dense":
        notes.append("Answers to inputs of other sizes are maps of other sizes: not compared.")
    else:
        for each in even:
            tried.append(Tried(EVEN, each, 0))
            mirrored = tuple(2 * n - other for n, other in zip(size, each, strict=True))
            if min(mirrored) > 0 and there(mirrored) and uneven(mirrored):
                tried.append(Tried(OTHER_SIZE, mirrored, uneven(mirrored)))
    if any(is_uneven(site.window) and site.refillable for site in asked.observation.sites):
        tried.append(Tried(OTHER_END, size, uneven(size)))
    return _Plan(size, even, tuple(tried), tuple(notes))
