"""Having modes of torch active while certain modules run, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes


@contextmanager
def active_within(modules: Collection[nn.Module], mode: TorchFunctionMode) -> Iterator[None]:
    """Have a mode active while one of some modules runs.

    Their ``forward`` is wrapped, not hooked: hooks are not called when a pass is ended by what is
    no `Exception`. It is as it was when the context ends.

    Parameters
    ----------
    modules : collection of nn.Module
        Of torch's eager ones. One may run within another.
    mode : TorchFunctionMode
    """
    active = False

    def focused(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal active
            if active:
                return forward(*args, **kwargs)
            active = True
            try:
                with mode:
                    return forward(*args, **kwargs)
            finally:
                active = False

        return run

    chosen = list(dict.fromkeys(modules))
    own = [vars(module).get("forward") for module in chosen]
    for module in chosen:
        vars(module)["forward"] = focused(module.forward)
    try:
        yield
    finally:
        for module, forward in zip(chosen, own, strict=True):
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


@contextmanager
def unobserved() -> Iterator[None]:
    """Hide what is computed from every interception that is under way.

    An outer interception would take a visitor's own convolutions for the model's.
    """
    with ExitStack() as stack:
        stack.enter_context(torch._C.DisableTorchFunction())
        if torch._C._len_torch_dispatch_stack():
            stack.enter_context(_disable_current_modes())
        yield
