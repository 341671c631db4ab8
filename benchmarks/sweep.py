"""Whether padscope takes any model: each passes `sites`, and a batch of `scan` and `explain`.

All are untrained and small: the smallest input, and for transformers the smallest configuration,
whose maps have a core. `TABLE` lists them, each with what was found the last time: how many padded
operations it has, or in one sentence why it is not measured. Another model is another row there.

Each runs in a process of its own, within a time and a size, so that a bad one stops no other. What
is found is kept in `KEPT`, a line each; a sweep that was ended goes on from there.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatch
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from benchmarks.sweep_models import ADAPTERS, save_configuration
from padscope import ExplainSettings, ScanSettings, explain, scan
from padscope.cli.given import look_at
from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images import central
from padscope.models import LoadedModel, load_model
from padscope.sites.alignment import FAR_MARGIN

TABLE = Path(__file__).parents[1] / "tests" / "sweep.csv"
KEPT = Path(__file__).parent / "results" / "sweep.jsonl"
IMAGES, MARGIN = (
    2,
    32,
)  # of real surroundings, in pixels: the least that most strides keep step with
MINUTES, GIGABYTES = 10, 10  # at most, of one model: of a processor, and of its memory
PATIENCE = 6  # times as long may a loaded machine take for them
PASSED, NOT_TRIED = "passed", "not tried yet"
COUNTED = ("sites", "scored", "filters", "contextual")


@dataclass(frozen=True)
class Row:
    """One model, and how far it came.

    Attributes
    ----------
    model : str
        A spec; that of transformers is ``hf:`` and a name of `CONFIGURATIONS`.
    size : str
        Pixels along every axis of its input, separated by ×.
    sites, scored, filters : int
        Padded operations, those of them that are scored, and the filters that these have.
    contextual : int
        Scored sites that are explained with real context.
    outcome : str
        `PASSED`, `NOT_TRIED`, or why it is not measured.
    """

    model: str
    size: str
    sites: int = 0
    scored: int = 0
    filters: int = 0
    contextual: int = 0
    outcome: str = NOT_TRIED


def read_table() -> list[Row]:
    """Read the models, and what was found of them the last time."""
    with TABLE.open(newline="") as file:
        return [Row(**_typed(row)) for row in csv.DictReader(file)]


def _typed(row: dict[str, str]) -> dict[str, Any]:
    return {name: int(value) if name in COUNTED else value for name, value in row.items()}


def write_table(rows: Iterable[Row]) -> None:
    """Write the table that `read_table` reads, in the order of names."""
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.model))


def counted(rows: Sequence[Row]) -> str:
    """Count a table by library, in Markdown."""
    lines = [
        "| models of | passed | refused, with a reason | all |",
        "|---" * 4 + "|",
    ]
    for library in sorted({row.model.partition(":")[0] for row in rows}):
        of = [row.outcome for row in rows if row.model.startswith(f"{library}:")]
        passed = of.count(PASSED)
        refused = len(of) - passed - of.count(NOT_TRIED)
        lines.append(f"| `{library}:` | {passed} | {refused} | {len(of)} |")
    return "\n".join(lines)


def measure(model: str, size: str) -> Row:
    """Take one model through all that it shall pass.

    Raises
    ------
    PadscopeError
        padscope refuses it.
    """
    row, pixels = Row(model, size), tuple(map(int, size.split("×")))
    with _found(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_model(model, weights="random", size=pixels, input_adapter=ADAPTERS.get(model))
        found = look_at(loaded)
        scored = [site for site in found if site.scored]
        row = replace(
            row, sites=len(found), scored=len(scored), filters=sum(s.filters for s in scored)
        )
        images = _images(loaded, MARGIN)
        study = scan(loaded, central(images, pixels, "the images"), ScanSettings(batch_size=IMAGES))
        try:
            study = explain(study, loaded, images, _explaining(MARGIN))
        except PadscopeError as refused:
            if "out of step" not in str(refused):
                raise
            study = explain(study, loaded, _images(loaded, 2 * FAR_MARGIN), _explaining(None))
    contextual = study.filters.filter(pl.col("real_context"))["site"].n_unique()
    return replace(row, contextual=contextual, outcome=PASSED)


def _explaining(margin: int | None) -> ExplainSettings:
    return ExplainSettings(margin=margin, batch_size=IMAGES, baselines=0, check=0, resamples=1)


def _images(loaded: LoadedModel, margin: int) -> Tensor:
    """Make noise that is smooth over a few pixels, with surroundings."""
    assert loaded.preprocessing is not None
    canvas = [n + 2 * margin for n in loaded.preprocessing.size]
    channels = loaded.preprocessing.channels
    coarse = torch.randn(
        IMAGES, channels, *(-(-n // 4) for n in canvas), generator=torch.Generator().manual_seed(0)
    )
    mode = ("linear", "bilinear", "trilinear")[len(canvas) - 1]
    return torch.nn.functional.interpolate(coarse, size=canvas, mode=mode)


@contextmanager
def _found(model: str) -> Iterator[None]:
    """Have a configuration of transformers where its spec says; others need nothing."""
    source, _, name = model.partition(":")
    if source != "hf":
        yield
        return
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        save_configuration(name, Path(name))
        yield


def measured_apart(model: str, size: str) -> Row:
    """Measure a model in a process of its own, and say how it ended if it fails."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = _processes.Process(target=_answer, args=(model, size, there))
    child.start()
    there.close()
    try:
        row: Row = (
            here.recv()
            if here.poll(60 * MINUTES * PATIENCE)
            else Row(model, size, outcome="It hangs.")
        )
    except EOFError:
        child.join()
        row = Row(model, size, outcome=_ENDED.get(child.exitcode, "Its process crashed."))
    child.kill()
    child.join()
    return row


