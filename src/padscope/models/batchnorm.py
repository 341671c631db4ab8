"""Statistics of batch norms, estimated anew when other weights feed them other values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from padscope.errors import PadscopeError
from padscope.models.borrowing import modes_of, set_eval
from padscope.models.structure import check_keeps_layers

ONE_VALUE = "Expected more than 1 value per channel"  # torch's error starts so


def reestimate_batchnorm(
    module: nn.Module, batches: Iterable[Tensor], run: Callable[[Tensor], object] | None = None
) -> bool:
    """Replace the statistics of every batch norm by their averages over batches.

    Each batch counts the same, and is normalised by its own statistics on its way: a cumulative
    average, as with ``momentum=None``. Frozen batch norms, whose statistics are buffers that no
    training moves, are re-estimated too. A batch norm without running statistics stays as it is,
    as does one that `module` applies without calling its module.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place, in its batch-norm statistics only. On an error these are left in between.
    batches : iterable of torch.Tensor
        Of two or more values per channel, on the module's device.
    run : callable, optional
        Runs the module on a batch; `module` itself if not given. Batch norms that it does not
        reach have mean 0 and variance 1 thereafter.

    Returns
    -------
    bool
        Whether there was any batch norm; without one, no batch is taken.

    Raises
    ------
    PadscopeError
        There is no batch, one has a single value per channel, or the module is a program.
    """
    name = type(module).__name__
    check_keeps_layers(module, name)
    moving = [child for child in module.modules() if _moves(child)]
    frozen = [child for child in module.modules() if is_frozen_norm(child)]
    if not moving and not frozen:
        return False
    passed = 0
    with _averaging(module, moving, frozen), torch.no_grad():
        for batch in batches:
            try:
                (run or module)(batch)
            except ValueError as error:
                if ONE_VALUE not in str(error):
                    raise
                raise PadscopeError(
                    f"a batch norm of {name} gets one value per channel from a batch of shape "
                    f"{tuple(batch.shape)}: give more images per batch, or larger ones"
                ) from error
            passed += 1
    if not passed:
        raise PadscopeError(
            f"there is no batch to estimate the statistics of {name} from: give images"
        )
    return True


def is_frozen_norm(module: nn.Module) -> bool:
    """Tell a batch norm whose statistics no training moves.

    Parameters
    ----------
    module : torch.nn.Module
        Any module; its submodules do not count.

    Returns
    -------
    bool
        Whether it keeps running statistics per channel and is no norm of torch's own.
    """
    # By what it holds: torchvision, timm and detectron2 each have a class of their own.
    statistics = (module._buffers.get(name) for name in ("running_mean", "running_var"))
    return not isinstance(module, _NormBase) and all(
        isinstance(values, Tensor) and values.ndim == 1 for values in statistics
    )


def is_batch_norm(module: nn.Module) -> bool:
    """Tell a batch norm, frozen or not; parameters as of `is_frozen_norm`."""
    return isinstance(module, _BatchNorm) or is_frozen_norm(module)


def holds_statistics(module: nn.Module) -> bool:
    """Tell a batch norm with running statistics, whether training moves them or not.

    Parameters
    ----------
    module : torch.nn.Module
        Any module; its submodules do not count.
    """
    return _moves(module) or is_frozen_norm(module)


def _moves(child: nn.Module) -> TypeGuard[_BatchNorm]:
    own = isinstance(child, _BatchNorm) and child.track_running_stats
    return own and child.running_mean is not None


@contextmanager
def _averaging(
    module: nn.Module, moving: list[_BatchNorm], frozen: list[nn.Module]
) -> Iterator[None]:
    """Let batch norms, and nothing else, run as in training; then put modes and momenta back."""
    modes = modes_of(module)
    momenta = [(norm, norm.momentum) for norm in moving]
    averages = [_FrozenAverage(norm) for norm in frozen]
    try:
        with ExitStack() as hooks:
            for average in averages:
                hook = average.norm.register_forward_pre_hook(average.add)
                hooks.callback(hook.remove)
            set_eval(module)
            for norm in moving:
                norm.reset_running_stats()
                norm.momentum, norm.training = None, True
            yield
        for average in averages:
            average.store()
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for child, training in modes.items():
            child.training = training


class _FrozenAverage:
    """Does for a batch norm that knows no training what the others do for themselves."""

    def __init__(self, norm: nn.Module) -> None:
        self.norm = norm
        self._mean = torch.zeros_like(norm.get_buffer("running_mean"))
        self._var = torch.ones_like(norm.get_buffer("running_var"))
        self._calls = 0

    def add(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        """Have the norm normalise this input by its own statistics, and average those."""
        x: Tensor = args[0]
        values = x.numel() // x.shape[1]
        if values == 1:
            raise ValueError(ONE_VALUE)
        var, mean = torch.var_mean(x, dim=[0, *range(2, x.ndim)], correction=0)
        self._write(mean, var)
        self._calls += 1
        self._mean += (mean - self._mean) / self._calls
        self._var += (var * values / (values - 1) - self._var) / self._calls

    def store(self) -> None:
        self._write(self._mean, self._var)

    def _write(self, mean: Tensor, var: Tensor) -> None:
        self.norm.get_buffer("running_mean").copy_(mean)
        self.norm.get_buffer("running_var").copy_(var)
