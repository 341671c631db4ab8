"""Whether an audit that is ended at a random moment ends in the same bytes all the same.

A tiny network and tiny photographs, and a checkpoint after every unit. One audit is left alone, and
the time that its stages take is measured. Then, again and again, an audit is begun in a new
directory and ended, by SIGKILL or by Ctrl-C, at a random moment of a stage, the one that was hit
least so far: most of the time goes into the pages, and hardly any into the scan.
The same command again must leave the very files that the first audit left.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.conftest import contents, processes, run_command, write_photo

from padscope.cli import stages
from padscope.cli.interrupts import STATUS
from padscope.effects import readout

NETWORK = '''
import torch
from torch import nn


def small():
    """Two padded convolutions and a classifier."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )
    module.pretrained_cfg = {"input_size": (3, 16, 16)}
    return module
'''
# Bins are fitted to the first 32 photographs: a scan has checkpoints behind them only.
PHOTOGRAPHS, TESTED, BATCH = 72, 24, 8
AUDIT = (
    "audit", "killed_net:small", "--images", "photos", "--batch-size", str(BATCH),
    "--baselines", "1", "--tested", str(TESTED), "--checkpoint", "0", "-o",
)  # fmt: skip
BEGUN = "begun"
# What an audit does, in this order: each time a function of `padscope.cli.stages`.
STAGES = {
    "scan": "scan", "page of the scan": "publish",
    "explain": "explain", "page of the explanation": "publish",
    "impact": "impact", "page of the impact": "publish",
}  # fmt: skip
SHOWN = "publish"


@dataclass
class Swept:
    """What came of the kills.

    Attributes
    ----------
    kills : Counter
        Stage → how often it was hit.
    different : list of str
        Audits that ended otherwise than the undisturbed one, and in what.
    seconds : list of float
        What each audit took to end.
    """

    kills: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """How many kills, where, and whether all was the same in the end."""
        where = ", ".join(f"{self.kills[stage]} in {stage}" for stage in STAGES)
        ended = "all ended in the same bytes"
        if self.different:
            ended = "\n".join([f"{len(self.different)} ended otherwise:", *self.different])
        slowest = f"{max(self.seconds, default=0):.1f} s to end at most"
        return f"{self.kills.total()} kills ({where}; {slowest}): {ended}"


def sweep(
    folder: Path,
    times: int,
    seed: int,
    *,
    page: bool = True,
    tell: Callable[[str], object] = lambda _: None,
    by: signal.Signals = signal.SIGKILL,
    audit: Sequence[str] = AUDIT,
) -> Swept:
    """End audits at random moments, and run them again.

    Parameters
    ----------
    folder : Path
        To work in; empty.
    times : int
        Kills.
    seed : int
        Of the moments, as fractions of the time that a stage takes when nobody disturbs it.
    page : bool
        Write the pages, and read position with all penalties: most of the time,
        and nothing of it is kept in checkpoints.
    tell : callable
        Is given a sentence after every kill.
    by : signal.Signals
        What ends them: SIGKILL, or SIGINT as Ctrl-C sends it.
    audit : sequence of str
        Words of the command, up to the directory.

    Raises
    ------
    RuntimeError
        An audit failed that was not killed, or audits end before they are killed.
    """
    (folder / "killed_net.py").write_text(NETWORK)
    for number in range(PHOTOGRAPHS):
        write_photo(folder / "photos" / f"{number:02}.png", number, (52, 48))
    lengths = _undisturbed(folder, page, audit)
    expected = _files(folder / "undisturbed")
    rng, swept = random.Random(seed), Swept()
    attempts = iter(range(2 * times + 10))
    while swept.kills.total() < times:
        if (attempt := next(attempts, None)) is None:
            raise RuntimeError("audits end before they are killed: the machine is too busy")
        run = folder / f"run-{attempt}"
        aim = min(lengths, key=lambda stage: swept.kills[stage])
        moment = rng.random()
        process = _start(run, page, audit)
        while process.is_alive() and aim not in _begun(folder):
            time.sleep(0.001)
        process.join(moment * lengths[aim])
        ended = time.monotonic()
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, by)
        process.join()
        if process.exitcode == (STATUS if by is signal.SIGINT else -by):
            hit, seconds = _begun(folder)[-1], time.monotonic() - ended
            swept.kills[hit] += 1
            swept.seconds.append(seconds)
            wrong = _wrong(run, page, audit, expected)
            tell(
                f"kill {swept.kills.total()} of {times}, in {hit}: ended after {seconds:.1f} s, "
                f"{wrong or 'the same bytes'}"
            )
            if wrong:
                swept.different.append(f"{run} (killed in {hit}): {wrong}")
                continue  # and leave it to be looked at
        elif process.exitcode:
            raise RuntimeError(f"an audit failed before it was killed: {_said(folder)}")
        else:
            tell(f"{run.name} ended before it was killed")
        shutil.rmtree(run)
    return swept


def _undisturbed(folder: Path, page: bool, audit: Sequence[str]) -> dict[str, float]:
    """Run the audit that nobody disturbs; return the seconds of the stages that can be hit."""
    run, began = folder / "undisturbed", dict[str, float]()
    process = _start(run, page, audit)
    while process.is_alive():
        for stage in _begun(folder):
            began.setdefault(stage, time.monotonic())
        time.sleep(0.001)
    if process.exitcode or began.keys() != STAGES.keys():
        raise RuntimeError(f"the undisturbed audit failed: {_said(folder)}")
    moments = pairwise([*began.values(), time.monotonic()])
    lengths = {stage: end - begin for stage, (begin, end) in zip(STAGES, moments, strict=True)}
    return {stage: lengths[stage] for stage, call in STAGES.items() if page or call != SHOWN}


def _wrong(run: Path, page: bool, audit: Sequence[str], expected: dict[str, bytes]) -> str:
    """Run the same command again, and say in what it ends otherwise."""
    process = _start(run, page, audit)
    process.join()
    if process.exitcode:
        return f"exit status {process.exitcode}: {_said(run.parent)}"
    found = _files(run)
    names = sorted(found.keys() | expected.keys())
    return ", ".join(name for name in names if found.get(name) != expected.get(name))


def _begun(folder: Path) -> list[str]:
    """Stages that the latest audit has begun."""
    return list(STAGES)[: (folder / BEGUN).stat().st_size]


def _files(run: Path) -> dict[str, bytes]:
    page = run / "report.html"
    return contents(run) | ({page.name: page.read_bytes()} if page.exists() else {})


def _said(folder: Path) -> str:
    lines = (folder / "stderr").read_text().splitlines()
    return lines[-1] if lines else "without a word"


def _start(run: Path, page: bool, audit: Sequence[str]) -> BaseProcess:
    (run.parent / BEGUN).write_bytes(b"")
    process = processes.Process(target=_audit, args=(run, page, audit))
    process.start()
    return process


def _audit(run: Path, page: bool, audit: Sequence[str]) -> None:
    """Audit in this process, and add a byte to a file whenever a stage begins."""

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def begin(*given: Any, **options: Any) -> Any:
            with (run.parent / BEGUN).open("ab") as begun:
                begun.write(b".")
            return work(*given, **options)

        return begin

    with ExitStack() as patches:
        if not page:
            patches.enter_context(patch.object(stages, SHOWN))
            patches.enter_context(patch.object(readout, "PENALTIES", readout.PENALTIES[:1]))
        for call in dict.fromkeys(STAGES.values()):
            patches.enter_context(patch.object(stages, call, noted(getattr(stages, call))))
        run_command(["padscope", *audit, run.name], run.parent)
