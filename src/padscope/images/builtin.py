"""The photographs which scikit-image and scikit-learn bring along: a probe set without download."""

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from PIL import Image
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images.decode import DECODERS, decode
from padscope.images.fingerprint import fingerprint_files
from padscope.images.folders import open_regular
from padscope.images.probe import Probe

PHOTOS = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/rocket.jpg"),
    ("skimage", "data/camera.png"),
    ("skimage", "data/motorcycle_left.png"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
)


class BuiltinPhotos:
    """Random crops of eight photographs in turn; an `Images`.

    Image i is a crop of photograph i modulo 8, which is also its group: however many crops are
    taken, there are eight independent photographs.

    Parameters
    ----------
    probe : Probe
        How a photograph becomes an input.
    crops : int
        The number of images.

    Raises
    ------
    PadscopeError
        scikit-image or scikit-learn is not installed, or `crops` is less than 1.
    """

    def __init__(self, probe: Probe, crops: int = 256) -> None:
        if crops < 1:
            raise PadscopeError(f"the number of crops is {crops}; it must be at least 1")
        self.probe = probe
        self.crops = crops
        self._paths = [_locate(package, file) for package, file in PHOTOS]
        self._photos = [decode(path) for path in self._paths]

    @property
    def decoders(self) -> Mapping[str, str]:
        """What decoded the photographs: library → version."""
        return DECODERS

    def __len__(self) -> int:
        """Return the number of crops."""
        return self.crops

    def name(self, index: int) -> str:
        """Return the photograph and the number of the crop, such as "coffee, crop 3"."""
        return f"{self._paths[self.group(index)].stem}, crop {index // len(PHOTOS)}"

    def group(self, index: int) -> int:
        """Return the photograph, 0 to 7."""
        return index % len(PHOTOS)

    def photo(self, index: int) -> Image.Image:
        """Return the whole photograph, uncropped; not to be written to."""
        return self._photos[self.group(index)]

    def tensor(self, index: int) -> Tensor:
        """Return the crop, (C, H, W) float32."""
        return self.probe.apply(self.photo(index), index)

    def fingerprint(self) -> str:
        """Return a digest of the eight files, the number of crops and the probe."""
        files = ((path.name, partial(open_regular, path)) for path in self._paths)
        return fingerprint_files(files, self.probe, self.crops)

    def describe(self) -> str:
        """Return one line for people."""
        return f"{plural(self.crops, 'random crop')} of {len(PHOTOS)} built-in photographs"


def _locate(package: str, file: str) -> Path:
    # The spec tells where a package lies without importing it, which takes scikit-learn a second.
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / file
        if path.is_file():
            return path
    raise PadscopeError(
        f"the built-in photograph {Path(file).name} comes with {package}, which is not installed "
        'in full; run pip install "padscope[demo]" or give your own images'
    )
