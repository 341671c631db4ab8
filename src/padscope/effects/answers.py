"""A model's answer: the tensor among what it returns, and what kind of answer that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

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
        dotted key are taken one after the other, as in ``out.0``. Not needed for a tensor.

    Returns
    -------
    (N, …) floating-point Tensor

    Raises
    ------
    PadscopeError
        The answer is no tensor of numbers, or there is no such entry.

    Examples
    --------
    >>> import torch
    >>> read_answer({"out": torch.ones(2, 3)}, "out").shape
    torch.Size([2, 3])
    """
    found: Any = output
    for part in key.split(".") if key else ():
        found = _entry(found, part, key or "")
    if not isinstance(found, Tensor):
        raise PadscopeError(
            f"the model returns {_describe(found)}, not a tensor; say which entry is the answer "
            f"with --output{_choices(found)}"
        )
    if not found.is_floating_point() or found.ndim < 1:
        raise PadscopeError(
            f"the model's answer is a tensor of {found.dtype} with {found.ndim} axes; effects "
            "need scores, one row per image: name another entry with --output"
        )
    return found


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


def _entry(found: Any, part: str, key: str) -> Any:
    if isinstance(found, Mapping) and part in found:
        return found[part]
    if isinstance(found, Sequence) and not isinstance(found, str):
        place = int(part) if part.removeprefix("-").isdigit() else None
        if place is not None and -len(found) <= place < len(found):
            return found[place]
    elif not isinstance(found, Tensor) and part.isidentifier() and hasattr(found, part):
        return getattr(found, part)
    raise PadscopeError(
        f"--output {key!r}: there is no {part!r} in {_describe(found)}{_choices(found)}"
    )


def _describe(found: object) -> str:
    if isinstance(found, Mapping):
        return f"a {type(found).__name__} with {len(found)} entries"
    if isinstance(found, Sequence) and not isinstance(found, str):
        inside = type(found[0]).__name__ if found else "nothing"
        return f"a {type(found).__name__} of {len(found)} ({inside} first)"
    return f"a {type(found).__name__}"


def _choices(found: object) -> str:
    if isinstance(found, Mapping):
        return f": {', '.join(str(name) for name in list(found)[:8])}"
    if isinstance(found, Sequence) and not isinstance(found, str) and found:
        return f": 0 to {len(found) - 1}"
    return ""
