"""How much a command does: what is given, what is not, and a quick or a thorough audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from padscope.errors import PadscopeError
from padscope.settings import FEWEST_IMAGES, ExplainSettings, ImpactSettings, ScanSettings

BUILTIN_TESTED = 20  # crops of the built-in photographs


@dataclass(frozen=True)
class Effort:
    """What the stages of an audit do.

    Attributes
    ----------
    scan : ScanSettings
    explain : ExplainSettings
    impact : ImpactSettings or None
        None where the impact is left out.
    """

    scan: ScanSettings
    explain: ExplainSettings
    impact: ImpactSettings | None


def at_most(images: int | None) -> dict[str, Any]:
    """Turn an option for the most images, 0 for all, into a setting; into none if it is not given.

    Examples
    --------
    >>> at_most(None), at_most(0), at_most(9)
    ({}, {'limit': None}, {'limit': 9})
    """
    return {} if images is None else {"limit": images or None}


def only_given(**options: Any) -> dict[str, Any]:
    """Leave out the options that are not given."""
    return {name: value for name, value in options.items() if value is not None}


def impact_settings(
    tested: int | None, images: object, *, thorough: bool = False, **options: Any
) -> ImpactSettings:
    """Take what is given for the impact.

    Of the eight built-in photographs more than two or three crops each tell little more.
    """
    make = ImpactSettings.thorough if thorough else ImpactSettings
    most = at_most(BUILTIN_TESTED if tested is None and images is None else tested)
    return make(**most, **only_given(**options))


def _explain_settings(quick: bool, thorough: bool) -> Callable[..., ExplainSettings]:
    if quick:
        return ExplainSettings.quick
    return ExplainSettings.thorough if thorough else ExplainSettings


def audit_effort(
    *,
    quick: bool,
    thorough: bool,
    images: object,
    limit: int | None,
    explained: int | None,
    tested: int | None,
    labels: object,
    shared: dict[str, Any],
    explain: dict[str, Any],
    impact: dict[str, Any],
) -> Effort:
    """Choose what an audit does; what is given wins over `quick` and `thorough`.

    No more images are scanned than are explained, for an explanation counts anew what a scan has
    counted; a thorough audit scans as many as a scan does. Fewer images scanned are fewer explained
    and fewer tested. A quick audit leaves out the impact, unless something is given for it.

    Parameters
    ----------
    quick, thorough : bool
    images, labels : str or None
        As given.
    limit, explained, tested : int or None
        Most images of each stage, as given: 0 for all.
    shared, explain, impact : dict
        Further settings of all stages, of the explanation and of the impact; None is not given.

    Raises
    ------
    PadscopeError
        Both are asked for, or a setting cannot be used.
    """
    if quick and thorough:
        raise PadscopeError("--quick and --thorough exclude each other; give one of them")
    make = _explain_settings(quick, thorough)
    second = make(**shared, **only_given(**explain), **at_most(explained))
    if explained is None and limit:
        second = replace(second, limit=min(limit, second.limit or limit))
    first = ScanSettings(**shared)
    if not thorough:
        first = replace(first, limit=second.limit)
    first = replace(first, **at_most(limit))
    if quick and not only_given(tested=tested, labels=labels, **impact):
        return Effort(first, second, None)
    third = impact_settings(tested, images, thorough=thorough, **shared, **impact)
    if tested is None and limit:
        third = replace(third, limit=max(FEWEST_IMAGES, min(limit, third.limit or limit)))
    return Effort(first, second, third)
