"""Several processes under `torch.distributed`, each with its share of the units.

All processes run the same program. Whatever concerns the others goes through `_meet`: there an
error of one ends all, and there they agree on checkpoints and on stopping. They meet after every
unit, so that none waits longer than one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from padscope.errors import Interrupted, PadscopeError, Unfinished
from padscope.running.loop import Job, S, State, Unwatched, Watch, run_units
from padscope.running.packing import from_bytes, to_bytes

T = TypeVar("T")
GONE = (
    "a process of the group has ended, or does not answer; "
    "the same command goes on from the last checkpoint"
)


class _Word(IntEnum):
    """What a process tells the others."""

    ON = 0
    KEEP = 1
    STOP = 2
    ERROR = 3  # of what is measured
    BROKEN = 4


class _ToldError(PadscopeError):
    """An error of which all processes know."""


class _BrokenError(_ToldError, Unfinished):
    """An error of which all processes know, and which says nothing of what is measured."""


class TorchrunRunner:
    """Shares units out among the processes of the default group.

    Any backend does: what is sent lies on the device that the backend wants. Outside a group, one
    is made from the environment that torchrun gives.

    Raises
    ------
    PadscopeError
        There is no group, and torchrun has not started this process.
    """

    in_order = False

    def __init__(self) -> None:
        if not dist.is_available():
            raise PadscopeError("this torch has no torch.distributed; leave --runner out")
        if not dist.is_initialized():
            if "RANK" not in os.environ:
                raise PadscopeError(
                    "runner torchrun needs a group of processes; start the command with "
                    "torchrun --nproc-per-node N -m padscope"
                )
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        self._known: BaseException | None = None  # of which the others have heard
        self._rank, self._count = dist.get_rank(), dist.get_world_size()
        if dist.get_backend() == "nccl":
            local = int(os.environ.get("LOCAL_RANK", self._rank))
            torch.cuda.set_device(local % torch.cuda.device_count())
            self._device = torch.device("cuda", torch.cuda.current_device())
        else:
            self._device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self._rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let an error of one process end all; see `Runner.together`."""
        with self._told():
            yield
            self._meet(_Word.ON)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the others of an error, which they hear of when they meet next."""
        try:
            yield
        except (_ToldError, Interrupted):
            raise
        except BaseException as error:
            if error is self._known:
                raise
            self._known = error
            if isinstance(error, PadscopeError):
                self._meet(_Word.ERROR, str(error))
            self._meet(_Word.BROKEN, repr(error))
            raise

    def share(self, mine: T, pack: Callable[[T], bytes], unpack: Callable[[bytes], T]) -> T:
        """Give every process what the first one has."""
        with self._told():
            content = pack(mine) if self.leads else b""
            self._meet(_Word.ON)
            content = self._broadcast(content, 0)
            return mine if self.leads else unpack(content)

    def run(self, job: Job[S], so_far: S, watch: Watch[S]) -> S:
        """Do a share of the units; every process returns the whole. See `Runner.run`."""
        if so_far.complete:
            return so_far
        if job.units is None or not job.random_access:
            raise PadscopeError("several processes need images with random access; give a Dataset")
        with self._told():
            return self._run(job, job.units, so_far, watch)

    def _run(self, job: Job[S], units: int, so_far: S, watch: Watch[S]) -> S:
        head = so_far
        if self.leads:  # what all share, such as bins, comes from the first units
            to_do = so_far.done.missing(units)
            head = run_units(job, to_do, so_far, _Alone(watch), until_ready=True)
        head = self._share_state(head)
        rest = list(head.done.missing(units))
        ends = [rank * len(rest) // self._count for rank in range(self._count + 1)]
        first, last = ends[self._rank : self._rank + 2]
        among = _Among(self, watch)
        mine = head if self.leads else head.blank()
        mine = run_units(job, rest[first:last], mine, among)
        most = max(stop - start for start, stop in pairwise(ends))
        for _ in range(most - (last - first)):
            among.wait(mine)
        return self._share_state(self._merge(mine)).finished()

    def _share_state(self, state: S) -> S:
        return self.share(
            state,
            lambda mine: to_bytes(mine.pack()),
            lambda content: self._unpacked(state, content),
        )

    def _unpacked(self, like: S, content: bytes) -> S:
        packed = from_bytes(content)
        return type(like).unpack(packed.tensors, packed.facts)

    def _merge(self, mine: S) -> S:
        """Merge the states of all processes in the first one, in a tree; in vain in the others."""
        step = 1
        while step < self._count:
            if self._rank % (2 * step) == step:
                self._send(to_bytes(mine.pack()), self._rank - step)
                break
            if self._rank % (2 * step) == 0 and self._rank + step < self._count:
                mine = mine.merge(self._unpacked(mine, self._receive(self._rank + step)))
            step *= 2
        return mine

    def _meet(self, word: _Word, message: str = "", images: int = 0) -> tuple[_Word, int]:
        """Hear what the others have to say.

        Returns
        -------
        word : _Word
            The gravest.
        images : int
            The sum.

        Raises
        ------
        PadscopeError
            One of the others has failed, or is gone.
        """
        mine = torch.tensor([word, images], device=self._device)
        words = [torch.empty_like(mine) for _ in range(self._count)]
        with _others():
            dist.all_gather(words, mine)
        said = [(_Word(int(each[0])), int(each[1])) for each in words]
        gravest = max(each for each, _ in said)
        if gravest >= _Word.ERROR:
            failed = next(rank for rank, (each, _) in enumerate(said) if each is gravest)
            text = self._broadcast(message.encode(), failed).decode()
            if word is not _Word.BROKEN:  # which keeps its traceback where it happened
                told = _BrokenError if gravest is _Word.BROKEN else _ToldError
                raise told(f"process {failed} of {self._count} failed: {text}")
        return gravest, sum(each for _, each in said)

    def _broadcast(self, content: bytes, source: int) -> bytes:
        with _others():
            size = torch.tensor([len(content)], device=self._device)
            dist.broadcast(size, source)
            mine = self._rank == source
            buffer = self._on_device(content) if mine else self._empty(int(size))
            dist.broadcast(buffer, source)
        return content if mine else _as_bytes(buffer)

    def _send(self, content: bytes, to: int) -> None:
        with _others():
            dist.send(torch.tensor([len(content)], device=self._device), to)
            dist.send(self._on_device(content), to)

    def _receive(self, source: int) -> bytes:
        with _others():
            size = torch.empty(1, dtype=torch.int64, device=self._device)
            dist.recv(size, source)
            buffer = self._empty(int(size))
            dist.recv(buffer, source)
        return _as_bytes(buffer)

    def _on_device(self, content: bytes) -> Tensor:
        if not content:
            return self._empty(0)
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).to(self._device)

    def _empty(self, size: int) -> Tensor:
        return torch.empty(size, dtype=torch.uint8, device=self._device)


@contextmanager
def _others() -> Iterator[None]:
    """Say in one sentence that another process is gone."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        raise _BrokenError(GONE) from error


