"""The command line: parsing, and which function answers."""

from __future__ import annotations

import math
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from padscope import __version__
from padscope.console import (
    describe_sites,
    make_console,
    show_progress,
    site_listing,
    summary_lines,
    summary_listing,
)
from padscope.engines import keep_freed_memory, make_plan
from padscope.errors import PadscopeError
from padscope.models import LoadedModel, load_model
from padscope.report import render_report
from padscope.settings import Settings
from padscope.store import RunDirectory, load_study, write_atomically
from padscope.study import Interrupted, Study, scan
from padscope.tables import site_table

app = typer.Typer(
    help="Find, explain and test padding-aware neurons in convolutional networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Model = Annotated[
    str,
    typer.Argument(
        help="lite0, timm:NAME, torchvision:NAME, package.module:factory, or a .pt2 file."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(help="A .safetensors file or a state dict; 'random' for fresh weights."),
]
Size = Annotated[str | None, typer.Option(help="Input size: 224, or HEIGHTxWIDTH.")]
Numbers = Annotated[str | None, typer.Option(help="One number, or one per channel: .5,.5,.5")]
Images = Annotated[
    Path | None,
    typer.Option(help="A folder, a list file, or one photograph. Default: built-in photographs."),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run directory. Default: runs/MODEL.")
]
Limit = Annotated[int, typer.Option(help="Most images, drawn at random; 0 for all.")]
Seed = Annotated[int, typer.Option(help="Of images, crops and positions.")]
BatchSize = Annotated[int, typer.Option(help="Images per forward pass.")]
Positions = Annotated[
    int | None, typer.Option(help="Positions per image. Default: by the number of images.")
]
UntilStable = Annotated[
    bool,
    typer.Option("--until-stable", help="Stop once every filter .05 from the cut is decided."),
]
Workers = Annotated[int, typer.Option(help="Threads that decode photographs.")]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu, cuda, cuda:1, mps.")]
Checkpoint = Annotated[float, typer.Option(help="Seconds between checkpoints.")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"padscope {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and end."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]  # taken by `main`


@app.callback()
def _options(version: Version = False, debug: Debug = False) -> None:
    pass


@app.command("sites")
def sites_command(
    model: Model,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
) -> None:
    """List every padded operation of a model."""
    loaded = _load(model, weights, size, mean, std)
    assert loaded.preprocessing is not None
    shape = (1, loaded.preprocessing.channels, *loaded.preprocessing.size)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = make_plan(loaded.module, image, 0, 1, 1, loaded.static_batch).observation.sites
    console = make_console()
    console.print(site_listing(site_table(found)))
    console.print(describe_sites(found))


@app.command("scan")
def scan_command(
    model: Model,
    images: Images = None,
    out: Out = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Limit = 1000,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    per_line: Positions = None,
    per_core: Positions = None,
    until_stable: UntilStable = False,
    workers: Workers = 1,
    device: Device = "cpu",
    checkpoint: Checkpoint = 60,
) -> None:
    """Find the filters that respond to the border, and show them on a page."""
    settings = Settings(
        limit=limit or None, seed=seed, batch_size=batch_size, per_line=per_line,
        per_core=per_core, until_stable=until_stable,
    )  # fmt: skip
    path = out or default_directory(model)
    run = RunDirectory(path, checkpoint)
    loaded = _load(model, weights, size, mean, std)
    _move(loaded, device)
    with _stop_on_interrupt() as stop, show_progress("scan") as progress:
        try:
            study = scan(
                loaded, images, settings, journal=run, progress=progress, stop=stop,
                workers=workers,
            )  # fmt: skip
        except Interrupted as stopped:
            raise PadscopeError(f"{stopped}; the same command goes on from there") from None
    run.save(study)
    _write_report(study, path)
    _print_summary(study, path)


app.command("audit", help="Do all of it: scan and report, on built-in photographs by default.")(
    scan_command
)


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
) -> None:
    """Write the page of a finished run again."""
    study = load_study(run)
    _write_report(study, run)
    _print_summary(study, run)


def default_directory(model: str) -> Path:
    """Return where a model's run goes if nobody says: ``runs/`` and the model's name.

    Examples
    --------
    >>> default_directory("timm:resnet50.a1_in1k").as_posix()
    'runs/timm-resnet50.a1_in1k'
    """
    return Path("runs") / (re.sub(r"[^\w.]+", "-", model).strip("-.") or "model")


def _load(
    spec: str, weights: str | None, size: str | None, mean: str | None, std: str | None
) -> LoadedModel:
    return load_model(
        spec, weights=weights, size=parse_size(size), mean=_parse_numbers("--mean", mean),
        std=_parse_numbers("--std", std),
    )  # fmt: skip


def _move(loaded: LoadedModel, device: str) -> None:
    try:
        loaded.module.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # torch built without it raises either
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise PadscopeError(f"--device {device} cannot be used: {reason}; give cpu") from error


def parse_size(text: str | None) -> tuple[int, ...] | int | None:
    """Read an input size.

    Examples
    --------
    >>> parse_size("224"), parse_size("128x96")
    (224, (128, 96))
    """
    if text is None:
        return None
    try:
        lengths = tuple(int(part) for part in re.split(r"[x×,]", text))
    except ValueError:
        lengths = ()
    if not lengths or min(lengths) < 1:
        raise PadscopeError(f"--size {text!r} is no size; give 224, or HEIGHTxWIDTH")
    return lengths[0] if len(lengths) == 1 else lengths


def _parse_numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise PadscopeError(
            f"{option} {text!r} is no number; give one, or one per channel with commas"
        )
    return numbers


@contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop after the batch; the second stops at once."""
    asked = False

    def note(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, _stop_at_once)

    with _on_interrupt(note):
        yield lambda: asked


class _StoppedAtOnce(BaseException):
    """Ctrl-C, on its way to `main`: a `KeyboardInterrupt` would be typer's to answer."""


def _stop_at_once(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
    raise _StoppedAtOnce("stopped at once; the same command goes on from the last checkpoint")


@contextmanager
def _on_interrupt(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _write_report(study: Study, path: Path) -> None:
    write_atomically(path / "report.html", render_report(study).encode())


def _print_summary(study: Study, path: Path) -> None:
    console = make_console()
    console.print(study.model, study.images, sep="\n", markup=False)
    console.print()
    console.print(summary_listing(study))
    console.print()
    for line in summary_lines(study):
        console.print(line, markup=False)
    console.print(f"Tables: {path / 'filters.parquet'}, {path / 'sides.parquet'}", markup=False)
    console.print(f"Report: {path / 'report.html'}", markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; what a user can mend is one sentence and status 2."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    keep_freed_memory()
    if not debug:  # what matters to the user is said in the summary
        warnings.simplefilter("ignore")
    try:
        with _on_interrupt(_stop_at_once):
            app()
    except (PadscopeError, _StoppedAtOnce) as error:
        if debug:
            traceback.print_exc()
        print(f"padscope: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
