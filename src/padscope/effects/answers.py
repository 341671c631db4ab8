"""A model's answer: the tensor among what it returns, and what kind of answer that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError

AnswerKind = Literal["classes", "dense", "values"]


def read_answer(output: object, key: str | None = None) -> Tensor:
    """Take the answer out of what a model returns.

    Parameters
    ----------
    output : Tensor, mapping, sequence or object
        What the model returned.
    key : str, optional
        Which entry of it: a key or an attribute, or the index in a tuple or list. Parts of a
        dotted key are taken one after the other, as in ``out.0``. Not needed for a tensor, nor
        where only one entry is a tensor of scores, see `only_scores`.

    Returns
    -------
    (N, …) floating-point Tensor

    Raises
    ------
    PadscopeError
        The answer is no tensor of numbers or an empty one, or there is no such entry.

    Examples
    --------
    >>> import torch
    >>> read_answer({"out": torch.ones(2, 3)}, "out").shape
    torch.Size([2, 3])
    """
    found: Any = output
    key = key or only_scores(output)
    for part in key.split(".") if key else ():
        found = _entry(found, part, key or "")
    if not isinstance(found, Tensor):
        raise PadscopeError(
            f"the model returns {_describe(found)}, not a tensor; say which entry is the answer "
            f"with --output{_choices(found)}"
        )
    if found.numel() == 0:
        raise PadscopeError(
            f"the model's answer is empty: a tensor of shape {tuple(found.shape)}; give larger "
            "images, or name another entry with --output"
        )
    if not found.is_floating_point() or found.ndim < 1:
        raise PadscopeError(
            f"the model's answer is a tensor of {found.dtype} with "
            f"{plural(found.ndim, 'axis')}; effects "
            "need scores, one row per image: name another entry with --output"
        )
    return found


def only_scores(output: object) -> str | None:
    """Name the only entry of what a model returns that is a tensor of scores.

    Parameters
    ----------
    output : Tensor, mapping, sequence or object

    Returns
    -------
    str or None
        None for a tensor, and where no entry or several are floating-point tensors with axes.

    Examples
    --------
    >>> import torch
    >>> only_scores({"logits": torch.ones(2, 3), "class": torch.ones(2).long(), "loss": None})
    'logits'
    """
    if isinstance(output, Tensor):
        return None
    found = [
        key
        for key, entry in _entries(output)
        if isinstance(entry, Tensor) and entry.is_floating_point() and entry.ndim
    ]
    return found[0] if len(found) == 1 else None


def without_masked(answer: Tensor) -> Tensor:
    """Make masked classes, whose scores are minus infinity, classes of no probability.

    Parameters
    ----------
    answer : (N, …) floating-point Tensor

    Returns
    -------
    (N, …) Tensor
        Scores of classes with the least number there is for minus infinity, in rows that have other
        scores too; differences of probabilities and of their logarithms are then 0 where they
        ought to be, and not undefined. Other answers as they are.
    """
    if kind_of_answer(answer) != "classes":
        return answer
    masked = answer.isneginf()
    masked = masked & ~masked.all(dim=1, keepdim=True)
    return answer.masked_fill(masked, torch.finfo(answer.dtype).min) if masked.any() else answer


def with_channels(answer: Tensor, size: Sequence[int]) -> Tensor:
    """Give a map an axis of channels where it has none, as a map of depths may.

    Parameters
    ----------
    answer : (N, …) Tensor
    size : sequence of int
        Of the image, per axis.

    Returns
    -------
    (N, …) Tensor
        (N, 1, *spatial) for (N, *spatial) of at least two axes that are as long as the image's;
        else the answer as it is.

    Examples
    --------
    >>> with_channels(torch.ones(2, 8, 9), (8, 9)).shape
    torch.Size([2, 1, 8, 9])
    """
    return answer[:, None] if len(size) > 1 and answer.shape[1:] == tuple(size) else answer


def kind_of_answer(answer: Tensor) -> AnswerKind:
    """Tell scores of classes from maps and from other values.

    Parameters
    ----------
    answer : (N, …) Tensor

    Returns
    -------
    str
        ``classes`` for (N, C) with at least two columns, ``dense`` for (N, C, *spatial), and
        ``values`` for (N,), (N, 1).
    """
    if answer.ndim > 2:
        return "dense"
    return "classes" if answer.ndim == 2 and answer.shape[1] > 1 else "values"


def _entries(found: object) -> list[tuple[str, object]]:
    """List the entries of a mapping, a dataclass, a tuple or a list by what they are named with."""
    if isinstance(found, Mapping):
        return [(key, entry) for key, entry in found.items() if isinstance(key, str)]
    if isinstance(found, Sequence) and not isinstance(found, str):
        names = getattr(found, "_fields", None) or map(str, range(len(found)))
        return list(zip(names, found, strict=True))
    if is_dataclass(found) and not isinstance(found, type):
        return [(field.name, getattr(found, field.name, None)) for field in fields(found)]
    return []


def _entry(found: Any, part: str, key: str) -> Any:
    if isinstance(found, Mapping) and part in found:
        return found[part]
    if isinstance(found, Sequence) and not isinstance(found, str):
        place = int(part) if part.removeprefix("-").isdigit() else None
        if place is not None and -len(found) <= place < len(found):
            return found[place]
        if part in getattr(found, "_fields", ()):
            return getattr(found, part)
    elif not isinstance(found, Tensor) and part.isidentifier() and hasattr(found, part):
        return getattr(found, part)
    raise PadscopeError(
        f"--output {key!r}: there is no {part!r} in {_describe(found)}{_choices(found)}"
    )


def _describe(found: object) -> str:
    if isinstance(found, Mapping):
        return f"a {type(found).__name__} with {plural(len(found), 'entry')}"
    if isinstance(found, Sequence) and not isinstance(found, str):
        inside = type(found[0]).__name__ if found else "nothing"
        return f"a {type(found).__name__} of {len(found)} ({inside} first)"
    return f"a {type(found).__name__}"


def _choices(found: object) -> str:
    names = [name for name, _ in _entries(found)]
    if not names:
        return ""
    named = names[0] != "0"
    return f": {', '.join(names[:8])}" if named else f": 0 to {len(names) - 1}"
