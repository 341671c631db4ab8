"""Whatever a file holds, `decode` gives upright 8-bit pixels or one short reason."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from padscope.images import UnreadableImage
from padscope.images.decode import decode

SHAPE = (24, 32)


def gradient() -> NDArray[np.uint8]:
    """Red rises to the right, green downwards."""
    down, across = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.stack([across * 8, down * 10, np.full(SHAPE, 64)], axis=-1).astype(np.uint8)


def mean_error(image: Image.Image, truth: Image.Image) -> float:
    assert image.size == truth.size
    assert image.mode == truth.mode
    return float(np.abs(np.asarray(image, float) - np.asarray(truth, float)).mean())


def reason(path: Path) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(path)
    assert caught.value.name == path.as_posix()
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("mode", "extension", "decoded"),
    [
        ("RGB", "png", "RGB"),
        ("RGB", "jpg", "RGB"),
        ("RGB", "webp", "RGB"),
        ("RGB", "bmp", "RGB"),
        ("RGB", "ppm", "RGB"),
        ("RGB", "gif", "RGB"),
        ("RGB", "jp2", "RGB"),
        ("L", "png", "L"),
        ("L", "pgm", "L"),
        ("1", "png", "L"),
        ("1", "tif", "L"),
        ("P", "png", "RGB"),
        ("PA", "tif", "RGB"),
        ("LA", "png", "RGB"),
        ("RGBA", "png", "RGB"),
        ("CMYK", "jpg", "RGB"),
        ("CMYK", "tif", "RGB"),
        ("YCbCr", "jpg", "RGB"),
        ("LAB", "tif", "RGB"),
        ("I", "tif", "L"),
        ("F", "tif", "L"),
    ],
)
def test_every_mode(tmp_path: Path, mode: str, extension: str, decoded: str) -> None:
    path = tmp_path / f"photo.{extension}"
    original = Image.fromarray(gradient())
    stored = original.convert(mode)
    if mode in ("I", "F"):  # from 0..255 to the ranges of 16 bits and of floats
        stored = Image.fromarray(np.asarray(stored) * (257 if mode == "I" else np.float32(1 / 255)))
    stored.save(path)
    truth = {"1": original.convert("1"), "LA": original.convert("L")}.get(mode, original)
    grey_like = mode in ("1", "LA", "L", "I", "F")
    truth = truth.convert("L").convert(decoded) if grey_like else truth.convert(decoded)
    # GIF and P quantise, JPEG and Lab lose a little; a wrong mode or range is off by far more.
    assert mean_error(decode(path), truth) < (
        20 if mode in ("P", "PA") or extension == "gif" else 6
    )


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    for mode, colour in (("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))):
        Image.new(mode, (4, 4), colour).save(tmp_path / "clear.png")
        assert decode(tmp_path / "clear.png").getpixel((1, 1)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0] * 768)
    palette.save(tmp_path / "palette.png", transparency=3)
    assert decode(tmp_path / "palette.png").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_16_bits_are_scaled_not_clipped(tmp_path: Path, byte_order: str) -> None:
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    image = Image.fromarray((values * 257).astype(byte_order))
    for extension in ("tif", "png") if byte_order == "<u2" else ("tif",):
        path = tmp_path / f"deep.{extension}"
        image.save(path)
        with Image.open(path) as stored:
            assert stored.mode.startswith("I")
        np.testing.assert_array_equal(np.asarray(decode(path)), values)


@pytest.mark.parametrize(
    ("values", "decoded"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),
        ([0.2, 0.2, 0.2], [51, 51, 51]),
        ([-10.0, 0.0, 40.0], [0, 51, 255]),
        ([7.0, 7.0, 7.0], [0, 0, 0]),
    ],
)
def test_floats(tmp_path: Path, values: list[float], decoded: list[int]) -> None:
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "float.tif")
    assert np.asarray(decode(tmp_path / "float.tif")).tolist() == [decoded]


LOWEST = float(np.finfo(np.float32).min)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "NaN, infinity or beyond 1e37"),
        (np.inf, "NaN, infinity or beyond 1e37"),
        (LOWEST, "NaN, infinity or beyond 1e37"),
        (-LOWEST, "NaN, infinity or beyond 1e37"),
        (1e30, "1e+30, which leaves the others one grey,"),
        (-9999, "-9999, which leaves the others one grey,"),
    ],
)
def test_pixels_without_data_are_named(tmp_path: Path, value: float, said: str) -> None:
    values = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    values[0, :3] = value
    Image.fromarray(values).save(tmp_path / "nodata.tif")
    assert reason(tmp_path / "nodata.tif") == f"{said} in 3 of 48 pixels; fill them first"


def test_nodata_that_a_file_declares(tmp_path: Path) -> None:
    heights = np.random.default_rng(0).uniform(100, 900, (6, 8)).astype(np.float32)
    heights[0, :3] = -999
    for declared, said in (("-999", "nodata (-999)"), ("-999\0", "nodata (-999)"), ("none", None)):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[42113] = declared
        Image.fromarray(heights).save(tmp_path / "heights.tif", tiffinfo=tags)
        if said is None:
            assert decode(tmp_path / "heights.tif").size == (8, 6)
        else:
            assert said in reason(tmp_path / "heights.tif")
    Image.fromarray(np.array([[-32768, 3, 4, 9]], np.int32)).save(tmp_path / "int.tif")
    assert "in 1 of 4 pixels" in reason(tmp_path / "int.tif")


def test_an_image_of_two_values_is_a_picture(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 5000, 0]], np.float32)).save(tmp_path / "mask.tif")
    assert np.asarray(decode(tmp_path / "mask.tif")).tolist() == [[0, 255, 0]]


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for extension in ("gif", "webp", "png", "tif"):
        path = tmp_path / f"moving.{extension}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(path).getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["png", "tif", "webp"])
def test_exif_orientation(tmp_path: Path, orientation: int, extension: str) -> None:
    upright = Image.fromarray(gradient())
    # The inverse of each orientation: the quarter turns 6 and 8 undo one another.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"turned.{extension}"
    stored.save(path, exif=exif, lossless=True)
    np.testing.assert_array_equal(np.asarray(decode(path)), gradient())


def test_orientation_of_a_16_bit_image(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3) * 257
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(values).save(tmp_path / "turned.png", exif=exif)
    assert np.asarray(decode(tmp_path / "turned.png")).tolist() == [[3, 0], [4, 1], [5, 2]]


def test_broken_exif_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "odd.jpg", exif=b"Exif\0\0garbage")
    assert decode(tmp_path / "odd.jpg").size == (32, 24)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(12000, 10000))  # Pillow only warns of this one
    assert reason(path) == "decompression bomb: 12000 × 10000 pixels"
    path.write_bytes(png_header(30000, 30000))
    assert reason(path) == "decompression bomb: 900000000 pixels"


def test_bomb_where_warnings_are_errors(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(12000, 10000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason(tmp_path / "bomb.png") == "decompression bomb: 120000000 pixels"


def test_pillow_without_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.fromarray(gradient()).save(tmp_path / "photo.png")
    assert decode(tmp_path / "photo.png").size == (32, 24)


def test_files_which_are_no_photographs(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    whole = buffer.getvalue()
    contents = {
        "empty.jpg": (b"", "empty file"),
        "text.jpg": (b"a text\n" * 99, "not a photograph in a known format"),
        # Pillow would hand this to Ghostscript.
        "postscript.jpg": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "not a photograph",
        ),
        "truncated.png": (whole[: len(whole) // 2], "truncated"),
        "corrupt.png": (whole[:300] + bytes(99) + whole[399:], "broken data"),
    }
    for name, (content, expected) in contents.items():
        (tmp_path / name).write_bytes(content)
        assert expected in reason(tmp_path / name)
    assert reason(tmp_path / "missing.jpg") == "no such file or directory"
    assert reason(tmp_path) == "is a directory"


def test_truncated_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(gradient()).resize((400, 400)).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    assert "truncated" in reason(path)


def test_a_content_which_contradicts_the_extension_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(gradient()).save(path, "PNG")
    np.testing.assert_array_equal(np.asarray(decode(path)), gradient())


def test_decoding_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "photo.gif"
    ImageOps.mirror(Image.fromarray(gradient())).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        decode(path)
