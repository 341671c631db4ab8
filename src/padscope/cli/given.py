"""How a model and images were named, and what that stands for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from padscope.cli.options import DEVICES
from padscope.errors import PadscopeError, near
from padscope.models import LoadedModel, load_model
from padscope.running.memory import keep_freed_memory, refuse_more_than_there_is
from padscope.running.model import device_of, find_device, observe_first
from padscope.sites import Site
from padscope.sites.census import even_size
from padscope.store import load_study
from padscope.study import Study


def default_directory(model: str) -> Path:
    """Return where a model's run goes if nobody says: ``runs/`` and the model's name.

    Examples
    --------
    >>> default_directory("timm:resnet50.a1_in1k").as_posix()
    'runs/timm-resnet50.a1_in1k'
    """
    return Path("runs") / (re.sub(r"[^\w.]+", "-", model).strip("-.") or "model")


@dataclass(frozen=True)
class Given:
    """How the model and the images were named; kept with a run, for its later stages."""

    model: str
    weights: str | None = None
    size: str | None = None
    mean: str | None = None
    std: str | None = None
    images: str | None = None
    input_adapter: str | None = None


def load(given: Given, device: str) -> LoadedModel:
    """Load what was named, onto a device."""
    keep_freed_memory()
    loaded = load_model(
        given.model, weights=given.weights, size=parse_size(given.size),
        mean=_parse_numbers("--mean", given.mean), std=_parse_numbers("--std", given.std),
        input_adapter=given.input_adapter,
    )  # fmt: skip
    _move(loaded, device)
    if device_of(loaded.module).type == "cpu":  # CUDA takes up addresses that it never fills
        refuse_more_than_there_is()
    return loaded


def look_at(loaded: LoadedModel, size: tuple[int, ...] | None = None) -> tuple[Site, ...]:
    """List the windowed operations of a model, as it runs on noise of its own size or another."""
    assert loaded.preprocessing is not None
    shape = (1, loaded.preprocessing.channels, *(size or loaded.preprocessing.size))
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return tuple(observe_first(loaded.module, image, loaded.static_batch).sites)


def nearest_even(loaded: LoadedModel) -> tuple[int, ...] | None:
    """Find the size nearest to a model's own at which no stride is uneven; see `even_size`."""

    def there(size: tuple[int, ...]) -> tuple[Site, ...] | None:
        try:
            return look_at(loaded, size)
        except PadscopeError:  # it does not run on that size
            return None

    assert loaded.preprocessing is not None
    return even_size(loaded.preprocessing.size, there)


def reopen(
    run: Path, weights: str | None, images: str | None, device: str, stage: str
) -> tuple[Study, LoadedModel, str | None]:
    """Load a run, its model, and say which images a further stage of it works on.

    Raises
    ------
    PadscopeError
        The run cannot be read, or was made from Python, where nothing names the model.
    """
    study = load_study(run)
    if not study.invocation:
        raise PadscopeError(
            f"the run in {run} was made from Python; continue there, with padscope.{stage}"
        )
    given = Given(**study.invocation)
    loaded = load(replace(given, weights=weights or given.weights), device)
    return study, loaded, given.images if images is None else images


def open_subject(
    given: Given, device: str, stage: str
) -> tuple[Study | None, LoadedModel, str | None]:
    """Load what a stage beside runs works on: as `reopen`, or a model that has no run."""
    run = Path(given.model)
    if not (run / "manifest.json").exists():
        return None, load(given, device), given.images
    if given.size or given.mean or given.std:
        raise PadscopeError("a run has its own size, mean and std; leave them out")
    return reopen(run, given.weights, given.images, device, stage)


def _move(loaded: LoadedModel, device: str) -> None:
    try:
        loaded.module.to(find_device(device))
    except (RuntimeError, AssertionError) as error:  # torch built without it raises either
        kind = device.partition(":")[0]
        if kind not in DEVICES:
            raise PadscopeError(f"--device {device} is not known; {near(kind, DEVICES)}") from error
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
        raise PadscopeError(f"--size {text!r} is not a size; give 224, or HEIGHTxWIDTH")
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
            f"{option} {text!r} is not a number; give one, or one per channel, separated by commas"
        )
    return numbers
