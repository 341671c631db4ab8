"""Classes as people spell them, numbers or names, and the model's numbers for them."""

import math
import re
from collections.abc import Mapping

from padscope.errors import PadscopeError

UNKNOWN = -1
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
LARGEST = 2**53  # up to which floats tell whole numbers apart
# How pandas, NumPy, R, spreadsheets and Python write that there is nothing.
MISSING = frozenset(
    ("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "nil", "-", "?")
)


def number_classes(
    written: Mapping[str, str], classes: int | None, known: Mapping[str, int], where: str
) -> dict[str, int]:
    """Read classes as they are spelled, numbers or names.

    Parameters
    ----------
    written : mapping of str to str
        Class as it is spelled → where it stands first.
    classes : int or None
        How many the model tells apart; None if that is not known.
    known : mapping of str to int
        Numbers of the classes by what they may be called; case and underscores do not matter.
    where : str
        What the errors call the labels.

    Returns
    -------
    dict of str to int
        Number of each class; `UNKNOWN` for spellings of there being none.

    Raises
    ------
    PadscopeError
        There are numbers and names, no classes at all, or others than the model's.
    """
    said = {label: place for label, place in written.items() if label.casefold() not in MISSING}
    none = {label: UNKNOWN for label in written if label not in said}
    found = {label: number for label in said if (number := spelled_number(label)) is not None}
    if not found:
        if len(written) == classes:  # one of them is called "none", say
            said, none = dict(written), {}
        if not said:
            raise PadscopeError(f"{where}: no image has a class; give one for each")
        return none | number_names(said, classes, known, where)
    odd = next((label for label in said if label not in found), None)
    if odd is not None:
        other = next(iter(found))
        raise PadscopeError(
            f"{where}: class {odd!r} of {said[odd]} is not a whole number, while {other} of "
            f"{said[other]} is; give numbers, or names, for all"
        )
    for label, number in found.items():
        if number < 0 or (classes is not None and number >= classes):
            most = f", 0 to {classes - 1}" if classes else ": they count from 0"
            raise PadscopeError(
                f"{where}: class {number} of {said[label]} is outside the model's classes{most}"
            )
    return none | found


def spelled_number(label: str) -> int | None:
    """Read a class number: pandas writes 3.0 where a neighbour is missing, NumPy 3.0e+00."""
    value = float(label) if NUMBER.fullmatch(label) else math.nan
    return int(value) if value.is_integer() and abs(value) < LARGEST else None


def number_names(
    written: Mapping[str, str], classes: int | None, known: Mapping[str, int], where: str
) -> dict[str, int]:
    """Give names the model's numbers, or sorted ones; `written` says where each name stands."""
    candidates: dict[str, set[int]] = {}
    for name, number in known.items():
        candidates.setdefault(_folded(name), set()).add(number)
    # ImageNet's "Cardigan" is a dog and its "cardigan" a garment: such a name tells nothing.
    numbers = {name: min(some) for name, some in candidates.items() if len(some) == 1}
    found = {name: numbers[_folded(name)] for name in written if _folded(name) in numbers}
    if found:
        strange = next((name for name in sorted(written) if name not in found), None)
        if strange is not None:
            raise PadscopeError(
                f"{where}: {strange!r} of {written[strange]} is not a class of the model, while "
                f"{len(found)} other names are; give the numbers of the classes"
            )
        return found
    if classes is not None and len(written) != classes:
        raise PadscopeError(
            f"{where}: {len(written)} names of classes, and the model has {classes}, so their "
            "sorted order does not number them; give a CSV with the numbers"
        )
    return {name: number for number, name in enumerate(sorted(written))}


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").strip()
