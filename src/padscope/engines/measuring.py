"""Run a measurement over batches of images, keep what it finds, and go on from there later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from padscope.images import Batch, Skipped


@dataclass(frozen=True)
class Findings:
    """What a measurement finds on one batch.

    Attributes
    ----------
    rows : mapping
        Name → (images, …) Tensor: one entry per image. Entries of all batches are kept.
    sums : mapping
        Name → Tensor of any one shape. Those of all batches are added up, in float64 or int64.
    """

    rows: Mapping[str, Tensor] = field(default_factory=dict)
    sums: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a measurement has found so far; all that it needs to go on from.

    Attributes
    ----------
    units : int
        Units done, from the first one on.
    images : tuple of int
        Indices of the images measured, in the order of the rows.
    skipped : tuple of Skipped
        Images that could not be read.
    rows : dict
        Name → (images, …) Tensor.
    sums : dict
        Name → Tensor.
    complete : bool
        Whether the measurement has come to its end.
    """

    units: int = 0
    images: tuple[int, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    rows: dict[str, Tensor] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)
    complete: bool = False


Measurement = Callable[[Batch], Findings]
# Told within a batch that so many images have run once more; may raise to end the run.
Pulse = Callable[[int], None]


def no_pulse(images: int) -> None:
    """Take no notice."""


class MeasureWatch(Protocol):
    """What looks on while units are measured, and may end it by raising."""

    def after(self, images: int, state: Callable[[], Measured]) -> None:
        """Look on after a unit; `state` gives what has been found so far."""
        ...


def measure_units(
    batches: Iterable[Batch],
    measurement: Measurement,
    watch: MeasureWatch,
    so_far: Measured | None = None,
) -> Measured:
    """Measure every batch.

    Parameters
    ----------
    batches : iterable of Batch
        The units still to do, in order.
    measurement : callable
        From a batch with at least one image to `Findings`. It must depend on the batch alone, so
        that a run that is stopped and resumed ends as one that is not.
    watch : MeasureWatch
        Told of every unit.
    so_far : Measured, optional
        To go on from.
    """
    kept = _Kept(so_far or Measured())
    for batch in batches:
        kept.add(batch, measurement(batch) if batch.indices else Findings())
        watch.after(kept.images, kept.state)
    return replace(kept.state(), complete=True)


class _Kept:
    """Findings of all batches so far, joined only when somebody asks."""

    def __init__(self, so_far: Measured) -> None:
        self._before = so_far
        self._units = so_far.units
        self._indices = list(so_far.images)
        self._skipped = so_far.skipped
        self._rows = {name: [rows] for name, rows in so_far.rows.items()}
        self._sums = dict(so_far.sums)

    @property
    def images(self) -> int:
        return len(self._indices)

    def add(self, batch: Batch, findings: Findings) -> None:
        self._units = batch.unit + 1
        self._indices += batch.indices
        self._skipped += batch.skipped
        for name, rows in findings.rows.items():
            if len(rows) != len(batch.indices):
                raise ValueError(f"{name} has {len(rows)} rows for {len(batch.indices)} images")
            self._rows.setdefault(name, []).append(rows.detach().cpu())
        for name, part in findings.sums.items():
            part = part.detach().cpu()
            part = part.to(torch.float64 if part.is_floating_point() else torch.int64)
            known = self._sums.get(name)
            self._sums[name] = part if known is None else known + part

    def state(self) -> Measured:
        self._rows = {name: [torch.cat(parts)] for name, parts in self._rows.items()}
        return Measured(
            self._units, tuple(self._indices), self._skipped,
            {name: rows for name, (rows,) in self._rows.items()}, dict(self._sums),
        )  # fmt: skip
