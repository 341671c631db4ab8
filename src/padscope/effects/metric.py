"""Somebody's own metric, named ``package.module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError


@dataclass(frozen=True)
class Metric:
    """A score of each answer.

    Attributes
    ----------
    name : str
        For messages: ``package.module:function``.
    function : callable
        From (N, …) answers and (N,) labels (int64, -1 where unknown; None without labels) to N
        scores, one per image.
    unit : str
        Of a score; "" for none.
    higher_is_better : bool or None
        False for losses and errors; None if it is not known.
    """

    name: str
    function: Callable[[Tensor, Tensor | None], object]
    unit: str = ""
    higher_is_better: bool | None = None

    def __call__(self, answers: Tensor, labels: Tensor | None) -> Tensor:
        """Score answers.

        Returns
        -------
        (N,) float64 Tensor

        Raises
        ------
        PadscopeError
            The function raises, or does not give one finite score per image.
        """
        try:
            scores = torch.as_tensor(self.function(answers, labels)).detach().cpu().double()
        except Exception as error:  # somebody's own code raises what it likes
            raise PadscopeError(
                f"the metric {self.name} failed on answers of shape {tuple(answers.shape)} with "
                f"{_brief(error)}: it must return one score per image"
            ) from error
        if scores.shape != answers.shape[:1]:
            raise PadscopeError(
                f"the metric {self.name} returned shape {tuple(scores.shape)} for "
                f"{plural(len(answers), 'image')}: it must return one score per image, of shape "
                f"({len(answers)},)"
            )
        if wrong := int((~scores.isfinite()).sum()):
            raise PadscopeError(
                f"the metric {self.name} returned NaN or infinity for {wrong} of "
                f"{plural(len(answers), 'image')}: it must return a finite score for each"
            )
        return scores


def load_metric(target: str) -> Metric:
    """Import a metric, with the working directory on the path; this executes the user's code.

    Parameters
    ----------
    target : str
        ``package.module:function``; see `Metric` for what the function takes and returns. Its
        attributes ``unit`` and ``higher_is_better``, if it has them, are those of the metric.

    Raises
    ------
    PadscopeError
        The target cannot be imported, is not callable, or has other attributes of these names.
    """
    path, _, name = target.partition(":")
    if not path or not name:
        raise PadscopeError(f"--metric {target!r} is not of the form package.module:function")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(path)
    except (Exception, SystemExit) as error:
        raise PadscopeError(
            f"importing {path} for --metric {target} failed with {_brief(error)}: "
            "run where it can be imported from, or install it"
        ) from error
    finally:
        sys.path.remove(here)
    function = getattr(module, name, None)
    if not callable(function):
        held = f"is {type(function).__name__}" if hasattr(module, name) else "does not exist"
        raise PadscopeError(f"--metric {target}: {name!r} {held}; give a function of {path}")
    unit, better = (getattr(function, part, None) for part in ("unit", "higher_is_better"))
    if not isinstance(unit, str | None) or not isinstance(better, bool | None):
        raise PadscopeError(
            f"--metric {target}: its unit is {unit!r} and higher_is_better {better!r}; "
            "set a text, and True or False"
        )
    return Metric(target, function, unit or "", better)


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
