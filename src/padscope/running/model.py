"""Running somebody's model on a batch of images, and reading its answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.effects.answers import (
    kind_of_answer,
    read_answer,
    with_channels,
    without_masked,
)
from padscope.effects.comparison import Unchanged
from padscope.errors import PadscopeError, brief
from padscope.settings import AUTO
from padscope.sites import Observation, observe, placed
from padscope.sites.depth_bounds import DepthBounds, depth_bounds
from padscope.sites.memory import memory_error, ran_out_of_memory, told_images


def find_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is CUDA, MPS or the CPU, the first there is.

    Processes that torchrun starts on one machine take one CUDA device each.
    """
    if name != AUTO:
        return torch.device(name)
    if torch.cuda.is_available():
        place = int(os.environ.get("LOCAL_RANK", "0"))
        return torch.device("cuda", place % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """Return where a model is; the CPU for one without parameters."""
    weight = next(model.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def as_input(model: nn.Module, pixels: Tensor) -> Tensor:
    """Copy images to where a model is, in its type and the memory format in which it is fastest.

    Always a copy: a model that normalises its input in place would change what comes after.

    Raises
    ------
    PadscopeError
        Memory runs out.
    """
    channels_last = pixels.ndim == 4
    layout = torch.channels_last if channels_last else torch.contiguous_format
    try:
        copied = placed(model, pixels)
        if copied is pixels or copied.data_ptr() == pixels.data_ptr():
            return pixels.clone(memory_format=layout)
        return copied.contiguous(memory_format=layout)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise memory_error(error, told_images(pixels)) from error


def run_batch(
    model: nn.Module, pixels: Tensor, images: Sequence[int], static_batch: int | None
) -> object:
    """Run a model on a batch, filled up to the number of images that it insists on.

    Returns
    -------
    object
        What the model returns, of the surplus images too.

    Raises
    ------
    PadscopeError
        The model fails on these images, or memory runs out.
    """
    if static_batch and len(pixels) < static_batch:  # whoever looks on leaves the surplus out
        surplus = pixels[-1:].expand(static_batch - len(pixels), *pixels.shape[1:])
        pixels = torch.cat([pixels, surplus])
    try:
        return model(as_input(model, pixels))
    except PadscopeError:
        raise
    except Exception as error:  # somebody's own code raises what it likes
        given = f"images {images[0]} to {images[-1]}"
        if ran_out_of_memory(error):
            raise memory_error(error, given) from error
        raise PadscopeError(
            f"the model failed on {given}: {brief(error)}; give images that it takes, or "
            "fewer at once"
        ) from error


def observe_first(model: nn.Module, image: Tensor, static_batch: int | None = None) -> Observation:
    """Run a model once, and note its sites.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    image : (1, C, *spatial) Tensor
    static_batch : int, optional
        The only number of images the model takes at once, if there is one.

    Raises
    ------
    PadscopeError
        The model fails on the image.
    """
    # Two images tell the batch axis apart; an exported program may insist on its own number.
    example = as_input(model, image.repeat_interleave(static_batch or 2, dim=0))
    observed = observe(model, example, partial=True)
    if isinstance(observed.failure, PadscopeError):  # as of an input adapter
        raise observed.failure
    if observed.failure is not None:
        raise PadscopeError(rejection(example, observed.failure)) from observed.failure
    return observed


def rejection(example: Tensor, error: Exception) -> str:
    """Say that a model does not take images of some shape, or not a batch of images alone."""
    shape = "×".join(map(str, example.shape))
    advice = "pass --size, or images of the shape it was built for"
    of_shape = not isinstance(error, TypeError | LookupError | AttributeError)
    if not of_shape and "out of" not in str(error):  # as in "index 7 is out of bounds"
        advice = (
            "give a model whose forward takes one tensor, a batch of images; if it takes more, add "
            "--input-adapter package.module:function, or wrap it in a module that fills in the rest"
        )
    return (
        f"the model does not take images of shape {shape} (batch, channels, size): "
        f"{brief(error)}; {advice}"
    )


@dataclass(frozen=True)
class Asking:
    """How a model is run, and which of its outputs is the answer.

    Attributes
    ----------
    key : str or None
        See `padscope.effects.read_answer`.
    static_batch : int or None
        The only number of images the model takes at once, if there is one.
    seed : int or None
        Of torch's random numbers, which are then the same whenever a batch is run; None for a
        model that takes none.
    """

    key: str | None = None
    static_batch: int | None = None
    seed: int | None = None

    def ask(self, model: nn.Module, pixels: Tensor, images: Sequence[int]) -> Tensor:
        """Run a model on a batch and read its answer, one row per image.

        Maps get an axis of channels where they have none, see `with_channels`.

        Raises
        ------
        PadscopeError
            The model fails, or its answer cannot be read or has not one row per image.
        """
        with _random_numbers(self.seed, images):
            output = run_batch(model, pixels, images, self.static_batch)
        answer, rows = read_answer(output, self.key), max(len(images), self.static_batch or 0)
        if len(answer) != rows:
            raise PadscopeError(
                f"the model's answer has shape {tuple(answer.shape)} for {plural(rows, 'image')}; "
                "effects "
                "need one row per image: name another entry with --output, or wrap the model so "
                "that the first axis is that of the images"
            )
        return with_channels(without_masked(answer[: len(images)]), pixels.shape[2:])

    def bounds(self, model: nn.Module, pixels: Tensor) -> DepthBounds:
        """Find how far padding can reach into the maps of a model, and into its answer.

        Parameters
        ----------
        model : nn.Module
            In eval mode.
        pixels : (N, C, *spatial) Tensor
            See `depth_bounds`.

        Raises
        ------
        PadscopeError
            The model fails, or its answer cannot be read.
        """
        example = as_input(model, pixels)

        def read(output: object) -> Tensor:
            return with_channels(read_answer(output, self.key), pixels.shape[2:])

        try:
            return depth_bounds(model, example, read)
        except PadscopeError:
            raise
        except Exception as error:  # somebody's own code raises what it likes
            if ran_out_of_memory(error):
                raise memory_error(error, told_images(example)) from error
            raise PadscopeError(rejection(example, error)) from error

    def numbered(self, images: Sequence[int]) -> tuple[int, ...]:
        """Give every row of a batch its image, rows that fill the batch up the last one.

        Random draws of an `Intervention` are then the same in a batch that was filled up.

        Examples
        --------
        >>> Asking(static_batch=4).numbered([7, 9])
        (7, 9, 9, 9)
        """
        surplus = max(0, (self.static_batch or 0) - len(images))
        return (*images, *[images[-1]] * surplus)


@contextmanager
def _random_numbers(seed: int | None, images: Sequence[int]) -> Iterator[None]:
    """Draw torch's random numbers anew for a batch; afterwards they go on as before."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed + images[0])
        yield


def compare(unchanged: Unchanged, answers: Tensor) -> dict[str, Tensor]:
    """Compare answers by what tells most in one number: measure → (N,) float64 Tensor.

    The measures are those of `measures_of`; see `padscope.effects.comparison`.
    """
    found = unchanged.compare(answers.cpu())
    return {measure: found[measure] for measure in measures_of(unchanged.answers)}


def measures_of(answers: Tensor) -> tuple[str, ...]:
    """Name the measures by which `compare` compares such answers."""
    return ("kl", "flip") if kind_of_answer(answers) == "classes" else ("change",)
