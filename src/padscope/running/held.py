"""How many bytes a forward pass holds at most, told from shapes alone: nothing is computed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from padscope.errors import PadscopeError
from padscope.running.model import as_input


def bytes_held(model: nn.Module, shape: Sequence[int]) -> int:
    """Bound the bytes that a forward pass holds at once, beside the weights.

    They are those of its input and of all maps that are alive at the same time, and what the
    operation that is run reads and writes once more, for kernels that work on copies of it.

    Parameters
    ----------
    model : nn.Module
        In eval mode; its modules are run on tensors without content.
    shape : sequence of int
        (N, C, *spatial) of the input.

    Raises
    ------
    PadscopeError
        The model needs values to run, not shapes alone.

    Examples
    --------
    >>> bytes_held(nn.ReLU(), (1, 1, 8, 8))  # input and output, and both once more
    1024
    """
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            pixels = as_input(model, torch.empty(*shape))
            with _Held(pixels) as held:
                model(pixels)
    except Exception as error:  # whatever its forward does with values
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise PadscopeError(
            f"how much a forward pass holds cannot be told without running it ({reason[:100]})"
        ) from error
    return int(held.most)


class _Held(TorchDispatchMode):
    """Counts the bytes of what operations make, as long as anything refers to it."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
        self._sizes: dict[int, int] = {}
        self._held, self.most = 0, 0
        self._note(pixels)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        read = {_storage(each) for each in _tensors((args, kwargs))}
        found = func(*args, **(kwargs or {}))
        made = sum(self._note(each) for each in _tensors(found) if _storage(each) not in read)
        if made:
            read_once_more = sum(self._sizes.get(storage, 0) for storage in read)
            self.most = max(self.most, self._held + made + read_once_more)
        return found

    def _note(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        if storage._cdata in self._sizes:
            return 0
        size = self._sizes[storage._cdata] = storage.nbytes()
        self._held += size
        self.most = max(self.most, self._held)
        weakref.finalize(storage, self._free, storage._cdata)
        return size

    def _free(self, storage: int) -> None:
        self._held -= self._sizes.pop(storage, 0)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
