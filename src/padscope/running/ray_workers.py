"""Work on Ray: actors that measure shards of the units, and are replaced when they die."""

from __future__ import annotations

import gc
import importlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import torch

from padscope.errors import Interrupted, PadscopeError, Unfinished, brief
from padscope.running.loop import Job, S, Unwatched, Watch, run_units
from padscope.running.one_program import OneProgram
from padscope.running.packing import from_bytes, to_bytes

T = TypeVar("T")
R = TypeVar("R")
SHARDS = 4  # of each worker: what is lost with one of them, and what one may lag behind by
TRIES = 3  # of a shard whose worker died
LOOK = 0.5  # seconds between two looks at progress
# An actor measures in one of two threads, and glibc would keep freed memory for each of them.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
PATIENCE = 5.0  # seconds that an address may take to answer


@dataclass
class RayRunner(OneProgram):
    """Shares units out among Ray actors.

    Attributes
    ----------
    address : str or None
        Of a cluster; None joins the one of this machine, or starts one.
    workers : int or None
        Actors; None: as many as the cluster has room for. No more than there are units.
    cpus, gpus : float
        Of each actor, and threads of PyTorch in it.

    Raises
    ------
    PadscopeError
        Ray is not installed, or the address does not answer.
    """

    address: str | None = None
    workers: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    in_order: bool = field(default=False, init=False)
    _idle: list[Any] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Join the cluster."""
        self._ray = _import_ray()
        if self._ray.is_initialized():
            return
        if self.address:
            _require_answer(self.address)
        local = {} if self.address else {"include_dashboard": False}
        try:
            self._ray.init(
                address=self.address, log_to_driver=False, logging_level="error", **local
            )
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise _no_answer(self.address, error) from error

    def run(self, job: Job[S], so_far: S, watch: Watch[S]) -> S:
        """Do the units in shards; see `Runner.run`."""
        if so_far.complete:
            return so_far
        if job.units is None or not job.random_access:
            raise PadscopeError("several workers need images with random access; give a Dataset")
        units = so_far.done.missing(job.units)
        head = run_units(job, units, so_far, watch, until_ready=True)
        shards = deque(self._shards(list(head.done.missing(job.units))))
        if not shards:
            return head.finished()
        whole: S = _Crew(self._ray, self, job, head, watch).finish(shards)
        return whole.finished()

    def spread(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[T, R | str]]:
        """Do independent tasks, each in a process of its own, as many at once as there is room for.

        A task takes `cpus`, and `gpus`, or one where the cluster has any; which one, Ray tells it.

        Parameters
        ----------
        work : callable
            From a module that every machine has; it runs in the directory of this process.
        tasks : sequence
            What it is called with.

        Yields
        ------
        task
            In the order in which they end.
        result
            What came of it; or, in words, why its process has died `TRIES` times.
        """
        gpus = self.gpus or float(self._ray.cluster_resources().get("GPU", 0) >= 1)
        run = self._ray.remote(num_cpus=self.cpus, num_gpus=gpus, max_retries=TRIES - 1)(_run_here)
        place = str(Path.cwd())
        going = {run.remote(work, task, place, self.cpus): task for task in tasks}
        errors = self._ray.exceptions
        try:
            while going:
                ready, _ = self._ray.wait(list(going), timeout=LOOK)
                for reference in ready:
                    task = going.pop(reference)
                    try:
                        yield task, self._ray.get(reference)
                    except errors.RayTaskError as error:
                        raise Unfinished(f"a worker failed: {brief(error.cause)}") from error
                    except errors.RayError as error:
                        yield task, f"{TRIES} workers died on it ({_first_line(error)})"
        finally:
            for reference in going:
                self._ray.cancel(reference, force=True)

    def _shards(self, units: Sequence[int]) -> list[list[int]]:
        count = min(len(units), SHARDS * self.crew(len(units)))
        places = [place * len(units) // count for place in range(count + 1)] if count else []
        return [list(units[first:last]) for first, last in pairwise(places)]

    def hire(self) -> Any:
        """Give an actor that has nothing to do."""
        if self._idle:
            return self._idle.pop()
        options = {
            "num_cpus": self.cpus, "num_gpus": self.gpus, "max_concurrency": 2,
            "runtime_env": {"env_vars": ONE_ARENA},
        }  # fmt: skip
        return self._ray.remote(**options)(_Worker).remote(self.cpus)

    def release(self, actor: Any) -> None:
        """Take an actor back, for the next job: to start one takes seconds."""
        self._idle.append(actor)

    def crew(self, units: int) -> int:
        """Say how many workers there are for so many units."""
        room = self.workers
        if room is None:
            have = self._ray.cluster_resources()
            room = int(have.get("CPU", 1) // self.cpus)
            if self.gpus:
                room = min(room, int(have.get("GPU", 0) // self.gpus))
        return max(1, min(room, units))


@dataclass
class _Task:
    """A shard on its way: who measures it, and how often that has been tried."""

    actor: Any
    units: list[int]
    tries: int


class _Crew:
    """The actors of one job, and what has come back from them."""

    def __init__(self, ray: Any, runner: RayRunner, job: Job[S], head: S, watch: Watch[S]) -> None:
        self._ray, self._runner, self._job, self._watch = ray, runner, job, watch
        self._whole = head
        self._given = ray.put((job, head.blank()))
        self._tasks: dict[Any, _Task] = {}

    def finish(self, shards: deque[list[int]]) -> Any:
        """Have all shards measured."""
        crew = self._runner.crew(sum(map(len, shards)))
        try:
            for _ in range(min(crew, len(shards))):
                self._begin(self._runner.hire(), shards.popleft(), 1)
            while self._tasks:
                ready, _ = self._ray.wait(list(self._tasks), timeout=LOOK)
                while ready:  # what came is let go of, and makes room for what comes next
                    self._end(ready.pop(0), shards)
                self._look()
            return self._whole
        finally:
            for task in self._tasks.values():
                self._ray.kill(task.actor)

    def _begin(self, actor: Any, units: list[int], tries: int) -> None:
        self._tasks[actor.measure.remote(self._given, units)] = _Task(actor, units, tries)

    def _end(self, reference: Any, shards: deque[list[int]]) -> None:
        """Take what an actor brings, and give it more to do; replace it if it has died."""
        errors, task = self._ray.exceptions, self._tasks.pop(reference)
        try:
            packed = from_bytes(self._ray.get(reference))
        except (errors.RayActorError, errors.OutOfMemoryError, errors.WorkerCrashedError) as error:
            if task.tries == TRIES:
                raise Unfinished(
                    f"{TRIES} workers died on units {task.units[0]} to {task.units[-1]} of "
                    f"{self._job.name} ({_first_line(error)}); the same command goes on from the "
                    "last checkpoint, with fewer workers if memory was short"
                ) from error
            self._begin(self._runner.hire(), task.units, task.tries + 1)
            return
        except errors.RayTaskError as error:
            self._tasks[reference] = task  # to be ended with the others
            cause = error.cause
            mine = isinstance(cause, PadscopeError)
            kind = PadscopeError if mine and not isinstance(cause, Unfinished) else Unfinished
            reason = str(cause) if mine else _first_line(cause)
            raise kind(f"a worker failed: {reason}") from error
        self._whole = self._whole.merge(type(self._whole).unpack(packed.tensors, packed.facts))
        if shards:
            self._begin(task.actor, shards.popleft(), 1)
        else:
            self._runner.release(task.actor)

    def _look(self) -> None:
        """Show progress, write checkpoints, and stop when asked to."""
        asked = [task.actor.images.remote() for task in self._tasks.values()]
        known, _ = self._ray.wait(asked, num_returns=len(asked), timeout=LOOK) if asked else ([], 0)
        under_way = 0
        for reference in known:
            try:
                under_way += self._ray.get(reference)
            except self._ray.exceptions.RayError:
                continue  # it has died: that is seen when its shard is waited for
        self._watch.seen(self._whole.images + under_way)
        stopping = self._watch.stopping()
        if stopping or self._watch.due():
            self._watch.keep(self._whole)
        if stopping:
            raise Interrupted(self._job.stopped_after(self._whole.images))


class _Worker:
    """Measures shards; a Ray actor."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._progress = _Progress()
        self._compared = ""  # the stage whose images were compared

    def measure(self, given: tuple[Job[Any], Any], units: list[int]) -> bytes:
        """Measure some units of a job."""
        gc.collect()  # every shard comes with a network of its own, a cycle that would stay
        job, blank = given
        if job.fingerprint and self._compared != job.stage:
            if job.fingerprint() != job.digest:
                raise Unfinished(
                    "it sees other images than the leading process; give a path that holds the "
                    "same files on every machine"
                )
            self._compared = job.stage
        try:
            state = run_units(job, units, blank, self._progress)
        finally:
            self._progress.images = 0
        return to_bytes(state.pack())

    def images(self) -> int:
        """Say how many images of the present shard are done; answered meanwhile."""
        return self._progress.images


def _run_here(work: Callable[[T], R], task: T, place: str, threads: int) -> R:
    """Do a task in a directory, with so many threads."""
    os.chdir(place)
    torch.set_num_threads(threads)
    return work(task)


class _Progress(Unwatched):
    """Notes how many images are done."""

    images = 0

    def seen(self, images: int) -> None:
        self.images = images


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise PadscopeError(
            'Ray is not installed; run pip install "padscope[ray]", or leave --runner out'
        ) from error


def _require_answer(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would try again for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # a word that Ray knows, such as auto
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise _no_answer(address, error) from error


def _no_answer(address: str | None, error: Exception) -> PadscopeError:
    return PadscopeError(
        f"no Ray cluster answers at {address or 'this machine'} ({_first_line(error)}); "
        "give --runner ray:ADDRESS, or ray alone to start one here"
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
