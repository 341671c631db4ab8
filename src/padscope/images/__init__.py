"""Images: from whatever the user has to batches of tensors, the same ones every time.

The concepts, each in its own module, in the order in which they build on one another:

1. `source`: `Images`, what a scan consumes, and `UnreadableImage`, what it may skip.
2. `folders`: `Folder` on disk, a `Container` of files, and what lies there;
   `decode`: any photograph file → an 8-bit grey or RGB image.
3. `probe`: `Probe`, the seeded random crop that turns a photograph into one input of the model,
   and the wider canvas; `CentralCrop`, the one that models are evaluated on;
   `window`: `Window`, the same of arrays of 1 to 3 axes; `readers`: files that hold arrays.
4. `fingerprint`: which images, read how, as one digest of all that they hold.
5. `items`: what datasets and loaders give;
   `files`, `arrays`, `builtin`, `tensors`: the sources, namely `PhotoFiles` and `ArrayFiles`,
   which `named` makes of a folder, a list or one file,
   `BuiltinPhotos`, and Python objects as `TensorImages` or `StreamedImages` (`from_python`);
   `tars`, `hf_datasets`, `addresses`: other containers of such files.
6. `opening`: `open_images`, from what was typed on the command line to a source, by the table
   `SOURCES`.
7. `canvas`: `Canvases`, crops of a source with real surroundings in the place of padding.
8. `label_table`, `spelling`: the lines of a table, and how classes are spelled;
   `labels`: `read_labels`, the class of each image, from a table or from folders, and
   `given_labels`, from Python.
9. `batches`: `stream`, from a source and a choice of units to `Batch` after `Batch`.
10. `kept`: `KeptBatches`, for those that are gone through several times.
"""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.images.arrays import ArrayFiles
    from padscope.images.batches import Batch, stream, unit_count
    from padscope.images.builtin import BuiltinPhotos
    from padscope.images.canvas import Canvases, TooSmall, central
    from padscope.images.files import PhotoFiles
    from padscope.images.fingerprint import fingerprint_tensors, one_by_one
    from padscope.images.folders import Folder
    from padscope.images.hf_datasets import Rows
    from padscope.images.kept import KeptBatches
    from padscope.images.labels import Labels, given_labels, read_labels
    from padscope.images.opening import SOURCES, open_images, open_photos
    from padscope.images.probe import CentralCrop, Probe
    from padscope.images.skipped import Skipped
    from padscope.images.source import Images, UnreadableImage
    from padscope.images.tensors import StreamedImages, TensorImages, from_python
    from padscope.images.window import Window

__all__ = [
    "SOURCES",
    "ArrayFiles",
    "Batch",
    "BuiltinPhotos",
    "Canvases",
    "CentralCrop",
    "Folder",
    "Images",
    "KeptBatches",
    "Labels",
    "PhotoFiles",
    "Probe",
    "Rows",
    "Skipped",
    "StreamedImages",
    "TensorImages",
    "TooSmall",
    "UnreadableImage",
    "Window",
    "central",
    "fingerprint_tensors",
    "from_python",
    "given_labels",
    "one_by_one",
    "open_images",
    "open_photos",
    "read_labels",
    "stream",
    "unit_count",
]

__getattr__, __dir__ = lazily(__name__)
