"""The two ways to a `LoadedModel`: a spec from the command line, a module from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError, brief
from padscope.models.adapter import InputAdapter
from padscope.models.architecture import Architecture, seeded
from padscope.models.borrowing import set_eval
from padscope.models.checkpoints import load_weights
from padscope.models.exported import Exported
from padscope.models.factories import Factory, own_defaults
from padscope.models.foreign import foreign
from padscope.models.hugging_face import HuggingFace
from padscope.models.initial import reset_weights
from padscope.models.libraries import Timm, Torchvision, lite0, similar_specs
from padscope.models.loaded import LoadedModel, WeightsAre, hash_weights, same_weights
from padscope.models.onnx_files import OnnxFile
from padscope.models.quantisation import check_observed, check_unquantised
from padscope.models.structure import spatial_dims, traced_input_shape
from padscope.models.trial import settle_input
from padscope.models.wrappers import unwrapped
from padscope.paths import printable
from padscope.plugins import look_up, names

Source = Callable[[str], Architecture]

# Scheme → what takes NAME of SCHEME:NAME (and "" of SCHEME alone); ending of a file → what takes
# its path. Installed packages add to it through entry points of the group.
SOURCES: dict[str, Source] = {
    "lite0": lite0,
    "timm": Timm,
    "torchvision": Torchvision,
    "hf": HuggingFace,
    ".pt2": lambda path: Exported(Path(path)),
    "onnx": OnnxFile,
    ".onnx": OnnxFile,
}
SOURCES_GROUP = "padscope.models"
LIBRARIES = (
    Timm,
    Torchvision,
    HuggingFace,
)  # known to draw initial weights, and to have trained ones
NAMED = ("lite0", ".onnx", "onnx", ".pt2")  # said first and last where all are listed
RANDOM = "random"
WEIGHT_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def load_model(
    spec: str,
    *,
    weights: str | Path | None = None,
    size: int | Sequence[int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    input_adapter: str | Callable[[Tensor], object] | None = None,
) -> LoadedModel:
    """Load a model by name, in eval mode.

    Building is seeded: the same spec gives the same weights every time.

    Parameters
    ----------
    spec : str
        ``lite0`` (built in), ``timm:NAME[.TAG]``, ``torchvision:NAME``, ``hf:NAME`` (of the Hugging
        Face hub, or a folder), ``package.module:factory`` (importable from the working directory,
        called without arguments), or the path of a
        ``.onnx`` file or of a ``.pt2`` file of `torch.export.save`, or what else `SOURCES` has. A
        factory and a ``.pt2`` file execute the code they hold.
    weights : str or pathlib.Path, optional
        A file with the architecture's weights (``.safetensors``, or a state dict of
        `torch.save`), or "random" for its initial weights. By default, the weights that the spec
        stands for.
    size : int or sequence of int, optional
        Input size in pixels; one int stands for every spatial axis.
    mean, std : float or sequence of float, optional
        On the scale of pixels in [0, 1]; one value stands for every channel. What is not given
        comes from the weights' documented preprocessing or a ``pretrained_cfg`` in timm's
        convention on the factory or its module, and is 0 and 1 where there is neither.
    input_adapter : str or callable, optional
        ``package.module:function``, or the function: given a batch of images it returns what
        forward takes, as a tensor, a tuple of arguments or a dict of named ones.

    Returns
    -------
    LoadedModel
        Its preprocessing is never None.

    Raises
    ------
    PadscopeError
        The model or its weights cannot be had, do not fit, or the input size is not known.
    """
    architecture = _find_architecture(spec)
    adapter = None if input_adapter is None else InputAdapter.of(input_adapter)
    module, origin, weights_are = _build(architecture, spec, weights)
    weights_hash = hash_weights(module)
    set_eval(module)
    if adapter:
        adapter.attach(module)
    check_observed(module, spec)
    check_unquantised(module, spec)
    _check_fixed_size(module, spec, size)
    defaults = architecture.defaults(module)
    preprocessing, channels = settle_input(module, defaults, size=size, mean=mean, std=std)
    if preprocessing is None:
        example = "x".join(["224"] * spatial_dims(module))
        raise PadscopeError(
            f"the input size of {spec} is not known: pass --size, for example --size {example}"
        )
    return LoadedModel(
        module=module,
        spec=printable(spec),
        weights=origin,
        weights_hash=weights_hash,
        preprocessing=preprocessing,
        input_channels=channels,
        static_batch=_static_batch(module),
        weights_are=weights_are,
        architecture=architecture,
        input_adapter=adapter,
    )


def wrap_module(
    module: nn.Module,
    *,
    size: int | Sequence[int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> LoadedModel:
    """Describe a module from Python the way `load_model` describes one from a spec.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is, mode included; see `as_found`. What `torch.compile`, `DataParallel` and the
        like put around it is left out. A ``pretrained_cfg`` attribute in timm's convention is read.
    size, mean, std : optional
        As for `load_model`.

    Returns
    -------
    LoadedModel
        Its preprocessing is None if no size is known: it can be fed ready tensors, not images.

    Raises
    ------
    PadscopeError
        This is no module, it is lazy and not yet initialised, or the values do not fit it.
    """
    kind = type(module)
    spec = f"{kind.__module__}.{kind.__qualname__}"
    if not isinstance(module, nn.Module):
        raise PadscopeError(f"{spec} is not a torch.nn.Module: pass the network itself")
    module, said = unwrapped(module)
    weights_hash = hash_weights(module)
    check_observed(module, spec)
    check_unquantised(module, spec)
    _check_fixed_size(module, spec, size)
    defaults = own_defaults(module, getattr(module, "pretrained_cfg", None))
    preprocessing, channels = settle_input(module, defaults, size=size, mean=mean, std=std)
    if preprocessing is None and not (mean is None and std is None):
        raise PadscopeError(f"the input size of {spec} is not known: pass size beside mean and std")
    return LoadedModel(
        module=module,
        spec=spec,
        weights="weights as given" + (f" ({said})" if said else ""),
        weights_hash=weights_hash,
        preprocessing=preprocessing,
        input_channels=channels,
        static_batch=_static_batch(module),
    )


def build_initial(architecture: Architecture, spec: str, seed: int = 0) -> nn.Module:
    """Build an architecture with the initial weights that a seed gives it.

    Parameters
    ----------
    architecture : Architecture
        What to build.
    spec : str
        Its name in error messages.
    seed : int
        For torch's CPU generator, whose state is put back afterwards.

    Returns
    -------
    torch.nn.Module
        In whatever mode it is built in.

    Raises
    ------
    PadscopeError
        It cannot be built; or it sets its weights itself and its layers cannot be reset one by one.
    """
    # Seeds that a factory sets are ignored. The weights that it loads show in a second build: all
    # of them are the same, or, in code that no library vouches for, those of one weight tensor
    # that is neither constant nor mostly zeros. To call those random would falsify every baseline.
    module, other = (
        _built(architecture.fresh, spec, value, ignore_others=True) for value in (seed, seed ^ 1)
    )
    set_all = same_weights(module, other)
    # The libraries are known to draw theirs, and start a few from a formula.
    own_code = not isinstance(architecture, LIBRARIES)
    set_one = _weight_in_common(module, other) if own_code and not set_all else None
    if set_all or set_one:
        try:
            reset_weights(module, spec, seed)
        except PadscopeError as error:
            where = "" if set_all else f" in {set_one}"
            raise PadscopeError(
                f"{spec} has the same weights whatever the seed{where}, so they are not random, "
                "and its layers' own initialisation is not known: remove the weights that your "
                "factory loads"
            ) from error
    return module


def _weight_in_common(module: nn.Module, other: nn.Module) -> str | None:
    """Name the first weight that chance cannot have made the same, as in a pretrained backbone."""
    others = dict(other.named_parameters())
    for name, weight in module.named_parameters():
        if weight.ndim < 2 or name not in others or not torch.equal(weight, others[name]):
            continue
        # Constants, identities and interpolation kernels are what some layers start from.
        mostly_zero = 2 * int(torch.count_nonzero(weight)) <= weight.numel()
        if not mostly_zero and bool((weight != weight.flatten()[0]).any()):
            return name
    return None


def _find_architecture(spec: str) -> Architecture:
    """Match a spec to its source: a scheme, the ending of a file, or else a factory."""
    scheme, colon, name = spec.partition(":")
    suffix = Path(spec).suffix
    if scheme and bool(colon) == bool(name) and (source := look_up(SOURCES, SOURCES_GROUP, scheme)):
        return _ask(source, name, spec)
    if suffix and (source := look_up(SOURCES, SOURCES_GROUP, suffix)):
        return _ask(source, spec, spec)
    if suffix in WEIGHT_SUFFIXES:
        raise PadscopeError(
            f"{spec} holds weights, not a model: give the architecture as package.module:factory "
            f"and the file with --weights {spec}"
        )
    if said := foreign(spec):
        raise PadscopeError(f"{spec} {said}")
    if suffix == ".py":
        raise PadscopeError(
            f"{spec} is a file of Python code: give what returns the model in it, as "
            f"{'.'.join(Path(spec).with_suffix('').parts)}:factory"
        )
    if name.isidentifier() and all(part.isidentifier() for part in scheme.split(".")):
        return Factory(spec)
    others = [name for name in names(SOURCES, SOURCES_GROUP) if name not in NAMED]
    schemes = ", ".join(f"a {name} file" if name[0] == "." else f"{name}:NAME" for name in others)
    raise PadscopeError(
        f"{spec!r} names no model: give lite0, {schemes}, package.module:factory, "
        f"or a .onnx or .pt2 file{similar_specs(spec)}"
    )


def _ask(source: Source, name: str, spec: str) -> Architecture:
    try:
        return source(name)
    except PadscopeError:
        raise
    except Exception as error:  # a source may be somebody else's code
        raise PadscopeError(f"{spec} could not be found: {brief(error)}") from error


def _built(
    build: Callable[[], nn.Module], spec: str, seed: int = 0, *, ignore_others: bool = False
) -> nn.Module:
    try:
        module = seeded(build, seed, ignore_others=ignore_others)
    except PadscopeError:
        raise
    except Exception as error:
        raise PadscopeError(f"{spec} could not be built: {brief(error)}") from error
    if not isinstance(module, nn.Module):
        raise PadscopeError(
            f"the source of {spec} gave {type(module).__name__}: it must give a torch.nn.Module"
        )
    return unwrapped(module)[0]


def _build(
    architecture: Architecture, spec: str, weights: str | Path | None
) -> tuple[nn.Module, str, WeightsAre]:
    """Build the module with the weights asked for, and say which these are and what is known."""
    if weights is None:
        # Of other sources nobody knows whether what they build was ever trained.
        published = isinstance(architecture, LIBRARIES)
        known: WeightsAre = "given" if published else "unknown"
        return _built(architecture.pretrained, spec), architecture.weights, known
    if str(weights) == RANDOM:
        return build_initial(architecture, spec), "random weights", "random"
    module = _built(architecture.fresh, spec)
    found = load_weights(module, Path(weights), spec)
    name = printable(Path(weights).name)
    return module, f"weights from {name}" + (f" ({found})" if found else ""), "given"


def _check_fixed_size(module: nn.Module, spec: str, size: int | Sequence[int] | None) -> None:
    shape = traced_input_shape(module)
    if shape is None or size is None:
        return
    fixed = shape[2:]
    wanted = (size,) * len(fixed) if isinstance(size, int) else tuple(size)
    if any(have not in (None, want) for have, want in zip(fixed, wanted, strict=False)):
        pixels = "×".join("any" if length is None else str(length) for length in fixed)
        raise PadscopeError(
            f"{spec} was exported for inputs of {pixels}: leave out the size, or export "
            "it with dynamic shapes"
        )


def _static_batch(module: nn.Module) -> int | None:
    shape = traced_input_shape(module)
    return shape[0] if shape else None
