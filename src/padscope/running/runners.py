"""Where the work runs: in this process, in the processes of torchrun, or on Ray."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from padscope.errors import PadscopeError, near
from padscope.plugins import look_up, names
from padscope.running.loop import Job, S, Watch, run_units
from padscope.running.one_program import OneProgram
from padscope.running.ray_workers import RayRunner
from padscope.running.torchrun import TorchrunRunner

T = TypeVar("T")


class Runner(Protocol):
    """Does jobs. States are bit-equal whatever the runner and the number of workers."""

    @property
    def leads(self) -> bool:
        """Whether this process keeps checkpoints, and shows progress and results."""
        ...

    @property
    def in_order(self) -> bool:
        """Whether the units are done one after the other, here."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Let an error of one process, within a block that all run, end all of them."""
        ...

    def share(self, mine: T, pack: Callable[[T], bytes], unpack: Callable[[bytes], T], /) -> T:
        """Give every process what the leading one has."""
        ...

    def run(self, job: Job[S], so_far: S, watch: Watch[S]) -> S:
        """Do what is still to do of a job.

        Raises
        ------
        PadscopeError
            A worker failed, or the job cannot be shared out.
        Unfinished
            Too many workers died, or something else failed that says nothing of what is measured.
        Interrupted
            The watch was asked to stop; what is known was kept.
        """
        ...


class LocalRunner(OneProgram):
    """Does everything in this process."""

    in_order = True

    def run(self, job: Job[S], so_far: S, watch: Watch[S]) -> S:
        """Do the units one after the other; see `Runner.run`."""
        if so_far.complete:
            return so_far
        return run_units(job, so_far.done.missing(job.units), so_far, watch).finished()


def _without_options(make: Callable[[], Runner], name: str) -> Callable[[str], Runner]:
    def runner(options: str) -> Runner:
        if options:
            raise PadscopeError(f"runner {name} takes nothing after a colon; give {name} alone")
        return make()

    return runner


RUNNERS: dict[str, Callable[[str], Runner]] = {
    "local": _without_options(LocalRunner, "local"),
    "torchrun": _without_options(TorchrunRunner, "torchrun"),
    "ray": lambda address: RayRunner(address or None),
}
"""Name → makes the runner from what stands behind a colon: ``ray:ADDRESS``.

What installed packages add to it are entry points of the group `RUNNERS_GROUP`.
"""
RUNNERS_GROUP = "padscope.runners"


def find_runner(spec: str | Runner) -> Runner:
    """Return the runner of a name, or a runner as it is.

    Raises
    ------
    PadscopeError
        There is no such runner, it cannot be used here, or the package that adds it cannot be
        imported.

    Examples
    --------
    >>> find_runner("local").leads
    True
    """
    if not isinstance(spec, str):
        return spec
    name, _, options = spec.partition(":")
    if (make := look_up(RUNNERS, RUNNERS_GROUP, name)) is None:
        known = [*RUNNERS, *(each for each in names({}, RUNNERS_GROUP) if each not in RUNNERS)]
        raise PadscopeError(f"runner {name!r} is not known; {near(name, known)}")
    return make(options)
