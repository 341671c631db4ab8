"""What is found of a study is found once: page, terminal and headline ask for the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from padscope.study import Study

T = TypeVar("T")


def once(find: Callable[[Study], T]) -> Callable[[Study], T]:
    """Keep what is found of a study beside it, as `functools.cached_property` does.

    A study does not change; `dataclasses.replace` makes another, of which nothing is kept.
    """
    name = f"{find.__module__}.{find.__qualname__}"

    @wraps(find)
    def found(study: Study) -> T:
        kept: dict[str, T] = vars(study)
        if name not in kept:
            kept[name] = find(study)
        return kept[name]

    return found
