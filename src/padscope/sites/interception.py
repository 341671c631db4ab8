"""See every padded operation of a forward pass, and change its output if asked to.

Two modes of torch carry it. A `TorchFunctionMode` sees public functions and the operators of
exported programs; it stands above autograd and costs nothing measurable. Scripted code hides its
insides from it, so a `TorchDispatchMode` below takes whatever the first did not announce.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.sites.call import Call, Visitor
from padscope.sites.focus import active_within
from padscope.sites.following import follow_call, written_to
from padscope.sites.memory import ran_out_of_memory
from padscope.sites.module_paths import ModulePaths
from padscope.sites.operations import (
    Signature,
    are_maps,
    bind,
    complete_arguments,
    known_operations,
    operation_name,
    read_operation,
    read_pad,
    sounds_windowed,
)
from padscope.sites.padding import PaddedTensors

# Outputs that visitors have put in place of others: interceptions may be nested.
_REPLACEMENTS = WeakIdKeyDictionary()


class Interception:
    """Context manager in which a visitor sees every windowed operation of a model's forwards.

    Parameters
    ----------
    model : nn.Module
        Its hooks are as they were when the context ends, however it ends.
    visitor : Visitor
        Called after each convolution, pooling or unfold, padded or not.
    below_autograd : bool
        Also look below autograd, for scripted code. Costs a Python call per operator.
    every_module : bool
        Follow which module is running. Needed to name calls whose weight belongs to no module, or
        to several; costs two Python calls per module.
    within : collection of str, optional
        Paths of modules; nothing is seen but what runs within one of them. Every torch call that
        is not looked at is saved a detour through Python; see `Observation.homes`.
    whole : collection of str
        Calls that must see all images of a pass at once.

    Attributes
    ----------
    padded : PaddedTensors
        Explicit pads of the last forward pass, and which of them nothing took.
    failure : Exception or None
        What the visitor raised in the last forward pass.

    Raises
    ------
    PadscopeError
        On entering one that is entered already; for a call of `whole` that sees fewer images; for
        an entry of `padscope.sites.OPERATIONS` that cannot be used.

    Examples
    --------
    >>> names = []
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1))
    >>> with Interception(model, lambda call: names.append(call.name)):
    ...     _ = model(torch.zeros(1, 1, 5, 5))
    >>> names
    ['0', '1']
    """

    def __init__(
        self,
        model: nn.Module,
        visitor: Visitor,
        *,
        below_autograd: bool = True,
        every_module: bool = True,
        within: Collection[str] | None = None,
        whole: Collection[str] = (),
    ) -> None:
        self.model = model
        self.padded = PaddedTensors()
        self._visitor = visitor
        self._below_autograd = below_autograd
        self._every_module = every_module
        self._within = within
        self._whole = whole
        self._operations = known_operations()
        self._paths = ModulePaths(model)
        self._calls: Counter[str] = Counter()
        self._announced = False
        self.failure: Exception | None = None
        self._images: int | None = None
        self._exit: ExitStack | None = None

    def __enter__(self) -> Interception:
        """Install hooks and modes."""
        if self._exit is not None:
            raise PadscopeError(
                "this interception is already active; create another one to nest it"
            )
        with ExitStack() as stack:
            # Compiled modules run as they were written: a graph would take hooks and modes into it.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            watching = self._paths.watching(self._begin, every_module=self._every_module)
            stack.enter_context(watching)
            if self._below_autograd:
                stack.enter_context(_Dispatch(self))
            if self._within is None:
                stack.enter_context(_Function(self))
            else:
                modules = [self.model.get_submodule(path) for path in self._within]
                stack.enter_context(active_within(modules, _Function(self)))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        """Remove hooks and modes; raise what the visitor raised, whatever was made of it since.

        Scripted code makes an error of its own of it, and whoever runs the model one of the model.
        """
        assert self._exit is not None
        self._exit.close()
        self._exit = None
        self.padded.clear()
        if isinstance(error, Exception) and self.failure not in (None, error):
            raise self.failure

    def _begin(self, images: int | None) -> None:
        self._images = images
        self._calls.clear()
        self.padded.clear()
        self.failure = None

    def _name(self, weight: Tensor | None, op: str) -> str:
        path = self._paths.path(weight) or op  # the model itself, or its graph, has no path
        order = self._calls[path]
        self._calls[path] += 1
        return f"{path}#{order}" if order else path

    def run(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        below_autograd: bool,
    ) -> Any:
        """Run a torch call for one of the modes, and show it to the visitor if it is windowed."""
        name = operation_name(function)
        signature = self._operations.get(name)
        if signature is None:
            seen = self._calls.total()
            result = self._run_between(function, name, args, kwargs)
            # Weights are packed and reordered by operations named after convolutions, too.
            heard = sounds_windowed(name) and are_maps(args[:1], result)
            if not heard or self._calls.total() > seen:
                return result
            return self._visit(
                name, None, {"input": args[0]}, result, below_autograd=below_autograd
            )
        given = bind(signature, function, args, kwargs)
        outer, self._announced = self._announced, True
        try:
            result = function(*args, **kwargs)
            # What the visitor calls is none of the model's.
            return self._visit(name, signature, given, result, below_autograd=below_autograd)
        finally:
            self._announced = outer

    def may_be_windowed(self, function: Callable[..., Any]) -> bool:
        """Whether a torch call is windowed or a pad, as far as its name tells."""
        name = operation_name(function)
        return name in self._operations or sounds_windowed(name)

    def _visit(
        self,
        name: str,
        signature: Signature | None,
        given: dict[str, Any],
        result: Any,
        *,
        below_autograd: bool,
    ) -> Any:
        output = result[0] if isinstance(result, tuple) else result
        if isinstance(output, Tensor) and not output.numel():  # a second stage that found no box
            return result
        try:
            arguments = given if signature is None else complete_arguments(name, signature, given)
            if signature is not None and "pad" in arguments:
                pads, fill = read_pad(name, signature, arguments, output)
                running = self._paths.running
                self.padded.pad(arguments["input"], output, pads, fill, running or name, running)
                return result
            # The weight as the call was given it: an entry may read it in another shape.
            given_weight = given.get("weight")
            call = self._call(
                name, signature, arguments, given_weight, output, below_autograd=below_autograd
            )
            self._refuse_part(call)
            with _full_precision(output.device.type):
                replacement = self._visitor(call)
        except Exception as failure:
            if not ran_out_of_memory(failure):  # which may happen to the model as well
                self.failure = failure
            raise
        if replacement is None:
            return result
        _REPLACEMENTS[replacement] = None
        return (replacement, *result[1:]) if isinstance(result, tuple) else replacement

    def _call(
        self,
        name: str,
        signature: Signature | None,
        arguments: dict[str, Any],
        given_weight: Tensor | None,
        output: Tensor,
        *,
        below_autograd: bool,
    ) -> Call:
        explicit = self.padded.take(arguments["input"])
        operation = read_operation(name, signature, arguments, output, explicit)
        return Call(
            self._name(given_weight, operation.op), operation, arguments["input"], output,
            arguments.get("weight"), arguments.get("bias"), below_autograd, self._paths.running,
            explicit.made_in, output in _REPLACEMENTS,
        )  # fmt: skip

    def _refuse_part(self, call: Call) -> None:
        count, images = len(call.output), self._images or 0
        if count < images and call.name in self._whole:
            raise PadscopeError(
                f"site {call.name} runs on {count} of {plural(images, 'image')} at once: the "
                f"model splits its batch; give a batch size of {count} or less"
            )

    def _run_between(
        self,
        function: Callable[..., Any],
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a call that is not windowed, and follow padding through it."""
        if not self.padded:
            return function(*args, **kwargs)
        written = written_to(name, args, kwargs)
        # Seen again below, a write in place would count twice.
        outer, self._announced = self._announced, self._announced or bool(written)
        try:
            result = function(*args, **kwargs)
        finally:
            self._announced = outer
        follow_call(self.padded, function, name, args, kwargs, result, written)
        return result

    def named_by_weight(self, call: Call) -> bool:
        """Whether the name of a call needs no knowledge of which module is running."""
        return self._paths.sole_owner(call.weight)

    def announced(self) -> bool:
        """Whether a call below is part of one that was seen above."""
        return self._announced


def _full_precision(device: str) -> AbstractContextManager[object]:
    """Keep what a visitor works out from being cast as the model's own operations are."""
    available = torch.amp.is_autocast_available(device)
    if available and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class _Function(TorchFunctionMode):
    def __init__(self, owner: Interception) -> None:
        super().__init__()
        self._owner = owner

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if not (self._owner.padded or self._owner.may_be_windowed(func)):  # nearly every call
            return func(*args, **(kwargs or {}))
        return self._owner.run(func, args, kwargs or {}, below_autograd=False)


class _Dispatch(TorchDispatchMode):
    def __init__(self, owner: Interception) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
        self._owner = owner

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if self._owner.announced():
            return func(*args, **(kwargs or {}))
        # The function mode would see the operator called here as if the model had called it.
        with torch._C.DisableTorchFunction():
            return self._owner.run(func, args, kwargs or {}, below_autograd=True)
