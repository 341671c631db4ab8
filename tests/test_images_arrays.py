"""Arrays instead of photographs: sound, volumes, NumPy and Zarr files, with 1 to 3 axes."""

from __future__ import annotations

import io
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import soundfile
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Command
from tests.nets_to_share import ESTIMATING

from padscope import explain, impact, load_model, load_study
from padscope.errors import PadscopeError
from padscope.images import (
    ArrayFiles,
    Canvases,
    Images,
    Probe,
    TooSmall,
    UnreadableImage,
    Window,
    central,
    open_images,
    stream,
)
from padscope.report import render_report
from padscope.settings import ExplainSettings

SOUND = Window((100,), (0.0,), (1.0,), seed=3)
VOLUME = Window((6, 7, 8), (0.1,), (0.5,))
RATE = 8000


def samples(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Values that 16 bits hold exactly."""
    whole = np.random.default_rng(0).integers(-(2**15), 2**15, shape)
    return (whole / 2**15).astype(np.float32)


# However an array is stored

Write = Callable[[Path, Any], str]


def volume_image(array: Any, kind: Any = nibabel.Nifti1Image) -> Any:
    return kind(array, np.eye(4))


def npy(folder: Path, array: Any) -> str:
    np.save(folder / "a.npy", array)
    return "a.npy"


def fortran(folder: Path, array: Any) -> str:
    np.save(folder / "a.npy", np.asfortranarray(array))
    return "a.npy"


def npz(folder: Path, array: Any) -> str:
    np.savez_compressed(folder / "a.npz", a=array)
    return "a.npz"


def chunked(folder: Path, array: Any) -> str:
    zarr.save_array(str(folder / "a.zarr"), array, mode="w")
    return "a.zarr"


def old_zarr(folder: Path, array: Any) -> str:
    zarr.save_array(str(folder / "a.zarr"), array, zarr_format=2, mode="w")
    return "a.zarr"


def wav(folder: Path, array: Any) -> str:
    soundfile.write(folder / "a.wav", array.T, RATE, subtype="PCM_16")
    return "a.wav"


def flac(folder: Path, array: Any) -> str:
    soundfile.write(folder / "a.flac", array.T, RATE, subtype="PCM_16")
    return "a.flac"


def stereo(folder: Path, array: Any) -> str:
    both = np.concatenate([array - 2**-10, array + 2**-10]).T
    soundfile.write(folder / "a.wav", both, RATE, subtype="FLOAT")
    return "a.wav"


def nifti(folder: Path, array: Any) -> str:
    nibabel.save(volume_image(array[0]), folder / "a.nii")
    return "a.nii"


def packed_nifti(folder: Path, array: Any) -> str:
    nibabel.save(volume_image(array[0], nibabel.Nifti2Image), folder / "a.nii.gz")
    return "a.nii.gz"


FOR_SOUND = [fortran, npz, chunked, old_zarr, wav, flac, stereo]
FOR_VOLUMES = [fortran, npz, chunked, nifti, packed_nifti]


@pytest.mark.parametrize(
    ("write", "window", "shape", "margin"),
    [(write, SOUND, (1, 1050), (30,)) for write in FOR_SOUND]
    + [(write, VOLUME, (1, 19, 15, 40), (2, 0, 3)) for write in FOR_VOLUMES],
)
def test_however_an_array_is_stored_its_windows_are_the_same(
    tmp_path: Path, write: Write, window: Window, shape: tuple[int, ...], margin: tuple[int, ...]
) -> None:
    array = samples(*shape)
    (tmp_path / "plain").mkdir()
    ours = open_images(tmp_path / "plain" / npy(tmp_path / "plain", array), window)
    theirs = open_images(tmp_path / write(tmp_path, array), window, limit=10_000)
    assert isinstance(theirs, Images)
    theirs = pickle.loads(pickle.dumps(theirs))
    assert len(theirs) == len(ours) == window.count(shape[1:]) > 1
    mine, yours = (Canvases(each, window.size, margin) for each in (ours, theirs))
    for index in range(len(ours)):
        assert ours.tensor(index).shape == (1, *window.size)
        torch.testing.assert_close(theirs.tensor(index), ours.tensor(index), rtol=0, atol=1e-6)
        torch.testing.assert_close(yours.tensor(index), mine.tensor(index), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("window", "shape", "count"),
    [
        (Window((100,), (0.0,), (1.0,)), (100,), 1),
        (Window((100,), (0.0,), (1.0,)), (5, 100), 5),
        (Window((100,), (0.0,), (1.0,)), (5, 1, 100), 5),
        (Window((100,), (0.0,) * 2, (1.0,) * 2), (2, 100), 1),
        (Window((100,), (0.0,) * 2, (1.0,) * 2), (5, 2, 200), 10),
        (Window((6, 7, 8), (0.0,) * 2, (1.0,) * 2), (3, 2, 6, 7, 16), 6),
        (Window((9, 9), (0.0,) * 5, (1.0,) * 5), (4, 5, 9, 9), 4),
        (Probe((9, 9), (0.0,), (1.0,), 1), (4, 9, 9), 4),
        (Probe((9, 9), (0.0,) * 3, (1.0,) * 3, 3), (4, 3, 9, 9), 4),
    ],
)
def test_axes(tmp_path: Path, window: Any, shape: tuple[int, ...], count: int) -> None:
    array = samples(*shape)
    images = open_images(tmp_path / npy(tmp_path, array), window)
    assert len(images) == count
    whole = torch.cat([images.tensor(index).flatten() for index in range(count)])
    # Cells that windows fill leave no choice: together they are the array.
    assert sorted(whole.tolist()) == sorted(array.ravel().tolist())


def test_four_axes_of_a_volume_are_volumes_or_channels(tmp_path: Path) -> None:
    array = samples(6, 7, 8, 2)
    nibabel.save(volume_image(array), tmp_path / "a.nii")
    images = open_images(tmp_path / "a.nii", Window((6, 7, 8), (0.0,), (1.0,)))
    found = {images.name(index): images.tensor(index)[0].numpy() for index in range(2)}
    for item in range(2):
        np.testing.assert_array_equal(found[f"a.nii, item {item}"], array[..., item])
    both = open_images(tmp_path / "a.nii", Window((6, 7, 8), (0.0,) * 2, (1.0,) * 2))
    assert len(both) == 1
    np.testing.assert_array_equal(both.tensor(0).numpy(), np.moveaxis(array, -1, 0))


def test_small_numbers_stand_for_shares(tmp_path: Path) -> None:
    window = Window((4,), (0.5,), (0.25,))
    for kind, value, said in ((np.uint8, 255, 2.0), (np.uint16, 65535, 2.0), (np.int16, 3, 10.0)):
        np.save(tmp_path / "a.npy", np.full((1, 4), value, kind))
        assert open_images(tmp_path / "a.npy", window).tensor(0).tolist() == [[said] * 4]


# Where windows lie


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(2, 5)), min_size=1, max_size=3),
    st.integers(0, 2**40),
)
def test_windows_do_not_overlap_and_fit(axes: Sequence[tuple[int, int]], seed: int) -> None:
    size = tuple(wanted for _, wanted in axes)
    extent = tuple(max(there, wanted) for there, wanted in axes)
    window = Window(size, (0.0,), (1.0,), seed)
    seen = np.zeros(extent, int)
    for cell in range(window.count(extent)):
        box = window.box(cell, cell, extent)
        assert tuple(part.stop - part.start for part in box) == size
        assert all(part.start >= 0 and part.stop <= n for part, n in zip(box, extent, strict=True))
        seen[box] += 1
    assert seen.max() == 1


def test_windows_lie_anywhere_with_equal_chance() -> None:
    window = Window((10,), (0.0,), (1.0,))
    starts = [window.box(index, 0, (19,))[0].start for index in range(2000)]
    counts = np.bincount(starts, minlength=9)
    assert counts[:9].min() > 170
    assert len(counts) <= 10


def test_a_canvas_surrounds_its_window_where_the_array_goes_on(tmp_path: Path) -> None:
    images = open_images(tmp_path / npy(tmp_path, samples(1, 1000)), SOUND)
    canvases = Canvases(images, SOUND.size, (100,))
    alike = 0
    for index in range(len(images)):
        assert canvases.tensor(index).shape == (1, 300)
        alike += torch.equal(central(canvases.tensor(index), SOUND.size, ""), images.tensor(index))
    assert alike >= len(images) - 2  # all but those of the first and the last cell
    with pytest.raises(TooSmall, match="too small: 1000 for a canvas of 1100"):
        Canvases(images, SOUND.size, (500,)).tensor(0)


def test_few_recordings_are_divided_into_stretches(tmp_path: Path) -> None:
    images = open_images(tmp_path / npy(tmp_path, samples(1, 6400)), SOUND)
    assert images.describe() == (
        "64 windows of 1 array in a.npy, which count as 16 independent ones"
    )
    groups = [(images.group(index), images.name(index)) for index in range(len(images))]
    assert len({group for group, _ in groups}) == 16
    by_place = [group for group, name in sorted(groups, key=lambda each: int(each[1].split()[-1]))]
    assert by_place == sorted(by_place)
    many = tmp_path / "many"
    many.mkdir()
    np.save(many / "a.npy", samples(20, 1, 300))
    images = open_images(many, SOUND, 30)
    assert images.describe() == "30 of 60 windows of 20 arrays in many/ (seed 0)"
    assert isinstance(images, ArrayFiles)
    for index in range(30):
        assert images.name(index).startswith(f"a.npy, item {images.group(index)}, window ")


# However files come


def test_a_folder_a_list_an_archive_and_an_address_give_the_same(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    for number in range(4):
        content = samples(4, 300)[number]
        soundfile.write(folder / "deep" / f"{number}.flac", content, RATE)
    (folder / "photo.png").write_bytes(b"is left out, since the model takes none")
    with tarfile.open(tmp_path / "sounds.tar", "w") as tar:
        tar.add(folder, ".")
    (folder / "list.txt").write_text("\n".join(f"deep/{number}.flac" for number in range(4)))
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/sounds", recursive=True)
    places = folder, folder / "list.txt", tmp_path / "sounds.tar", "memory://sounds"
    found = [open_images(place, SOUND, 10) for place in places]
    store.rm("/sounds", recursive=True)
    assert len({images.fingerprint() for images in found[:3]}) == 1
    assert found[0].describe() == "10 of 12 windows of 4 recordings in sounds/, 8,000 Hz, " + (
        "which count as 16 independent ones (seed 0)"
    )
    for images in found[:3]:
        assert torch.equal(images.tensor(7), found[0].tensor(7))
        assert images.name(7) == found[0].name(7)
    with pytest.raises(UnreadableImage):  # it is gone by now
        found[3].tensor(0)


@pytest.mark.parametrize("write", [npy, npz, chunked, wav, nifti])
def test_one_value_in_the_middle_makes_another_set(tmp_path: Path, write: Write) -> None:
    window = VOLUME if write is nifti else SOUND
    array = samples(1, 12, 14, 16) if write is nifti else samples(1, 500)

    def fingerprint() -> str:
        return open_images(tmp_path / write(tmp_path, array), window).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    array.reshape(-1)[array.size // 2] *= -0.5
    assert fingerprint() != before


# What cannot be used


def refused(source: Path, window: Window = SOUND) -> str:
    with pytest.raises(PadscopeError) as error:
        open_images(source, window)
    (line,) = str(error.value).splitlines()
    return line


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array, said in (
        (samples(2, 3, 500), "it has shape (2, 3, 500); give (1, length), or several of these"),
        (np.array(["a"] * 200), "it holds <U1, no real numbers"),
        (np.ones(200, complex), "it holds complex128, no real numbers"),
        (np.float32(1), "it has shape ()"),
    ):
        np.save(path, array)
        assert said in refused(path)
    path.write_bytes(b"no array")
    assert "no array in a.npy can be read (a.npy: ValueError: the magic string" in refused(path)
    path.write_bytes(b"")
    assert "no array in a.npy can be read" in refused(path)
    np.save(path, samples(6, 7))
    assert "give (1, depth, height, width)" in refused(path, VOLUME)


def test_photographs_for_a_model_that_takes_none(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"anything")
    said = "the model takes input of 1×100, which photographs cannot give; give arrays (.npy,"
    assert refused(tmp_path / "photo.png").startswith(said)
    assert refused(tmp_path).startswith(said)
    with pytest.raises(PadscopeError, match="photographs cannot give"):
        open_images(None, SOUND)


def test_what_a_file_lacks_is_skipped_and_named(tmp_path: Path) -> None:
    gap = samples(1, 300)
    gap[0, 140:150] = np.nan
    np.save(tmp_path / "holed.npy", gap)
    np.save(tmp_path / "short.npy", samples(1, 60))
    whole = tmp_path / "torn.npy"
    np.save(whole, samples(1, 300))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    images = open_images(tmp_path, SOUND)
    whole.write_bytes(whole.read_bytes()[:-100])
    (batch,) = stream(images, [0], 99)
    reasons = {skip.name: skip.reason for skip in batch.skipped}
    assert (
        reasons.pop("holed.npy, window 1") == "NaN or infinity in 10 of 100 values; fill them first"
    )
    assert reasons.pop("short.npy") == "too small: 60 for a canvas of 100"
    assert reasons.pop("broken.wav").startswith("LibsndfileError")
    assert set(reasons) == {f"torn.npy, window {n}" for n in range(3)}
    assert len(batch.indices) == 2


def test_recordings_of_different_rates(tmp_path: Path) -> None:
    for rate in (8000, 16000):
        soundfile.write(tmp_path / f"{rate}.wav", samples(300), rate)
    assert refused(tmp_path) == (
        "the recordings have 16,000 Hz (16000.wav) and 8,000 Hz (8000.wav); resample them to one "
        "rate"
    )


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_no_code_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    hostile = np.array([Hostile(mark)] * 200, dtype=object)
    np.save(tmp_path / "a.npy", hostile, allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=hostile, allow_pickle=True)
    assert "can be read" in refused(tmp_path / "a.npy")
    assert "can be read" in refused(tmp_path / "a.npz")
    old_zarr(tmp_path, samples(1, 300))
    described = tmp_path / "a.zarr" / ".zarray"
    described.write_text(described.read_text().replace('"zstd"', '"pickle"'))
    (tmp_path / "a.zarr" / "0.0").write_bytes(pickle.dumps(Hostile(mark)))
    assert "its chunks are encoded with pickle, which is not read" in refused(tmp_path / "a.zarr")
    assert not mark.exists()


def test_what_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue())
    assert "4096.0 GiB, which must be read as a whole" in refused(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes(head.getvalue())
    assert "a.npy can be read" in refused(tmp_path / "a.npy")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    path = tmp_path / wav(tmp_path, samples(1, 300))
    monkeypatch.setattr(metadata, "version", version)
    assert refused(path) == ('such files need soundfile: run pip install "padscope[audio]"')


# From a file to the page

WAVE = '''
import torch
from torch import nn


def wave():
    """Two padded convolutions in time; filter 0 of the first answers where nothing comes before."""
    first = nn.Conv1d(1, 4, 5, padding=2)
    second = nn.Conv1d(4, 5, 3, stride=2, padding=1)
    net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(5 * 32, 3))
    net.pretrained_cfg = {"input_size": (1, 64)}
    return net


def volume():
    net = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )
    net.pretrained_cfg = {"input_size": (1, 12, 12, 12)}
    return net
'''


def test_from_a_wav_file_to_the_page(
    padscope: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_page: None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("waves.py").write_text(WAVE)
    soundfile.write("noise.wav", 0.3 + 0.2 * samples(64 * 40), RATE)
    answer = padscope("scan", "waves:wave", "--images", "noise.wav", "--limit", 32, "-o", "run")
    assert answer.status == 0, answer.err
    assert "windows of 1 recording in noise.wav, 8,000 Hz" in answer.words
    study = load_study(tmp_path / "run")
    assert set(study.sides["side"]) == {"start", "end"}
    assert "soundfile" in study.identity["versions"]
    net, light = load_model("waves:wave"), ExplainSettings(margin=8, baselines=0, check=0)
    study = explain(study, net, "noise.wav", light)
    settings = replace(ESTIMATING, limit=20)
    study = impact(study, net, "noise.wav", settings=settings)
    assert study.impact is not None
    assert study.impact.counted == 20
    assert "1 recording in noise.wav" in render_report(study)


def test_from_volumes_to_the_sides_of_three_axes(
    padscope: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_page: None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("volumes.py").write_text(WAVE)
    for number in range(12):
        image = volume_image(1 + samples(12, 24, 24, 24)[number])
        nibabel.save(image, f"{number}.nii.gz")
    answer = padscope("scan", "volumes:volume", "--images", ".", "-o", "run")
    assert answer.status == 0, answer.err
    assert "96 windows of 12 volumes in" in answer.words
    assert set(load_study(tmp_path / "run").sides["side"]) == {
        "front", "back", "top", "bottom", "left", "right",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("net", "margin", "named"), [("wave", 16, "samples"), ("volume", 6, "voxels")]
)
def test_sounds_consist_of_samples_and_volumes_of_voxels(
    net: str,
    margin: int,
    named: str,
    padscope: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_page: None,
) -> None:
    """Whatever is said of a run, on the terminal and on the page, is true of its inputs."""
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(WAVE)
    np.save("values.npy", samples(1, 64 * 40) if net == "wave" else samples(1, 1, 72, 72, 72))
    around = ("--margin", margin)
    said = []
    for command, *options in (
        ("scan", f"nets:{net}", "--images", "values.npy", "--limit", 24, "-o", "run"),
        ("explain", "run", *around, "--baselines", 0),
        ("impact", "run", "--limit", 24),
        ("depth", "run", *around), ("swaps", "run", *around), ("sizes", "run"),
        ("advise", "run"), ("show", "run"), ("verdict", "run"),
    ):  # fmt: skip
        answer = padscope(command, *options)
        assert answer.status == 0, (command, answer.err)
        said.append(answer.words + answer.err)
    page = render_report(load_study("run"))
    said += re.sub(r"(?s)<(script|style)\b.*?</\1>", "", page).split(">")
    wrong = r"(?i)photo|pixel|\bpx\b"
    assert [text for text in said if re.search(wrong, text.partition("<")[0])] == []
    assert any(f" {named} " in text for text in said)
