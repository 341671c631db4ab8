"""Networks in ONNX files, converted to modules of PyTorch and checked against ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.errors import PadscopeError, brief
from padscope.models.preprocessing import InputDefaults
from padscope.models.structure import TRACED
from padscope.paths import expanded, file_problem

CONVERTER = "onnx2pytorch"
IN_MODULES = ("Conv", "ConvTranspose")  # operators that become modules which keep their weights
QUANTISED = ("QLinear", "QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger")
PROVIDERS = ["CPUExecutionProvider"]
CHANNELS = (1, 3, 4)
UNKNOWN_LENGTH = 64  # stands in, when a file is checked, for a length that it leaves free
IMAGES = 2
FARTHER = 32  # pixels by which a second size differs: the total stride of most networks
TOLERANCE = 1e-3  # of the greatest answer: kernels of two libraries sum in other orders


class OnnxFile:
    """A network in an ``.onnx`` file.

    Its layers become modules of PyTorch by way of `onnx2pytorch`; nothing in the file is executed
    but the operators of ONNX. The module must answer as ONNX Runtime does, or it is refused.

    Parameters
    ----------
    path : str
        The file; tensors that it keeps outside itself lie beside it.

    Raises
    ------
    PadscopeError
        The extra ``onnx`` is not installed, there is no such file, or it holds no network that
        takes one batch of images.
    """

    weights = "weights of the ONNX file"

    def __init__(self, path: str) -> None:
        self._path = expanded(Path(path))
        if problem := file_problem(self._path):
            raise PadscopeError(f"the ONNX file {self._path} {problem}: check the path")
        self._graph = _read(self._path)
        self._refuse_operators()
        self._shape = self._input_shape()

    def pretrained(self) -> nn.Module:
        """Convert the network, and check that it answers as it does in ONNX Runtime.

        Raises
        ------
        PadscopeError
            An operator cannot be converted, or the module answers otherwise.
        """
        sizes = [length or UNKNOWN_LENGTH for length in self._shape[2:]]
        # What a file declares is often only the shape that it was exported with.
        other = [(IMAGES, *sizes), (IMAGES + 1, *(size + FARTHER for size in sizes))]
        free = _with_free_shapes(self._graph)
        with contextlib.suppress(PadscopeError):
            module = self._convert(free)
            self._check(module, free, other)
            return module
        module = self._convert(self._graph)
        self._check(module, self._graph, [(self._shape[0] or IMAGES, *sizes)])
        setattr(module, TRACED, self._shape)
        return module

    def fresh(self) -> nn.Module:
        """Convert the network; it holds no recipe for initial weights but its layers' own.

        Raises
        ------
        PadscopeError
            It holds weights outside its layers, as those of a matrix product.
        """
        module = self.pretrained()
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point() and buffer.ndim > 1 and buffer.numel() > 1:
                raise PadscopeError(
                    f"{self._path} keeps weights outside its layers ({name.split('.')[-1]}), whose "
                    "initial values are not known: for fresh weights, load the PyTorch model that "
                    "it was made from"
                )
        return module

    def defaults(self, module: nn.Module) -> InputDefaults:  # noqa: ARG002 - the file says it
        """Read the shape of the input; nothing is known of the mean and std."""
        size = None if None in self._shape[2:] else self._shape[2:]
        return InputDefaults(channels=self._shape[1], size=size)  # type: ignore[arg-type]  # no None is left in it

    def _refuse_operators(self) -> None:
        found = Counter(node.op_type for node in self._graph.graph.node)
        if quantised := [name for name in found if name.startswith(QUANTISED)]:
            raise PadscopeError(
                f"the network in {self._path} is quantised ({quantised[0]}): give the one from "
                "before it was quantised"
            )

    def _input_shape(self) -> tuple[int | None, ...]:
        """(N, C, *spatial) of the only input; None for an axis that the file leaves free."""
        graph = self._graph.graph
        own = {tensor.name for tensor in graph.initializer}
        inputs = [each for each in graph.input if each.name not in own]
        if len(inputs) != 1:
            named = ", ".join(each.name for each in inputs[:4]) or "none"
            raise PadscopeError(
                f"the network in {self._path} has {plural(len(inputs), 'input')} ({named}): "
                "export one that takes a batch of images alone"
            )
        dims = inputs[0].type.tensor_type.shape.dim
        shape = tuple(dim.dim_value or None for dim in dims)
        said = "×".join(str(length or "any") for length in shape) or "no axes"
        if not 3 <= len(shape) <= 5:
            raise PadscopeError(
                f"the input {inputs[0].name} of {self._path} has the shape {said}: export a "
                "network that takes a batch of images (batch, channels, size)"
            )
        if shape[-1] in CHANNELS and shape[1] not in CHANNELS:
            raise PadscopeError(
                f"the input {inputs[0].name} of {self._path} has the shape {said}, its channels "
                f"last: convert it again with tf2onnx --inputs-as-nchw {inputs[0].name}"
            )
        if shape[1] is None:
            raise PadscopeError(
                f"{self._path} leaves the number of channels of its input {inputs[0].name} free: "
                "export it with that number"
            )
        return shape

    def _convert(self, model: Any) -> nn.Module:
        import onnx2pytorch
        from onnxscript import optimizer

        try:
            with _silent():
                tidied = optimizer.optimize(model)
                module: nn.Module = onnx2pytorch.ConvertModel(tidied)
                _tidy(module, tidied.graph)
        except Exception as error:  # operators and attributes fail each in their own way
            raise PadscopeError(
                f"{self._path} could not be converted by {CONVERTER} {version(CONVERTER)} "
                f"({brief(error)}): give the PyTorch model that it was made from"
            ) from error
        return module.eval()

    def _check(self, module: nn.Module, model: Any, shapes: Sequence[Sequence[int]]) -> None:
        """Compare the answers of a converted network with ONNX Runtime's, to noise.

        Raises
        ------
        PadscopeError
            They differ, or one of the two fails.
        """
        import onnxruntime

        said = f"{self._path} was converted by {CONVERTER} {version(CONVERTER)}, and"
        advice = "give the PyTorch model that it was made from"
        generator = torch.Generator().manual_seed(0)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # Tensors that lie outside a file are found from its path alone.
        given = str(self._path) if model is self._graph else model.SerializeToString()
        try:
            session = onnxruntime.InferenceSession(given, options, PROVIDERS)
            name, half = session.get_inputs()[0].name, "16" in session.get_inputs()[0].type
            differences: list[float] = []
            for images, *size in shapes:
                noise = torch.rand(images, self._shape[1] or 1, *size, generator=generator)
                noise = noise.half() if half else noise
                theirs = session.run(None, {name: noise.numpy()})
                with torch.no_grad(), _silent():
                    made = module(noise)
                ours = made if isinstance(made, list | tuple) else [made]
                differences += map(_difference, ours, theirs)
        except Exception as error:  # either library raises what it likes
            raise PadscopeError(
                f"{said} could not be compared with ONNX Runtime ({brief(error)}): {advice}"
            ) from error
        if max(differences) > TOLERANCE * (10 if half else 1):
            raise PadscopeError(
                f"{said} gives other answers than ONNX Runtime does (by {max(differences):.2g} of "
                f"the greatest answer): {advice}"
            )


def _read(path: Path) -> Any:
    try:
        import onnx
        import onnx2pytorch  # noqa: F401 - it is told here if it is missing
        import onnxruntime  # noqa: F401 - likewise
        import onnxscript  # noqa: F401 - likewise
    except ImportError as error:
        raise PadscopeError(
            f'ONNX files need the extra onnx ({brief(error)}): pip install "padscope[onnx]"'
        ) from error
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, files of tensors and the checker fail each differently
        raise PadscopeError(
            f"{path} is not a readable ONNX network ({brief(error)}): export it again"
        ) from error
    return model


def _with_free_shapes(model: Any) -> Any:
    """Copy a network whose input has any number of images and any size."""
    import onnx

    freed = onnx.ModelProto()
    freed.CopyFrom(model)
    own = {tensor.name for tensor in freed.graph.initializer}
    given = next(each for each in freed.graph.input if each.name not in own)
    for axis, dim in enumerate(given.type.tensor_type.shape.dim):
        if axis != 1:
            dim.dim_param = f"axis{axis}"
    for output in freed.graph.output:
        output.type.tensor_type.ClearField("shape")
    del freed.graph.value_info[:]
    return freed


def _tidy(module: Any, graph: Any) -> None:
    """Name convolutions by their weights or their place, and drop the copies that nothing reads."""
    used = Counter(name for node in graph.node for name in node.input)
    layers, names = module._modules, dict[str, str]()
    for node in graph.node:
        own = name = module.mapping[node.output[0]]
        if own not in layers:  # a function, which has no name of its own
            continue
        if node.op_type in IN_MODULES and any(True for _ in layers[own].parameters()):
            for weight in node.input[1:]:
                used[weight] -= 1
                if not used[weight]:
                    module._buffers.pop("_initializer_" + weight.replace(".", "_"), None)
            weight = node.input[1]
            name = weight if weight.endswith(".weight") else _scope(node.output[0]) or own
            name = name.removesuffix(".weight")
        name = re.sub(r"\W+", "_", name)  # a dot would stand for a module within a module
        while name in names.values() or name in dir(module):
            name += "_"
        names[own] = name
    module._modules = {names.get(own, own): layer for own, layer in layers.items()}
    module.mapping = {output: names.get(own, own) for output, own in module.mapping.items()}
    # The modules hold what they need of it.
    del module.onnx_model.graph.initializer[:]


def _scope(output: str) -> str:
    """Say where an operator lies, by the name that exporting from PyTorch gave what it returns.

    Examples
    --------
    >>> _scope("/features/features.1/block/block.0/Conv_output_0")
    'features.1/block.0'
    """
    parts = output.strip("/").split("/")[:-1]
    return "/".join(
        part for part, inner in pairwise([*parts, ""]) if not inner.startswith(f"{part}.")
    )


def _difference(ours: Tensor, theirs: Any) -> float:
    expected = torch.from_numpy(np.asarray(theirs))
    if ours.shape != expected.shape:
        return math.inf
    scale = float(expected.double().abs().max()) or 1.0
    return float((ours.double() - expected.double()).abs().max()) / scale


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep to itself what the libraries print, warn and log of steps that may fail."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
