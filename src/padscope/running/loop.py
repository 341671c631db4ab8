"""The one loop: a measurement, the units still to do, and whoever looks on.

What is known so far is a `State`. Merging is its law: the states of any split of the units, merged
in any order, are that of all of them, bit for bit. Everything else rests on it: several workers,
checkpoints, and runs that go on after they were killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from torch import Tensor

from padscope.counts import plural
from padscope.errors import Interrupted
from padscope.images import Batch, Skipped
from padscope.running.memory import keeping_freed_memory
from padscope.running.spans import Spans

# Called within a unit, after one more forward pass of so many images; may raise to end the run.
Pulse = Callable[[int], None]


def no_pulse(_images: int) -> None:
    """Take no notice."""


@dataclass(frozen=True)
class Packed:
    """A state as files hold it, and as it goes from one process to another.

    Attributes
    ----------
    tensors : mapping
        Name → Tensor, on the CPU.
    facts : dict
        Everything else, as JSON has it.
    """

    tensors: Mapping[str, Tensor]
    facts: dict[str, Any]


class State(Protocol):
    """All that is known so far of some units. Immutable."""

    @property
    def done(self) -> Spans:
        """Units done."""
        ...

    @property
    def images(self) -> int:
        """Images measured."""
        ...

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Images that could not be read, by index."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the run has come to its end."""
        ...

    def merge(self, other: Self) -> Self:
        """Join what is known of some units with what is known of others.

        Raises
        ------
        ValueError
            They share a unit, or were measured in different ways.
        """
        ...

    def blank(self) -> Self:
        """Keep what all workers share, such as bins, and nothing that was measured."""
        ...

    def finished(self) -> Self:
        """Return the state of a run that has come to its end."""
        ...

    def pack(self) -> Packed:
        """Take the state apart."""
        ...

    @classmethod
    def unpack(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """Put a state together again."""
        ...


S = TypeVar("S", bound=State)
Seen = TypeVar("Seen", bound=State, contravariant=True)


class Measurement(Protocol[S]):
    """What is done with every batch."""

    @property
    def images(self) -> int:
        """Images measured so far, those of the loaded state among them."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `state` can be gone on from: before the bins are fitted it cannot."""
        ...

    def load(self, state: S) -> None:
        """Go on from a state."""
        ...

    def update(self, batch: Batch) -> None:
        """Measure a batch, all or nothing: one that fails leaves no trace."""
        ...

    def state(self) -> S:
        """Say what is known so far."""
        ...


@dataclass(frozen=True)
class Job(Generic[S]):
    """Work for a runner.

    Attributes
    ----------
    name : str
        Of what is measured.
    start : callable
        Makes the measurement, for the length of a block; takes a `Pulse`.
    batches : callable
        Decodes the batches of some units ahead, in the given order.
    units : int or None
        How many there are; None of a stream of unknown length.
    random_access : bool
        Whether units may be asked for in any order, as several workers do.
    fingerprint : callable or None
        Gives a digest of the images that a worker sees, to be compared with `digest`.
    images : int or None
        How many there are, if it is known.
    digest : str
        Of the images that the process sees that leads.
    stage : str
        What all jobs of one run over these images have in common: a worker compares once for them.
    """

    name: str
    start: Callable[[Pulse], AbstractContextManager[Measurement[S]]]
    batches: Callable[[Iterable[int]], Iterator[Batch]]
    units: int | None
    random_access: bool = True
    fingerprint: Callable[[], str] | None = None
    images: int | None = None
    digest: str = ""
    stage: str = ""

    def stopped_after(self, images: int) -> str:
        """Say where the job was stopped."""
        part = f"{images:,} of " if self.images else ""
        return f"stopped after {part}{plural(self.images or images, 'image')} ({self.name})"


class Watch(Protocol[Seen]):
    """What looks on while a job is done, and may end it."""

    def seen(self, images: int, /) -> None:
        """Hear how many images are done, after a unit."""
        ...

    def pulse(self, images: int, /) -> None:
        """Hear within a unit of one more forward pass of so many images."""
        ...

    def enough(self, images: int, state: Callable[[], Any], /) -> bool:
        """Say whether what is known suffices."""
        ...

    def stopping(self) -> bool:
        """Say whether the run was asked to stop."""
        ...

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        ...

    def keep(self, state: Seen, /) -> None:
        """Write a checkpoint."""
        ...


class Unwatched:
    """A watch that takes no notice."""

    def seen(self, _images: int, /) -> None:
        """Take no notice."""

    def pulse(self, _images: int, /) -> None:
        """Take no notice."""

    def enough(self, _images: int, _state: object, /) -> bool:
        """Go on to the end."""
        return False

    def stopping(self) -> bool:
        """Go on."""
        return False

    def due(self) -> bool:
        """Keep nothing."""
        return False

    def keep(self, _state: object, /) -> None:
        """Keep nothing."""


def run_units(
    job: Job[S], units: Iterable[int], so_far: S, watch: Watch[S], *, until_ready: bool = False
) -> S:
    """Measure some units in this process.

    Parameters
    ----------
    job : Job
    units : iterable of int
        Ascending; none that `so_far` has.
    so_far : State
        To go on from.
    watch : Watch
    until_ready : bool
        End as soon as the state can be gone on from.

    Raises
    ------
    Interrupted
        The watch was asked to stop; what is known was kept.
    """

    def pulse(images: int) -> None:
        watch.pulse(images)
        if watch.stopping():
            keep_and_stop()
        if measurement.ready and watch.due():
            watch.keep(measurement.state())

    def keep_and_stop() -> None:
        if measurement.ready:
            watch.keep(measurement.state())
        raise Interrupted(job.stopped_after(measurement.images))

    with keeping_freed_memory(), job.start(pulse) as measurement:
        measurement.load(so_far)
        if not (until_ready and measurement.ready):
            for batch in job.batches(units):
                measurement.update(batch)
                watch.seen(measurement.images)
                ready = measurement.ready
                if ready and watch.enough(measurement.images, measurement.state):
                    break
                if watch.stopping():
                    keep_and_stop()
                if ready and watch.due():
                    watch.keep(measurement.state())
                if ready and until_ready:
                    break
        return measurement.state()
