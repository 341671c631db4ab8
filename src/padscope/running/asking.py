"""Finding out how a model is asked: what its answer is, and whether it is the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from padscope.effects.answers import kind_of_answer, only_scores
from padscope.effects.comparison import Unchanged
from padscope.errors import PadscopeError
from padscope.running.model import Asking, compare, run_batch

CHANNELS_NAMED = 5
ROUNDING = 8  # times the precision of an answer's greatest score: what two runs may differ by


def learn_to_ask(
    model: nn.Module,
    pixels: Tensor,
    images: Sequence[int],
    output: str | None,
    static_batch: int | None,
    seed: int,
) -> tuple[Asking, Tensor, tuple[str, ...]]:
    """Find out how a model is asked: what its answer is, and whether it is the same each time.

    A model may answer at random, as where dropout is left on. It is then given the same random
    numbers whenever a batch is run, so that what it is compared with has the same noise.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    pixels : (N, C, *spatial) Tensor
        A batch of images.
    images : sequence of int
        Their indices.
    output, static_batch
        As ``key`` and ``static_batch`` of `Asking`.
    seed : int

    Returns
    -------
    asking : Asking
    answer : (N, …) Tensor
        To the batch.
    notes : tuple of str
        What was found, in sentences.

    Raises
    ------
    PadscopeError
        The model fails, it has no answer with one row per image, it answers with infinity to all
        of them, or it answers differently even with the same random numbers.
    """
    asking, notes = Asking(output, static_batch), []
    with torch.no_grad():
        if not output and (key := only_scores(run_batch(model, pixels, images, static_batch))):
            notes.append(
                f"The answer is {key!r}, the only tensor of scores among what the model returns."
            )
            asking = replace(asking, key=key)
        for rows in (2, 3):  # as many rows as classes are no proof
            asking.ask(model, pixels[:1].expand(rows, *pixels.shape[1:]), [images[0]] * rows)
        seeded = replace(asking, seed=seed)
        answer, again, other = (
            one.ask(model, pixels, images)
            for one in (seeded, seeded, replace(asking, seed=seed + 1))
        )
    if answer.isinf().reshape(len(answer), -1).any(dim=1).all():
        raise PadscopeError(
            f"the model answers with infinity{_channels(answer)} to every image; effects need "
            "finite scores: name another entry with --output, or wrap the model so that it leaves "
            "them out"
        )
    if _differ(answer, again):
        raise PadscopeError(
            f"the model answers differently when it is asked again "
            f"({_noise(answer, again, images)}), even with the same random numbers of torch: "
            "effects cannot be told from that; make it answer the same each time in eval mode"
        )
    if _differ(answer, other):
        asking = seeded
        notes.append(
            f"The model answers differently when it is asked again, unchanged "
            f"({_noise(answer, other, images)}), as with dropout left on in forward. All answers "
            "were drawn with the same random numbers, so that this noise is in none of the effects."
        )
    return asking, answer, tuple(notes)


def _channels(answer: Tensor) -> str:
    """Name the channels of a map that are infinite throughout, if there are any."""
    if kind_of_answer(answer) != "dense":
        return ""
    found = answer.isinf().transpose(0, 1).flatten(1).all(dim=1).nonzero().flatten().tolist()
    more = ", …" if len(found) > CHANNELS_NAMED else ""
    named = ", ".join(map(str, found[:CHANNELS_NAMED]))
    return f" in channel {named}{more}" if found else ""


def _differ(answer: Tensor, again: Tensor) -> bool:
    """Whether two answers differ by more than rounding."""
    first, second = answer.nan_to_num(), again.nan_to_num()
    if first.shape != second.shape:
        return True
    kept = first > torch.finfo(answer.dtype).min  # masked classes are no measure
    precision = torch.finfo(answer.dtype).eps * first.where(kept, first.new_zeros(())).abs().amax()
    return bool((first - second).abs().amax() > ROUNDING * precision)


def _noise(answer: Tensor, again: Tensor, images: Sequence[int]) -> str:
    """Say by how much an answer differs from itself."""
    if answer.shape != again.shape:
        return "by its shape"
    changed = compare(Unchanged(answer.cpu(), images), again)
    return ", ".join(f"{name} {values.mean():.2g}" for name, values in changed.items())
