"""How padding that is refilled is told of."""

from __future__ import annotations

from typing import Any

from padscope.errors import PadscopeError
from padscope.plugins import look_up
from padscope.sites.fill_words import FILL_WORDS, FILLS_GROUP


def tell_fill(name: str) -> str:
    """Tell how padding is refilled; of a fill whose package is gone, by its name alone."""
    if name in FILL_WORDS:
        return FILL_WORDS[name]
    added: dict[str, Any] = {}
    try:
        named = look_up(added, FILLS_GROUP, name)
    except PadscopeError:
        named = None
    return f"by {name}" if named is None else str(named.told)
