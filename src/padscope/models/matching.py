"""Matched weights: random kernels whose filters give values of the mean and spread of the given.

Fresh weights ask whether training brings a count about; matched weights ask whether the kernels do,
or what the channels carry. Mean and spread are those of the core of a map, which is what a border
is compared with. Over whole maps, a filter that padding sets apart has a large spread for that
alone; a random kernel in its place would get this spread and not its border, and layer by layer
the border would drown.

All is done at the operation, as padding is found there: a mode of torch sees each convolution and
linear call with the weight that it takes, in forward order, whatever lies in between. A filter is
an output channel of a weight, over all calls that take the weight.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.models.architecture import seeded
from padscope.models.baselines import check_usable, copied, weight_tensors
from padscope.models.borrowing import SEED, set_eval
from padscope.models.loaded import LoadedModel
from padscope.models.quantisation import freeze_observers
from padscope.sites.geometry import core_range
from padscope.sites.module_paths import ModulePaths
from padscope.sites.operations import (
    Signature,
    are_maps,
    bind,
    complete_arguments,
    known_operations,
    operation_name,
    sounds_windowed,
)
from padscope.sites.padding import has_storage

Run = Callable[[nn.Module, Tensor], object]
Visitor = Callable[["_Call"], Tensor | None]

LINEAR = Signature(("input", "weight", "bias"))
TAKES_WEIGHTS = {"weight", "packed"}
TOLERANCE = 5e-4  # in spreads: far above rounding, far below what changes a count
ROUNDINGS = 16  # where values round coarsely, so many times their precision
TRIES = 100  # passes; more than a few are needed only where several calls take a weight
FORETOLD = 0.05
TINY = 1e-30
CACHE = 1 << 18  # values that are measured while they are at hand
BLOCK = 1 << 14  # values of a row added up at once: torch splits no fewer among threads


@dataclass(frozen=True)
class Matched:
    """A network of random kernels, and what of it could not be matched.

    Attributes
    ----------
    module : torch.nn.Module
        In eval mode, on the device and of the precision of the given one. Layers without a bias
        have one where their filters needed it.
    unmatched : dict
        Path of a layer, or name of an operation or a weight → what could not be done, and why.
    """

    module: nn.Module
    unmatched: Mapping[str, str]


def matched_weights(
    loaded: LoadedModel, seed: int, crops: Iterable[Tensor], run: Run | None = None
) -> Matched:
    """Copy a model with random kernels whose outputs keep the mean and spread of the given.

    The weights of convolutions and linear layers are drawn anew, normal as by He et al. (2015).
    Then, in forward order, weight and bias of each filter are rescaled so that its outputs in the
    core of its maps have the mean and spread that they have in the given network. A filter that is
    constant there is constant here. All else, norms with their statistics included, stays as given.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    seed : int
        Of the kernels.
    crops : iterable of (N, C, *spatial) Tensor
        A few dozen images on the module's device, run as one batch: once as given,
        and twice with the kernels drawn.
    run : callable, optional
        Runs a module on a batch; what it does not reach is not matched. By default the whole
        module runs.

    Returns
    -------
    Matched

    Raises
    ------
    PadscopeError
        The model cannot be copied, there are fewer than two crops, nothing can be matched, or
        outputs are not finite.

    References
    ----------
    He, Zhang, Ren, Sun, *Delving deep into rectifiers*, ICCV 2015: the spread of fresh weights.
    Mishkin, Matas, *All you need is a good init*, ICLR 2016: layer-sequential unit variance,
    which rescales in forward order too, to a variance of 1.

    Examples
    --------
    >>> from padscope.models import wrap_module
    >>> net, crops = nn.Conv2d(3, 8, 3, padding=1), torch.rand(24, 3, 9, 9)
    >>> module = matched_weights(wrap_module(net), 1, [crops]).module
    >>> ours, given = (each(crops)[..., 3:6, 3:6] for each in (module, net))
    >>> torch.allclose(ours.std((0, 2, 3)), given.std((0, 2, 3)), rtol=1e-3)
    True
    """
    return Matching(loaded, crops, run).draw(seed)


@dataclass(frozen=True)
class _Moments:
    """Mean and spread of C filters' outputs, in double precision."""

    count: int
    mean: Tensor  # (C,), as all below
    squares: Tensor  # sum of the squared differences from the mean
    precision: float  # of the outputs, relative

    @classmethod
    def of(cls, rows: Tensor) -> _Moments:
        """Measure outputs, (C, n). Which are added to which does not depend on the threads."""
        precision = torch.finfo(rows.dtype).eps
        parts = []
        for block in torch.split(rows, min(BLOCK, max(1, CACHE // len(rows))), dim=1):
            values, count = block.double(), block.shape[1]
            mean = values.sum(1) / count
            squares = (values - mean[:, None]).square_().sum(1)
            parts.append(cls(count, mean, squares, precision))
        return cls.together(parts)

    @classmethod
    def together(cls, parts: Sequence[_Moments]) -> _Moments:
        count = sum(part.count for part in parts)
        mean = sum(part.mean * (part.count / count) for part in parts)
        squares = sum(part.squares + part.count * (part.mean - mean) ** 2 for part in parts)
        assert isinstance(mean, Tensor) and isinstance(squares, Tensor)
        return cls(count, mean, squares, parts[0].precision)

    @property
    def spread(self) -> Tensor:
        return (self.squares / self.count).sqrt()

    @property
    def constant(self) -> Tensor:
        """Whether a filter gives one value, as far as it can be told."""
        return self.spread <= self.precision * self.mean.abs()


@dataclass(frozen=True)
class _Call:
    """A convolution or linear call, as it ran."""

    op: str
    home: str  # path of the module that ran it
    weight: Tensor | None
    bias: Tensor | None
    groups: int
    transposed: bool
    output: Tensor
    obstacle: str  # why its filters cannot be matched, as far as the call itself tells, or ""

    @classmethod
    def read(
        cls, op: str, home: str, signature: Signature, given: dict[str, Any], output: Any
    ) -> _Call:
        arguments = complete_arguments(op, signature, given)
        # The weight as the call was given it: an entry may read it in another shape.
        weight, groups = given.get("weight"), int(arguments.get("groups") or 1)
        transposed, obstacle = bool(arguments.get("transposed")), ""
        if not isinstance(weight, Tensor):
            weight, obstacle = None, signature.unscored or f"{op} takes no weight"
        elif not has_storage(output) or not output.is_floating_point():
            obstacle = f"its output is {output.dtype}, {output.layout}".replace("torch.", "")
        else:
            filters = weight.shape[1] * groups if transposed else len(weight)
            axis = _filter_axis(weight)
            if not -output.ndim <= axis < 0 or output.shape[axis] != filters:
                obstacle = f"{op} gives no channel for each filter of its weight"
        return cls(op, home, weight, given.get("bias"), groups, transposed, output, obstacle)

    @property
    def core(self) -> Tensor:
        """What each filter gives in the core of its maps, (C, n)."""
        assert self.weight is not None
        output = self.output
        for axis in range(2 - self.weight.ndim, 0):
            first, end = core_range(output.shape[axis])
            output = output.narrow(axis, first, end - first)
        return output.movedim(_filter_axis(self.weight), 0).flatten(1)


def _filter_axis(weight: Tensor) -> int:
    """Axis of the filters in the output of a call: a linear layer's come last."""
    return 1 - weight.ndim


class _Calls(TorchFunctionMode):
    """Shows a visitor every convolution and linear call; it may return another output."""

    def __init__(self, paths: ModulePaths, visitor: Visitor) -> None:
        super().__init__()
        self._paths = paths
        self._visitor = visitor
        self._operations = known_operations() | {"linear": LINEAR}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = operation_name(func)
        signature = self._operations.get(name)
        if signature is not None and not TAKES_WEIGHTS.isdisjoint(signature.arguments):
            given = bind(signature, func, args, kwargs or {})
            call = _Call.read(name, self._paths.running, signature, given, result)
        elif signature is None and sounds_windowed(name) and are_maps(args[:1], result):
            call = _Call(
                name, self._paths.running, None, None, 1, False, result, f"{name} is not known"
            )
        else:
            return result
        changed = self._visitor(call)
        return result if changed is None else changed


@dataclass(eq=False)
class _Filters:
    """The filters of one weight: what they gave in the given network, and what they give now."""

    name: str
    owner: nn.Module
    weight: nn.Parameter
    bias: nn.Parameter | None
    groups: int
    transposed: bool
    given: list[_Moments] = field(default_factory=list)  # of each call
    now: list[_Moments] = field(default_factory=list)
    off_by: float = 0  # spreads, before the last step that was judged
    step: float = 0
    given_up: bool = False

    @property
    def shiftable(self) -> bool:
        """Whether the filters have a bias, or their layer a place for one."""
        slots = self.owner._parameters
        return self.bias is not None or (slots.get("weight") is self.weight and "bias" in slots)

    @property
    def so_far(self) -> tuple[_Moments, _Moments]:
        """What the calls of the pass gave in the given network, and give now."""
        given = self.given[: len(self.now)]
        return _Moments.together(given), _Moments.together(self.now)

    @property
    def dead(self) -> Tensor:
        """Which filters give one value now, but did not."""
        given, now = self.so_far
        return now.constant & ~given.constant

    def difference(self) -> Tensor:
        """By how many spreads each filter is off; 0 where that is rounding or cannot be mended."""
        given, now = self.so_far
        size = given.mean.abs() + given.spread
        scale = torch.where(given.constant, size.clamp_min(TINY), given.spread)
        off = torch.where(self.dead, 0, now.spread - given.spread).abs() / scale
        if self.shiftable:
            off = torch.maximum(off, (now.mean - given.mean).abs() / scale)
        rounding = ROUNDINGS * given.precision * size / scale
        return torch.where(off > TOLERANCE + rounding, off, 0)

    def rescale(self, step: float = 1) -> tuple[Tensor, Tensor]:
        """Bring the calls so far closer to the given ones; say what that makes of an output.

        Parameters
        ----------
        step : float
            Share of the way.

        Returns
        -------
        factor, shift : (C,) float64 Tensor
        """
        given, now = self.so_far
        factor = torch.where(given.constant, 0, given.spread / now.spread) ** step
        # Behind channels that carry nothing but the border, it is all that a kernel can show.
        factor = torch.where(now.constant, 1, factor)
        shift = torch.zeros_like(factor)
        if self.shiftable:
            shift = now.mean + step * (given.mean - now.mean) - factor * now.mean
            if self.bias is None:
                zeros = torch.zeros(len(shift), dtype=self.weight.dtype, device=shift.device)
                self.bias = nn.Parameter(zeros, requires_grad=self.weight.requires_grad)
                self.owner.register_parameter("bias", self.bias)
            self.bias.copy_(self.bias.double() * factor + shift)
        weight, kernel = self.weight.double(), (1,) * (self.weight.ndim - 2)
        if self.transposed:  # (C_in, C_out / groups, *kernel)
            by_group = weight.reshape(self.groups, -1, *weight.shape[1:])
            weight = (by_group * factor.view(self.groups, 1, -1, *kernel)).flatten(0, 1)
        else:
            weight = weight * factor.view(-1, 1, *kernel)
        self.weight.copy_(weight)
        return factor, shift

    @property
    def shortcoming(self) -> str:
        """What could not be matched in the end, or ""."""
        if not self.now:
            return "it does not run with matched weights: it is drawn, not rescaled"
        if self.given_up and (off_by := float(self.difference().max())):
            return f"its outputs stay off by up to {off_by:.2g} of their spread"
        if count := int(self.dead.sum()):
            verb, kernels = ("gives", "its kernel") if count == 1 else ("give", "their kernels")
            of_all = plural(len(self.dead), "filter")
            return f"{count} of {of_all} {verb} one value, whatever {kernels}"
        if not self.shiftable:
            return "it takes no bias: the spread of its outputs is matched, the mean is not"
        return ""


class Matching:
    """What the filters of the given network give: all that matched networks are drawn to.

    It is measured once for all of them; parameters and errors as of `matched_weights`.
    """

    def __init__(
        self, loaded: LoadedModel, crops: Iterable[Tensor], run: Run | None = None
    ) -> None:
        check_usable(loaded)
        batches = list(crops)
        if sum(map(len, batches)) < 2:
            raise PadscopeError(
                f"matching the filters of {loaded.spec} needs two or more images: give a few dozen"
            )
        with torch.inference_mode(mode=False), torch.no_grad():
            module = copied(loaded)
            set_eval(module)
            freeze_observers(module)
            self._given = _Given(module, loaded.spec, torch.cat(batches), run)

    def draw(self, seed: int) -> Matched:
        """Draw the kernels of one network, and match them."""
        with torch.inference_mode(mode=False), torch.no_grad():
            return _Drawn(self._given, seed).settled()


class _Passes:
    """Runs all crops through a network at once: what matches one layer changes the next one's."""

    def __init__(self, module: nn.Module, batch: Tensor, run: Run) -> None:
        self.module, self._batch, self._run = module, batch, run
        self._paths = ModulePaths(module)

    def __call__(self, visitor: Visitor) -> None:
        watching = self._paths.watching(lambda _: None, every_module=True)
        stance = torch.compiler.set_stance("force_eager")  # a graph would take the mode into it
        with stance, watching, _Calls(self._paths, visitor):
            seeded(lambda: self._run(self.module, self._batch.clone()), SEED)

    def of(self, module: nn.Module) -> _Passes:
        """Give the same for a copy of the network."""
        return _Passes(module, self._batch, self._run)


class _Given:
    """Notes what the filters of the given network give, or why that is no use."""

    def __init__(self, module: nn.Module, spec: str, batch: Tensor, run: Run | None) -> None:
        self.spec = spec
        self.drawn: dict[nn.Parameter, None] = {}
        self.filters: dict[Tensor, _Filters] = {}
        self.obstacles: dict[str, str] = {}
        self._ran: dict[nn.Module, None] = {}
        self._module, run = module, run or (lambda network, pixels: network(pixels))
        # A layer that the first pass makes has no name while it runs.
        seeded(lambda: run(module, batch[:2].clone()), SEED)
        self.passes = _Passes(module, batch, run)
        self._names: dict[Tensor, list[str]] = {}
        for name, tensor in chain(
            module.named_parameters(remove_duplicate=False),
            module.named_buffers(remove_duplicate=False),
        ):
            self._names.setdefault(tensor, []).append(name)
        hook = register_module_forward_pre_hook(lambda ran, _: self._ran.update({ran: None}))
        try:
            self.passes(self._note)
        finally:
            hook.remove()
        self._note_untaken()
        if not self.filters:
            name, why = next(iter(self.obstacles.items()), ("it", "no convolution runs"))
            raise PadscopeError(
                f"no filter of {spec} can be matched ({name}: {why}): leave the matched weights out"
            )

    def copied(self) -> tuple[nn.Module, dict[nn.Parameter, None], dict[Tensor, _Filters]]:
        """Copy the network, which of its weights are drawn, and what its filters give."""
        return copy.deepcopy((self._module, self.drawn, self.filters))

    def _note(self, call: _Call) -> None:
        """Note what the filters of a call give in the given network, or why that is no use."""
        weight, names = call.weight, self._names_of(call.weight)
        name = names[0].removesuffix(".weight") if names else call.home or call.op
        if weight is not None and not names:
            # What it is made of is a guess: the weights of the module that runs it.
            self.drawn |= dict.fromkeys(weight_tensors(self._module.get_submodule(call.home)))
        elif isinstance(weight, nn.Parameter):
            self.drawn[weight] = None
        obstacle = self.obstacles.get(name) or call.obstacle or self._obstacle(call, names)
        if obstacle:
            self.obstacles[name] = obstacle
            if weight is not None:
                self.filters.pop(weight, None)
            return
        assert isinstance(weight, nn.Parameter)
        if weight not in self.filters:
            owner = self._module.get_submodule(names[0].rpartition(".")[0])
            bias = call.bias if isinstance(call.bias, nn.Parameter) else None
            self.filters[weight] = _Filters(name, owner, weight, bias, call.groups, call.transposed)
        self.filters[weight].given.append(_moments(call, name, self.spec, "the given weights"))

    def _obstacle(self, call: _Call, names: Sequence[str]) -> str:
        """Why the filters of a call cannot be matched as far as their module tells, or ""."""
        if not names:
            return "its weight is made in forward: what it is made of is drawn, not rescaled"
        if not isinstance(call.weight, nn.Parameter):
            return "its weight is no parameter: it is left as given"
        if len(names) > 1:
            return f"its weight is tied ({', '.join(names)}): it is drawn, not rescaled"
        if call.bias is not None and not (
            isinstance(call.bias, nn.Parameter) and len(self._names_of(call.bias)) == 1
        ):
            return "its bias is tied or made in forward: its weight is drawn, not rescaled"
        known = self.filters.get(call.weight)
        if known is not None and known.bias is not call.bias:
            return "it runs with several biases: its weight is drawn, not rescaled"
        return ""

    def _names_of(self, tensor: Tensor | None) -> Sequence[str]:
        return () if tensor is None else self._names.get(tensor, ())

    def _note_untaken(self) -> None:
        """Name the weights of what ran that no call was seen to take, as in attention."""
        left = dict.fromkeys(weight_tensors(self._module)).keys() - self.drawn.keys()
        for path, child in self._module.named_modules():
            for name, parameter in child.named_parameters(path, recurse=False):
                if child in self._ran and parameter in left:
                    self.obstacles[name] = "no convolution takes it: it is left as given"


class _Drawn:
    """A copy of the given network with random kernels, which are matched pass by pass."""

    def __init__(self, given: _Given, seed: int) -> None:
        module, self._drawn, self._filters = given.copied()
        self._spec, self._obstacles = given.spec, dict(given.obstacles)
        self._passes = given.passes.of(module)
        self._started = False
        self._beside: bool | None = None  # whether all calls of a weight run beside each other
        self._draw(seed)

    def _draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for weight in self._passes.module.parameters():
            if weight in self._drawn and weight.is_floating_point():
                drawn = torch.randn(weight.shape, generator=generator)
                weight.copy_(drawn * sqrt(2 / max(1, weight[0].numel())))

    def _step(self, several: Sequence[_Filters]) -> None:
        """Rescale filters of weights that several calls take, behind the pass.

        Where a call takes what another gave, factors of n calls may add up, and steps of
        2 / (n + 1) converge. Calls beside each other depend on the weight alone: a step leaves
        just what it should, which the first layer that is off tells, and one whole step will do.
        """
        first, *_ = several
        off_by = float(first.difference().max())
        if first.step:
            as_foretold = abs(off_by / first.off_by - (1 - first.step)) < FORETOLD
            self._beside = as_foretold and self._beside is not False
        for filters in several:
            step = 1 if self._beside else 2 / (len(filters.given) + 1)
            filters.rescale(step)
            if filters is first:
                filters.off_by, filters.step = off_by, step

    def _match(self, call: _Call) -> Tensor | None:
        """Rescale the filters of a call as it runs, unless it is for all of several calls."""
        filters = None if call.weight is None else self._filters.get(call.weight)
        if filters is None:
            return None
        filters.now.append(_moments(call, filters.name, self._spec, "matched ones"))
        # Other calls of its weight follow: until they have been seen, it stands for them.
        waits = len(filters.given) > 1 and self._started
        if len(filters.now) > 1 or waits or filters.given_up or not filters.difference().any():
            return None
        wide = (-1, *(1,) * (filters.weight.ndim - 2))
        factor, shift = (part.to(call.output.dtype).view(wide) for part in filters.rescale())
        return call.output * factor + shift

    def settled(self) -> Matched:
        """Match pass by pass, until one finds nothing to do; name what stays as it is."""
        in_order = False  # whether the last pass has matched all layers, each behind matched ones
        for tries in count():
            self._started = tries > 0
            for filters in self._filters.values():
                filters.now.clear()
            self._passes(self._match)
            off = [
                filters
                for filters in self._filters.values()
                if filters.now and not filters.given_up and filters.difference().any()
            ]
            several = [filters for filters in off if len(filters.given) > 1]
            if not off:
                break
            if several and self._started and tries < TRIES:
                self._step(several)
            elif in_order or tries >= TRIES:
                for filters in off:
                    filters.given_up = True
            in_order = not several and not in_order
        for filters in self._filters.values():
            if shortcoming := filters.shortcoming:
                self._obstacles[filters.name] = shortcoming
        return Matched(self._passes.module, self._obstacles)


def _moments(call: _Call, name: str, spec: str, weights: str) -> _Moments:
    moments = _Moments.of(call.core)
    if not moments.squares.isfinite().all():
        raise PadscopeError(
            f"the outputs of {name} in {spec} are not finite on these images with {weights}: leave "
            "the matched weights out, or give other images"
        )
    return moments
