"""Any photograph file → an upright image of 8-bit grey or RGB pixels."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features
from PIL import __version__ as pillow

from padscope.counts import plural
from padscope.images.folders import open_regular
from padscope.images.source import UnreadableImage
from padscope.paths import printable, reason_of

# Pillow would try all its formats whatever the file is called. Some of them start other programs
# (EPS runs Ghostscript), and none of the rest holds photographs.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")

DECODERS = {"pillow": pillow} | {
    # Which of two versions read a JPEG file shows in its pixels.
    codec: str(features.version(codec))
    for codec in ("libjpeg_turbo", "libtiff", "webp")
}
SUBFILE_TYPE, REDUCED_OR_MASK = 254, 1 | 4  # a tag of a page, and bits of its value
GDAL_NODATA = 42113  # the tag of a TIFF that declares a value for pixels without data
HUGE = 1e37  # about the greatest floats, with which their absence is written
LEVELS = 255


def decode(path: Path) -> Image.Image:
    """Decode a photograph on disk; see `decode_file`."""
    return decode_file(partial(open_regular, path), path.as_posix())


def decode_file(
    open_file: Callable[[], BinaryIO], name: str, page: int | None = None
) -> Image.Image:
    """Decode a photograph.

    Transparency is laid over white, the first frame stands for an animation, and the EXIF
    orientation is applied. Colour profiles are ignored, as in the usual training pipelines. Pixels
    deeper than 8 bits are scaled, never clipped: 16-bit ones from 0..65535, floats from 0..1, and
    values outside these ranges from their own minimum and maximum. Pixels without data are refused:
    NaN, infinities, and what stands for nodata. Safe to call from many threads.

    Parameters
    ----------
    open_file : callable
        Opens the file. Its content decides on the format, not its name.
    name : str
        What errors call it.
    page : int, optional
        Which page of a TIFF file, one of `pages_of`.

    Returns
    -------
    PIL.Image.Image
        In mode ``L`` or ``RGB``.

    Raises
    ------
    UnreadableImage
        The file is missing, truncated, corrupt, no photograph, has pixels without data, or is
        larger than ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    try:
        with open_file() as file, Image.open(file, formats=FORMATS) as image:
            if page is not None:
                image.seek(page)
            _refuse_bomb(image, name)
            # In place, because otherwise every upright photograph would be copied.
            ImageOps.exif_transpose(image, in_place=True)
            return _to_8_bit(image)
    except UnreadableImage:
        raise
    # Decoders fed with arbitrary bytes raise nearly anything: SyntaxError, struct.error, EOFError…
    except Exception as error:
        raise UnreadableImage(printable(name), _reason(error, open_file)) from error


def pages_of(open_file: Callable[[], BinaryIO]) -> tuple[int, ...]:
    """Find the pages of a TIFF file, from 0, without its thumbnails, overviews and masks.

    None are found in a file that is damaged, or is no TIFF.
    """
    pages = []
    # What is wrong with it is told when it is decoded.
    with suppress(Exception), open_file() as file, Image.open(file, formats=("TIFF",)) as image:
        for page in range(getattr(image, "n_frames", 1)):
            image.seek(page)
            if not getattr(image, "tag_v2", {}).get(SUBFILE_TYPE, 0) & REDUCED_OR_MASK:
                pages.append(page)
    return tuple(pages)


def _refuse_bomb(image: Image.Image, name: str) -> None:
    """Refuse on the header's word, before any pixel is decoded; Pillow itself only warns here."""
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImage(printable(name), f"decompression bomb: {width} × {height} pixels")


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # I;16 in either byte order, and I
        return _scaled(image, top=65535)
    if image.mode == "F":
        return _scaled(image, top=1)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    image.load()
    # Pillow converts a mode to itself by copying, a tenth of the whole cost of a photograph.
    return image if image.mode == mode else image.convert(mode)


def _scaled(image: Image.Image, top: float) -> Image.Image:
    """Scale 0..top to 0..255, or minimum..maximum if the pixels leave 0..top."""
    values = np.asarray(image, dtype=np.float64)
    _refuse_nodata(values, top, getattr(image, "tag_v2", {}).get(GDAL_NODATA))
    low, high = values.min(), values.max()
    if low >= 0 and high <= top:
        low, high = 0, top
    return Image.fromarray(np.rint((values - low) * (255 / (high - low or 1))).astype(np.uint8))


def _refuse_nodata(values: NDArray[np.float64], top: float, declared: object) -> None:
    """Refuse pixels that hold no picture: any value for them would draw an edge that is none.

    These are NaN, infinities, the lowest and highest floats, what the file declares as nodata, and
    a value beside which all others would be one grey.
    """
    empty = ~(np.abs(values) < HUGE)  # NaN too
    said = "NaN, infinity or beyond 1e37"
    with suppress(TypeError, ValueError):
        nodata = float(str(declared).strip("\0 "))
        if not 0 <= nodata <= top and (values == np.float32(nodata)).any():
            empty, said = values == np.float32(nodata), f"nodata ({nodata:g})"
    if not empty.any() and (values.min() < 0 or values.max() > top):
        for extreme in (values.min(), values.max()):
            others = values[values != extreme]
            if others.size and 0 < np.ptp(others) * LEVELS < abs(extreme - others.mean()):
                empty, said = (
                    values == extreme,
                    f"{extreme:g}, which leaves the others one grey,",
                )
    if count := int(empty.sum()):
        pixels = plural(values.size, "pixel")
        raise ValueError(f"{said} in {count:,} of {pixels}; fill them first")


def _reason(error: Exception, open_file: Callable[[], BinaryIO]) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        # Raised while the header is read: of the size, only the count in the message gets out.
        count = re.search(r"\d+ pixels", str(error))
        return f"decompression bomb: {count[0] if count else 'too many pixels'}"
    if isinstance(error, UnidentifiedImageError):
        with open_file() as file:
            return "not a photograph in a known format" if file.read(1) else "empty file"
    return reason_of(error)