_ENDED: dict[int | None, str] = {-signal.SIGXCPU: f"It takes longer than {MINUTES} minutes."}


def _answer(model: str, size: str, to: Connection) -> None:
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CPU, (60 * MINUTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_DATA, (GIGABYTES << 30,) * 2)
    try:
        row = measure(model, size)
    except PadscopeError as refused:
        row = Row(model, size, outcome=str(refused))
    except Exception as error:
        traceback.print_exc()
        row = Row(model, size, outcome=f"{type(error).__name__}: {error}".splitlines()[0])
    to.send(row)


_processes = multiprocessing.get_context("forkserver")


def describe_sweep(pattern: str = "*", *, write: bool = False) -> bool:
    """Measure all models of the table that are not measured yet, and say what changed.

    Parameters
    ----------
    pattern : str
        Names of models, with ``*``.
    write : bool
        Whether to write what was found to the table.

    Returns
    -------
    bool
        Whether all is as in the table.
    """
    # What takes seconds to import is imported once, and not by every process.
    _processes.set_forkserver_preload([__name__, "timm", "torchvision", "transformers"])
    wanted = [row for row in read_table() if fnmatch(row.model, pattern)]
    KEPT.parent.mkdir(exist_ok=True)
    kept = [Row(**json.loads(line)) for line in KEPT.open()] if KEPT.exists() else []
    found = {(row.model, row.size): row for row in kept}
    todo = [row for row in wanted if (row.model, row.size) not in found]
    print(
        f"{plural(len(wanted), 'model')}, {len(todo)} to measure, each at most {MINUTES} minutes",
        flush=True,
    )
    for place, row in enumerate(todo, 1):
        begun = time.monotonic()
        new = measured_apart(row.model, row.size)
        with KEPT.open("a") as file:
            file.write(json.dumps(asdict(new)) + "\n")
        found[row.model, row.size] = new
        print(f"{place}/{len(todo)} {_line(new)} ({time.monotonic() - begun:.0f} s)", flush=True)
    changed = [row for row in wanted if row != found[row.model, row.size]]
    passed = sum(found[row.model, row.size].outcome == PASSED for row in wanted)
    print(f"{passed} of {len(wanted)} passed; {len(changed)} are not as in the table", flush=True)
    for row in changed:
        print(f"  was {_line(row)}\n  now {_line(found[row.model, row.size])}")
    if write:
        now = {row.model: found.get((row.model, row.size), row) for row in read_table()}
        write_table(now.values())
        print(counted(list(now.values())))
    return not changed


def _line(row: Row) -> str:
    values = (getattr(row, field.name) for field in fields(row))
    return ", ".join(str(value) for value in values if value != "")
