"""Which module of a running model an operation belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from padscope.sites.passes import watching_passes


class ModulePaths:
    """Which module a call belongs to: the owner of its weight, or else the one that is running.

    Torch's global module hooks tell which is running: they reach scripted modules, which refuse
    hooks of their own, and leave no trace on the model. They cost two calls per module, so they
    are left out where weights alone will do.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        modules = list(model.named_modules())
        self._paths = {id(module): path for path, module in modules}
        self._running: list[str] = []
        self._owners: dict[int, list[str]] = {}
        for path, module in modules:  # without torch's generators, which take ten times as long
            own = chain(module._parameters.values(), module._buffers.values())
            for key in dict.fromkeys(id(tensor) for tensor in own if tensor is not None):
                self._owners.setdefault(key, []).append(path)

    @contextmanager
    def watching(
        self, begin: Callable[[int | None], None], *, every_module: bool
    ) -> Iterator[None]:
        """Call `begin` as of `watching_passes`; keep the stack of running modules if asked to."""

        def start(images: int | None) -> None:
            self._running.clear()  # a pass that raised may have left its modules on the stack
            begin(images)

        def enter(module: nn.Module, inputs: object) -> None:  # noqa: ARG001 - torch's hook
            if id(module) in self._paths:
                self._running.append(self._paths[id(module)])

        def leave(module: nn.Module, inputs: object, output: object) -> None:  # noqa: ARG001 - torch's hook
            if id(module) in self._paths and self._running:
                self._running.pop()

        with ExitStack() as hooks:
            hooks.enter_context(watching_passes(self._model, start))
            if every_module:
                hooks.callback(register_module_forward_pre_hook(enter).remove)
                hooks.callback(register_module_forward_hook(leave, always_call=True).remove)
            yield

    def sole_owner(self, weight: Tensor | None) -> bool:
        """Whether a weight tells its module."""
        return len(self._owners.get(id(weight), ())) == 1

    @property
    def running(self) -> str:
        """Path of the innermost module that runs; "" for the model, and if none is followed."""
        return self._running[-1] if self._running else ""

    def path(self, weight: Tensor | None) -> str:
        """Path of the module that a call belongs to."""
        owners = self._owners.get(id(weight), [])
        return self.running if not owners or self.running in owners else owners[0]
