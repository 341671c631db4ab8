"""A stage: measurements over images, one after the other, that can be stopped and gone on with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import polars as pl
import torch
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.measurements import Counts
from padscope.running import (
    Job,
    Packed,
    Pulse,
    Recorded,
    Recording,
    Runner,
    State,
    from_bytes,
    to_bytes,
)
from padscope.running.memory import return_freed_memory
from padscope.running.recorded import Look
from padscope.study.stages import Effort, Progress

Scores = pl.DataFrame | str
S = TypeVar("S", bound=State)

TABLE = "table: "  # how the names of packed tables begin
STATES: dict[str, type[Counts] | type[Recorded]] = {"counts": Counts, "recorded": Recorded}


@dataclass(frozen=True)
class Kept:
    """What a stage has done so far: all that it needs to go on from.

    Attributes
    ----------
    parts : dict
        Measurement → its state.
    tables : dict
        Measurement whose state is not kept → what came of it, or why nothing did.
    """

    parts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Scores] = field(default_factory=dict)

    def pack(self) -> Packed:
        """Take everything apart."""
        packed = {name: state.pack() for name, state in self.parts.items()}
        tensors = {
            f"{name}/{key}": tensor
            for name, part in packed.items()
            for key, tensor in part.tensors.items()
        }
        tensors |= {
            f"{TABLE}{name}": _bytes_of(table)
            for name, table in self.tables.items()
            if not isinstance(table, str)
        }
        tables = {
            name: table if isinstance(table, str) else None for name, table in self.tables.items()
        }
        kinds = {kind: name for name, kind in STATES.items()}
        parts = {
            name: {"state": kinds[type(self.parts[name])], "facts": part.facts}
            for name, part in packed.items()
        }
        return Packed(tensors, {"parts": parts, "tables": tables})

    @classmethod
    def unpack(cls, packed: Packed) -> Kept:
        """Put what a stage has done together again."""
        parts = {
            name: STATES[part["state"]].unpack(_Beneath(packed.tensors, f"{name}/"), part["facts"])
            for name, part in packed.facts["parts"].items()
        }
        tables = {
            name: table if isinstance(table, str) else _table_of(packed.tensors[f"{TABLE}{name}"])
            for name, table in packed.facts["tables"].items()
        }
        return cls(parts, tables)


@dataclass(frozen=True)
class _Beneath(Mapping[str, Tensor]):
    """Tensors whose names begin alike, by what follows; none is read before it is asked for."""

    tensors: Mapping[str, Tensor]
    prefix: str

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[self.prefix + name]

    def __iter__(self) -> Iterator[str]:
        own = (name for name in self.tensors if name.startswith(self.prefix))
        return (name.removeprefix(self.prefix) for name in own)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _bytes_of(table: pl.DataFrame) -> Tensor:
    content = io.BytesIO()
    table.write_ipc(content)  # types and nulls as they are, unlike in text
    return torch.frombuffer(bytearray(content.getvalue()), dtype=torch.uint8)


def _table_of(content: Tensor) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(content.numpy().tobytes()))


class Journal(Protocol):
    """Where a run keeps what it has done, so that it can be stopped and gone on with."""

    def begin(self, stage: str, identity: dict[str, Any]) -> Kept:
        """Open a stage of this identity; return what has been done of it already."""
        ...

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        ...

    def keep(self, kept: Kept) -> None:
        """Keep what has been done of the stage."""
        ...


class Stage:
    """Runs jobs, and goes on where they were stopped.

    Parameters
    ----------
    name : str
        ``scan``, ``explain``, ``impact`` or ``depth``.
    identity : dict
        What its results depend on; the same in every process.
    runner : Runner
    journal : Journal, optional
    progress : callable, optional
        See `Progress`.
    stop : callable, optional
        Asked after every unit, and within long ones, whether to stop there.
    """

    def __init__(
        self,
        name: str,
        identity: dict[str, Any],
        runner: Runner,
        journal: Journal | None,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._journal = journal if runner.leads else None
        self._progress = progress if runner.leads else None
        self._runner, self._stop = runner, stop
        self._digest: str = identity["images"]
        self._key = uuid4().hex
        mine = json.loads(_dump(identity))  # as others get it: tuples are lists there
        agreed = runner.share(mine, _dump, json.loads)
        if agreed != mine:
            differing = [key for key, value in mine.items() if agreed.get(key) != value]
            raise PadscopeError(
                f"this process has other {', '.join(differing)} than the first; "
                "give all of them the same command, on the same files"
            )
        so_far = self._journal.begin(name, identity) if self._journal else Kept()
        self.kept: Kept = runner.share(
            so_far, lambda kept: to_bytes(kept.pack()),
            lambda content: Kept.unpack(from_bytes(content)),
        )  # fmt: skip
        self._total: Effort | None = None
        self._before = Effort()  # what is done of all jobs but the present one
        self._shown: tuple[int, int | None] | None = None

    def run(
        self,
        job: Job[S],
        empty: S,
        passes: float = 1,
        enough: Callable[[int, Callable[[], S]], bool] | None = None,
        dear: float = 1,
    ) -> S:
        """Do a job, or return what came of it when it was done before.

        Parameters
        ----------
        job : Job
        empty : State
            To begin with.
        passes : float
            What an image of it counts for in the progress, on average; see `COUNTED`.
        enough : callable, optional
            Takes the number of images and what gives the state; says whether they suffice.
        dear : float
            What one of the passes costs, over others of the stage.

        Raises
        ------
        PadscopeError
            No image could be measured.
        Interrupted
            `stop` said so.
        """
        so_far: S = self.kept.parts.get(job.name, empty)
        job = replace(job, digest=self._digest, stage=self._key)
        watch = _PartWatch(self, job.name, passes, enough, dear)
        if not so_far.complete:
            watch.seen(so_far.images)
        state = self._runner.run(job, so_far, watch)
        self.kept.parts[job.name] = state
        self._before += Effort.of(passes * state.images, dear)
        if state is not so_far:
            self._keep(force=False)
        return state

    def images(self, name: str) -> int:
        """Say how many images of a job were done before."""
        return self.kept.parts[name].images if name in self.kept.parts else 0

    def conclude(self, name: str, table: Scores) -> None:
        """Keep what came of a job, or why nothing did, instead of its state."""
        self.kept.parts.pop(name, None)
        self.kept.tables[name] = table
        self._keep(force=False)

    def drop(self, prefix: str) -> None:
        """Forget the states of jobs whose names begin so: what came of them is concluded."""
        for name in [name for name in self.kept.parts if name.startswith(prefix)]:
            del self.kept.parts[name]

    def spend(self, effort: Effort) -> None:
        """Count as done what no job counts, or what was concluded before."""
        self._before += effort

    def expect(self, left: Effort | None) -> None:
        """Say how much is still to do; None if that is not known.

        Said again between jobs, it mends what was only estimated: images that cannot be read, or a
        network that is drawn again.
        """
        self._total = None if left is None else self._before + left

    def finish(self) -> None:
        """Keep everything; no more passes are run."""
        return_freed_memory()
        self._keep(force=True)
        if self._shown and self._total is not None:  # less may have been needed than expected
            self.expect(Effort())
            self.show(0)

    def _keep(self, *, force: bool) -> None:
        if self._journal and (force or self._journal.due()):
            self._journal.keep(self.kept)

    def stopping(self) -> bool:
        """Say whether the run was asked to stop."""
        return self._stop is not None and self._stop()

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        return self._journal is not None and self._journal.due()

    def note(self, name: str, state: State) -> None:
        """Keep what is known of a job."""
        self.kept.parts[name] = state
        self._keep(force=True)

    def show(self, done: float, dear: float = 1) -> None:
        """Show how much of the present job is done, beside all that was done before."""
        work, total = self._before + Effort.of(done, dear), self._total
        shown = round(work.passes), None if total is None else round(max(total.passes, work.passes))
        if self._progress and shown != self._shown:
            self._progress(*shown, max(0.0, total.cost - work.cost) if total else None)
        self._shown = shown


@dataclass
class _PartWatch:
    """Looks on while one job of a stage is done; a `Watch`."""

    stage: Stage
    name: str
    passes: float
    suffices: Callable[[int, Any], bool] | None
    dear: float
    images: int = 0
    within: int = 0

    def seen(self, images: int) -> None:
        self.images, self.within = images, 0
        self.stage.show(self.passes * images, self.dear)

    def pulse(self, images: int) -> None:
        self.within += images
        self.stage.show(self.passes * self.images + self.within, self.dear)

    def enough(self, images: int, state: Callable[[], Any]) -> bool:
        return self.suffices is not None and self.suffices(images, state)

    def stopping(self) -> bool:
        return self.stage.stopping()

    def due(self) -> bool:
        return self.stage.due()

    def keep(self, state: Any) -> None:
        self.stage.note(self.name, state)


def look_job(
    name: str,
    batches: Callable[[Iterable[int]], Iterator[Batch]],
    units: int | None,
    make: Callable[[Pulse], Look],
    **about: Any,
) -> Job[Recorded]:
    """Describe a job that looks at every image by itself; `about` as of `Job`."""
    return Job(name, lambda pulse: nullcontext(Recording(make(pulse))), batches, units, **about)


def _dump(identity: dict[str, Any]) -> bytes:
    return json.dumps(identity).encode()
