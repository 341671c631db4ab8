"""When a model's forward passes begin and end, however it calls itself meanwhile.

Hooks of torch do not tell: a class that overrides ``__call__`` need not come by them, one that
calls itself (on a flipped image, say) comes by them within its own pass, and they are left out
where a pass is ended by what is no `Exception`. So the class's ``__call__`` is wrapped while
somebody watches one of its objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from torch import Tensor, nn


@dataclass(eq=False)
class _Watch:
    model: nn.Module
    begin: Callable[[int | None], None]
    end: Callable[[bool], None]
    running: bool = False


@dataclass(frozen=True)
class _Wrapped:
    watches: list[_Watch]
    unwrap: Callable[[], None]


_WRAPPED: dict[type[nn.Module], _Wrapped] = {}


@contextmanager
def watching_passes(
    model: nn.Module,
    begin: Callable[[int | None], None],
    end: Callable[[bool], None] = lambda completed: None,  # noqa: ARG005 - a default that does nothing
) -> Iterator[None]:
    """Be told of a model's forward passes.

    Parameters
    ----------
    model : nn.Module
    begin : callable
        Called before each with the number of images in it, or None if that cannot be told.
    end : callable
        Called after each with whether it came to its end.
    """
    watch, kind = _Watch(model, begin, end), type(model)
    wrapped = _WRAPPED.get(kind) or _WRAPPED.setdefault(kind, _wrap(kind))
    wrapped.watches.append(watch)
    try:
        yield
    finally:
        wrapped.watches.remove(watch)
        if not wrapped.watches:
            _WRAPPED.pop(kind).unwrap()


def _wrap(kind: type[nn.Module]) -> _Wrapped:
    """Wrap the ``__call__`` of a class."""
    watches: list[_Watch] = []
    inherited = "__call__" not in vars(kind)
    plain: Callable[..., Any] = kind.__call__

    @wraps(plain)
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        started = [watch for watch in watches if watch.model is self and not watch.running]
        if not started:
            return plain(self, *args, **kwargs)
        completed = False
        try:
            for watch in started:
                watch.running = True
                watch.begin(_rows((*args, *kwargs.values())))
            result = plain(self, *args, **kwargs)
            completed = True
            return result
        finally:
            for watch in started:
                watch.running = False
                watch.end(completed)

    def unwrap() -> None:
        if inherited:
            del kind.__call__
        else:
            kind.__call__ = plain  # type: ignore[method-assign]  # put back by `unwrap`

    kind.__call__ = call  # type: ignore[method-assign]  # put back by `unwrap`
    return _Wrapped(watches, unwrap)


def _rows(given: tuple[Any, ...]) -> int | None:
    first = next((value for value in given if isinstance(value, Tensor) and value.ndim), None)
    return None if first is None else len(first)
