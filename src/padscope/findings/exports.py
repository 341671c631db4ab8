"""Which export targets have an operation for which padding: facts, each with its source.

What a target has no operation for can still be put together from slices that are joined, at the
cost of copies. Zeros every convolution has itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from padscope.sites.fill_words import PARTIAL


@dataclass(frozen=True)
class Target:
    """One format or runtime.

    Attributes
    ----------
    name : str
    pads : dict
        Name of a fill → the operation that pads so, as the target calls it.
    source : str
        Address of the documentation that says so.
    """

    name: str
    pads: dict[str, str]
    source: str


TARGETS = (
    Target(
        "ONNX Runtime",
        {"reflect": "Pad, reflect", "replicate": "Pad, edge",
         "circular": "Pad, wrap (opset 19)", "panorama": "Pad, wrap (opset 19) along one axis"},
        "https://onnx.ai/onnx/operators/onnx__Pad.html",
    ),
    Target(
        "TensorRT",
        {"reflect": "Slice, REFLECT", "replicate": "Slice, CLAMP", "circular": "Slice, WRAP",
         "panorama": "Slice, WRAP along one axis"},
        "https://docs.nvidia.com/deeplearning/tensorrt/latest/_static/operators/Slice.html",
    ),
    Target(
        "Core ML",
        {"reflect": "pad, reflect", "replicate": "pad, replicate"},
        "https://apple.github.io/coremltools/source/"
        "coremltools.converters.mil.mil.ops.defs.html",
    ),
    Target(
        "TFLite",
        {"reflect": "MIRROR_PAD, REFLECT"},
        "https://www.tensorflow.org/mlir/tfl_ops#tflmirror_pad_tflmirrorpadop",
    ),
)  # fmt: skip
# What is made of multiplications and sums, which all targets have.
ARITHMETIC = frozenset({"mean", PARTIAL})


def taken_by(fill: str) -> tuple[str, ...] | None:
    """Name the targets that take a padding without putting it together from slices.

    Returns
    -------
    tuple of str or None
        None where that is not known: of fills of other packages, and of controls that nobody
        exports.
    """
    if fill == "zeros" or fill in ARITHMETIC:
        return tuple(target.name for target in TARGETS)
    if not any(fill in target.pads for target in TARGETS):
        return None
    return tuple(target.name for target in TARGETS if fill in target.pads)
