"""Files of other frameworks, told by their names, and the way from each to what can be loaded."""

from __future__ import annotations

from pathlib import Path

from padscope.paths import file_problem

TENSORFLOW = "convert it to ONNX with tf2onnx, and give the .onnx file"
ORIGIN = "give the PyTorch or ONNX model that it was made from"

FOREIGN = {
    ".h5": ("Keras", TENSORFLOW),
    ".hdf5": ("Keras", TENSORFLOW),
    ".keras": ("Keras", TENSORFLOW),
    ".pb": ("TensorFlow", TENSORFLOW),
    ".tflite": ("TensorFlow Lite", TENSORFLOW),
    ".engine": ("TensorRT", ORIGIN),
    ".mlmodel": ("Core ML", ORIGIN),
    ".mlpackage": ("Core ML", ORIGIN),
}
SAVED_MODEL = "saved_model.pb"  # what TensorFlow keeps in every folder that it saves a model to


def foreign(name: str) -> str | None:
    """Say what a file of another framework is, and what to do with it.

    Parameters
    ----------
    name : str
        The path of a file or a folder, which need not be there.

    Returns
    -------
    str or None
        The end of a sentence; None for a file of no framework known here.

    Examples
    --------
    >>> foreign("net.mlmodel")
    'is of Core ML, not PyTorch: give the PyTorch or ONNX model that it was made from'
    """
    suffix = Path(name).suffix.lower()
    if suffix not in FOREIGN and file_problem(Path(name) / SAVED_MODEL) is None:
        suffix = ".pb"
    if suffix not in FOREIGN:
        return None
    framework, advice = FOREIGN[suffix]
    return f"is of {framework}, not PyTorch: {advice}"