def _as_bytes(buffer: Tensor) -> bytes:
    return buffer.cpu().numpy().tobytes()


class _Alone(Unwatched):
    """What the first process hears while the others wait: progress alone.

    If it is asked to stop, all stop when they meet.
    """

    def __init__(self, watch: Watch[Any]) -> None:
        self._watch = watch

    def seen(self, images: int) -> None:
        self._watch.seen(images)

    def pulse(self, images: int) -> None:
        self._watch.pulse(images)


class _Among(Unwatched):
    """What looks on in one of several processes: what concerns all, all decide together."""

    def __init__(self, runner: TorchrunRunner, watch: Watch[Any]) -> None:
        self._runner, self._watch = runner, watch
        self._images = 0
        self._word = _Word.ON

    def seen(self, images: int) -> None:
        self._images = images
        word = _Word.ON
        if self._watch.stopping():
            word = _Word.STOP
        elif self._runner.leads and self._watch.due():
            word = _Word.KEEP
        self._word, total = self._runner._meet(word, images=images)
        self._watch.seen(total)

    def wait(self, mine: State) -> None:
        """Keep the others company who have one unit more to do."""
        self.seen(self._images or mine.images)
        if self._word is not _Word.ON:
            self.keep(mine)
        if self._word is _Word.STOP:
            raise Interrupted("stopped with the other processes")

    def pulse(self, images: int) -> None:
        self._watch.pulse(images)

    def stopping(self) -> bool:
        return self._word is _Word.STOP

    def due(self) -> bool:
        return self._word is _Word.KEEP

    def keep(self, state: Any) -> None:
        if self._word is _Word.KEEP:  # once: within the next unit nobody else comes to keep
            self._word = _Word.ON
        whole = self._runner._merge(state)
        if self._runner.leads:
            self._watch.keep(whole)
