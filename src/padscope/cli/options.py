"""The options of the commands: their names, and what `--help` says about them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from padscope import __version__
from padscope.settings import AUTO
from padscope.sites.fill_words import FILL_WORDS

DEVICES = (AUTO, "cpu", "cuda", "mps")


def complete(*names: str) -> Callable[[str], list[str]]:
    """Complete a word to the names that begin with it."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Argument(
        help="lite0, timm:NAME, torchvision:NAME, hf:NAME, package.module:factory, or a .onnx or "
        ".pt2 file."
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")]
Weights = Annotated[
    str | None,
    typer.Option(help="A .safetensors file or a state dict; 'random' for fresh weights."),
]
Size = Annotated[
    str | None, typer.Option(help="Input size: 224, or HEIGHTxWIDTH, or DEPTHxHEIGHTxWIDTH.")
]
Numbers = Annotated[str | None, typer.Option(help="One number, or one per channel: .5,.5,.5")]
Adapter = Annotated[
    str | None,
    typer.Option(
        "--input-adapter",
        help="package.module:function that turns a batch of images into the model's arguments.",
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        help="A folder, a list file, one photograph or array (.npy, .wav, .nii, …), .tar archives, "
        "hf:NAME, or an address such as s3://bucket/photos. Default: built-in photographs."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run directory. Default: runs/MODEL.")
]
Limit = Annotated[int, typer.Option(help="Maximum number of images, drawn at random; 0 for all.")]
Tolerance = Annotated[
    float, typer.Option(help="Differences below this share of the spread count as none.")
]
Seed = Annotated[int, typer.Option(help="Random seed of images, crops and positions.")]
BatchSize = Annotated[int, typer.Option(help="Images per forward pass.")]
Positions = Annotated[
    int | None, typer.Option(help="Positions per image. Default: chosen by the number of images.")
]
AuditLimit = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of images, drawn at random; 0 for all. Default: the number that is "
        "explained."
    ),
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="A first answer: which filters recognise the border, on 32 images."
    ),
]
Figures = Annotated[
    bool, typer.Option("--figures", help="Also write the charts as SVG and PNG files.")
]
Thorough = Annotated[
    bool, typer.Option("--thorough", help="More images, controls and checks: ten times the work.")
]
Explained = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of images to run with real surroundings; 0 for all. Default: 96."
    ),
]
Margin = Annotated[
    int | None,
    typer.Option(help="Pixels of real surroundings. Default: chosen by the total stride."),
]
Baselines = Annotated[
    int | None,
    typer.Option(
        help="Fresh networks to compare with, and as many matched ones; 0 for none. Default: 3."
    ),
]
Content = Annotated[
    float | None,
    typer.Option(help="Share of the content that may pass a filter's threshold. Default: 0.01."),
]
ExplainCause = Annotated[
    bool,
    typer.Option(
        "--explain-cause", help="Also run the network without the shifts of its batch norms."
    ),
]
Shuffled = Annotated[
    bool, typer.Option("--shuffled", help="Also run the network with its weights shuffled.")
]
Tested = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of images whose answers are compared; 0 for all. Default: 48, or 20 "
        "of the built-in photographs."
    ),
]
LabelsFile = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Classes of the images: a CSV with file and class_index, 'folders', a column of the "
        "data set, or 'cls', 'txt' or 'json', the files beside the images of archives.",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        help="package.module:function that scores answers, one number per image; its attribute "
        "higher_is_better says which direction is good."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(help="Which entry of the model's output is its answer: a key or an index."),
]
Fill = Annotated[
    str,
    typer.Option(
        help="Values that replace padding: reflect, replicate, circular, mean, core, …; see "
        "docs/extending/fill.md.",
        autocompletion=complete(*FILL_WORDS),
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(help="Control sets drawn for every set of filters, at least 19. Default: 20."),
]
UntilStable = Annotated[
    bool,
    typer.Option(
        "--until-stable", help="Stop once every filter more than .05 from the threshold is decided."
    ),
]
WORKERS = min(4, os.cpu_count() or 1)  # those that have nothing to do cost nothing
Workers = Annotated[
    int,
    typer.Option(
        help="Threads that decode photographs ahead of the model.",
        show_default="as many as cores, 4 at most",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="Device of the model: cpu, cuda, cuda:1, mps; auto picks the best.",
        autocompletion=complete(*DEVICES),
    ),
]
RunnerSpec = Annotated[
    str,
    typer.Option(
        "--runner",
        help="Where the work runs: local, torchrun, ray[:ADDRESS].",
        autocompletion=complete("local", "torchrun", "ray"),
    ),
]
Checkpoint = Annotated[float, typer.Option(help="Seconds between checkpoints.")]


def print_version(asked: bool) -> None:
    """Answer ``--version``."""
    if asked:
        typer.echo(f"padscope {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=print_version, is_eager=True, help="Print the version and exit."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]  # `main` looks
