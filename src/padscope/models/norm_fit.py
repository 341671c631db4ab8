"""Whether the statistics that batch norms hold are those of the images at hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.errors import PadscopeError, brief
from padscope.models.batchnorm import holds_statistics
from padscope.models.borrowing import as_found
from padscope.models.preprocessing import Preprocessing
from padscope.models.structure import keeps_layers
from padscope.sites.memory import memory_error, ran_out_of_memory

Cause = Literal["", "never estimated", "preprocessing", "channel order", "unknown"]

# Measured with 24 photographs on six trained networks (EfficientNet-Lite0, MobileNetV1 and V2,
# Xception, two ResNets for CIFAR). No layer had a greater shift than .3 (.6 on grey photographs or
# at half the size), the first layer no greater spread than .34, nine layers of ten none over .69.
# Fed another scale, the first layer had a spread of 1.3 or more; without the mean, a shift of 1.2.
MAX_SHIFT = 1.0
MAX_SPREAD = math.log(2)
LAYERS_FITTING = 0.75
# Of the squared shift at the first layer, what is left once the channels are reversed. There it
# was 1.4 or more times the shift where they were right, .05 to .7 where they were not.
REVERSED_LEAVES = 0.5

NEVER_ESTIMATED = (
    "All batch norms hold the statistics that they start with (mean 0, variance 1): the network "
    "was probably never trained."
)
FOLDED_VAR = 0.01  # converters make up for the epsilon: a variance of .999 stands for 1
COLOURS = 3
EIGHT_BIT = 255.0
REVERSED = "its channels in reverse order (BGR for RGB)"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What networks are fed, as ``pixels * scale - offset``, for pixels of 0 to 1.
CONVENTIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "pixels of 0 to 1": ((1.0,), (0.0,)),
    "pixels of 0 to 255": ((EIGHT_BIT,), (0.0,)),
    "pixels of -1 to 1 (mean and std of 0.5)": ((2.0,), (1.0,)),
    "pixels normalised by ImageNet's mean and std": (
        tuple(1 / std for std in IMAGENET_STD),
        tuple(mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
    ),
    "pixels of 0 to 255 less ImageNet's mean": (
        (EIGHT_BIT,) * COLOURS, tuple(EIGHT_BIT * mean for mean in IMAGENET_MEAN),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class NormLayer:
    """What one batch norm holds against what it gets.

    Attributes
    ----------
    name : str
        Its path in the module.
    shift : float
        Root mean square, over channels, of the difference of means, in standard deviations held.
    spread : float
        Median, over channels, of ``|log(variance / variance held)|``.
    divergence : float
        Mean, over channels, of the Kullback-Leibler divergence of a normal distribution with the
        statistics that it gets from one with those held, in nats.
    """

    name: str
    shift: float
    spread: float
    divergence: float

    @property
    def fits(self) -> bool:
        """Whether it gets what it was trained on; what is not finite does not fit."""
        return self.shift <= MAX_SHIFT and self.spread <= MAX_SPREAD


@dataclass(frozen=True)
class NormFit:
    """What the comparison of all batch norms came to.

    Attributes
    ----------
    layers : tuple of NormLayer
        In the order in which they first run; those that do not run are left out.
    fits : bool or None
        None where there are no statistics to compare.
    cause : str
        The likely one, where they do not fit: ``never estimated``, ``preprocessing``,
        ``channel order`` or ``unknown``.
    expected : str
        The input that would fit, in words, where one was found.
    """

    layers: tuple[NormLayer, ...]
    fits: bool | None
    cause: Cause = ""
    expected: str = ""

    def say(self) -> str:
        """Say it in one sentence."""
        if self.fits is None:
            return "No batch norm holds statistics that could be compared with those of the images."
        if self.fits:
            return "The statistics of the batch norms fit the images."
        if self.cause == "never estimated":
            return NEVER_ESTIMATED
        if self.cause == "channel order":
            return (
                "The statistics of the batch norms fit other colours than those of the images: the "
                f"network probably expects {self.expected}."
            )
        worst = next(layer for layer in self.layers if not layer.fits)
        found = (
            "The statistics of the batch norms do not fit the images (at "
            f"{worst.name}, means are {worst.shift:.2g} standard deviations apart, and variances "
            f"differ {_fold(worst.spread)}-fold)"
        )
        if self.expected:
            return f"{found}: the network probably expects {self.expected}; check mean and std."
        return (
            f"{found}: it was trained with other preprocessing or on another kind of image, or "
            "its weights are not all loaded."
        )


def compare_norms(
    module: nn.Module, batches: Sequence[Tensor], preprocessing: Preprocessing | None = None
) -> NormFit:
    """Compare the statistics that batch norms hold with those of some images.

    Where they differ, the first batch norm is tried with what networks are usually fed instead;
    reversed channels show in nothing but the means there. Frozen batch norms are compared too;
    those without running statistics, or folded into other weights, hold none to compare.

    Parameters
    ----------
    module : torch.nn.Module
        Run in eval mode; comes back as it was.
    batches : sequence of (N, C, *spatial) torch.Tensor
        A few dozen images in all, on the module's device and of its type; not written to.
    preprocessing : Preprocessing, optional
        What turned pixels into them; without it they are taken for pixels.

    Returns
    -------
    NormFit
    """
    held = _held(module)
    start = all(_at_start(norm) for norm in held.values())
    if not held or (start and not never_estimated(module)):  # folded into other weights
        return NormFit((), fits=None)
    with as_found(module, channels_last=False):
        layers = _measure(module, held, batches)
        if not layers:
            return NormFit((), fits=None)
        if start:
            return NormFit(layers, fits=False, cause="never estimated")
        first = _FirstNorm(module, {layers[0].name: held[layers[0].name]}, batches, preprocessing)
        if not layers[0].fits:
            expected = first.convention()
            cause: Cause = "preprocessing" if expected else "unknown"
            return NormFit(layers, fits=False, cause=cause, expected=expected)
        if first.prefers_reversed(layers[0]):
            return NormFit(layers, fits=False, cause="channel order", expected=REVERSED)
    fits = sum(layer.fits for layer in layers) >= LAYERS_FITTING * len(layers)
    return NormFit(layers, fits=fits, cause="" if fits else "unknown")


def never_estimated(module: nn.Module) -> bool:
    """Tell a network all of whose batch norms hold the statistics that they start with.

    Parameters
    ----------
    module : torch.nn.Module
        It is not run.

    Returns
    -------
    bool
        False without batch norms, and where they are folded into other weights, which leaves such
        statistics too.
    """
    norms = _held(module).values()
    return bool(norms) and all(_at_start(norm) and _is_uniform(norm) for norm in norms)


def _held(module: nn.Module) -> dict[str, nn.Module]:
    """Batch norms that hold statistics, by path."""
    named = module.named_modules() if keeps_layers(module) else ()
    return {name: child for name, child in named if holds_statistics(child)}


class _FirstNorm:
    """Tries what else the first batch norm could be meant to get."""

    def __init__(
        self,
        module: nn.Module,
        norm: dict[str, nn.Module],
        batches: Sequence[Tensor],
        preprocessing: Preprocessing | None,
    ) -> None:
        self._module, self._norm = module, norm
        mean, std = (preprocessing.mean, preprocessing.std) if preprocessing else ((0.0,), (1.0,))
        self._given = (
            tuple(1 / each for each in std),
            tuple(m / each for m, each in zip(mean, std, strict=True)),
        )
        scale, offset = self._given
        self._pixels = [(batch + _wide(offset, batch)) / _wide(scale, batch) for batch in batches]
        self._orders = (False, True) if batches[0].shape[1] == COLOURS else (False,)

    def convention(self) -> str:
        """Name the convention that fits best, if it fits at all."""
        # Eight bits, not a fraction, where anything lies far above 1.
        peak = max(float(pixels.amax()) for pixels in self._pixels)
        unit = EIGHT_BIT if peak > EIGHT_BIT / 100 else 1.0
        tried = {
            f"{name}{', ' + REVERSED if reverse else ''}": self._try(scale, offset, unit, reverse)
            for name, (scale, offset) in CONVENTIONS.items()
            if len(scale) in (1, self._pixels[0].shape[1])
            for reverse in self._orders
        }
        best = min(tried, key=lambda name: tried[name].divergence)
        return best if tried[best].fits else ""

    def prefers_reversed(self, given: NormLayer) -> bool:
        """Tell whether the means are much closer once the channels are reversed."""
        if True not in self._orders:
            return False
        other = self._try(*self._given, unit=1.0, reverse=True)
        return other.shift**2 < REVERSED_LEAVES * given.shift**2

    def _try(
        self, scale: Sequence[float], offset: Sequence[float], unit: float, reverse: bool
    ) -> NormLayer:
        inputs = (
            (pixels.flip(1) if reverse else pixels) / unit * _wide(scale, pixels)
            - _wide(offset, pixels)
            for pixels in self._pixels
        )
        return _measure(self._module, self._norm, inputs, stop=True)[0]


class _Reached(BaseException):
    """The norm that a pass is for has run; no error, which a model might handle."""


class _Moments:
    """Mean and variance per channel of all that a norm gets."""

    def __init__(self) -> None:
        self._values = 0
        self._sum: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        """Take in the values of one pass."""
        axes = [0, *range(2, x.ndim)]
        var, mean = (
            part.cpu().double() for part in torch.var_mean(x.float(), dim=axes, correction=0)
        )
        values = x.numel() // x.shape[1]
        self._values += values
        self._sum = self._sum + mean * values
        self._squares = self._squares + (var + mean.square()) * values

    def against(self, name: str, norm: nn.Module) -> NormLayer:
        """Compare them with what the norm holds."""
        mean = torch.as_tensor(self._sum) / self._values
        var = (torch.as_tensor(self._squares) / self._values - mean.square()).clamp_min(0)
        # As the norm sees them: what lies far below its epsilon makes no difference.
        eps = float(getattr(norm, "eps", 0.0)) or torch.finfo(torch.float32).tiny
        held_mean, held_var = (
            norm.get_buffer(buffer).detach().cpu().double()
            for buffer in ("running_mean", "running_var")
        )
        shift = (mean - held_mean).square() / (held_var + eps)
        ratio = (var + eps) / (held_var + eps)
        divergence = (ratio - 1 - ratio.log() + shift) / 2
        return NormLayer(
            name,
            float(shift.mean().sqrt()),
            float(ratio.log().abs().median()),
            float(divergence.mean()),
        )


def _measure(
    module: nn.Module, norms: dict[str, nn.Module], batches: Iterable[Tensor], *, stop: bool = False
) -> tuple[NormLayer, ...]:
    """Run a module on batches; with `stop`, no farther than to the first of the norms."""
    seen: dict[str, _Moments] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def see(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            x: Tensor = next(iter((*args, *named.values())))
            seen.setdefault(name, _Moments()).add(x)
            if stop:
                raise _Reached

        return see

    with ExitStack() as hooks, torch.no_grad():
        for name, norm in norms.items():
            hook = norm.register_forward_pre_hook(watch(name), with_kwargs=True)
            hooks.callback(hook.remove)
        for batch in batches:
            try:
                module(batch.clone())  # a model may write into its input
            except _Reached:
                continue
            except Exception as error:  # somebody's own code raises what it likes
                if ran_out_of_memory(error):
                    raise memory_error(error, f"{plural(len(batch), 'image')} at once") from error
                raise PadscopeError(
                    f"the model failed on images of shape {'×'.join(map(str, batch.shape))} "
                    f"(batch, channels, size): {brief(error)}; give images that it takes"
                ) from error
    return tuple(moments.against(name, norms[name]) for name, moments in seen.items())


def _at_start(norm: nn.Module) -> bool:
    mean, var = (norm.get_buffer(name) for name in ("running_mean", "running_var"))
    return not bool(mean.any()) and bool(((var - 1).abs() <= FOLDED_VAR).all())


def _is_uniform(norm: nn.Module) -> bool:
    """Tell a norm whose scale and shift are the same for all channels: no training leaves that."""
    values = (getattr(norm, name, None) for name in ("weight", "bias"))
    return all(bool((each == each[0]).all()) for each in values if isinstance(each, Tensor))


def _wide(values: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(values).view(-1, *(1,) * (like.ndim - 2))


def _fold(spread: float) -> str:
    """Write a logarithm as a factor."""
    return f"{math.exp(min(spread, 50.0)):.2g}"
