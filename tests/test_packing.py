"""Counts as files: exact, small, the same bytes twice, and unpacked with suspicion."""

from __future__ import annotations

import json
import re
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.numpy import load, save

from padscope import PadscopeError
from padscope.measurements import Counts
from padscope.measurements.first_images import FirstImages
from padscope.regions import FOLDS
from padscope.running import Spans
from padscope.store.files import FILES
from padscope.store.kept import pack_kept, read_kept
from padscope.store.packing import pack
from padscope.store.unpacking import ALWAYS, unpacking
from padscope.study import SCAN, Kept
from padscope.tallies import Bins, Tally
from padscope.tallies.maps import as_pictured
from padscope.tallies.names import CENTRE, COARSE_CODES, CODES

TALLIES, IDENTITY = FILES[SCAN], {"seed": 0}
KEY = "a", "padded/near"
FINE, FOLDED = (f"{SCAN}/a/padded/near/{part}" for part in ("fine", "folds"))
FILTERS = 6


def round_trip(path: Path, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    path.write_bytes(pack(tensors, {}))
    with unpacking(path, torch.from_numpy) as file:
        return {name: file[name] for name in file}


shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
limits = st.sampled_from([1, 255, 256, 2**16, 2**32, 10**12, 2**63 - 1])
counts_of_any_shape = limits.flatmap(
    lambda most: arrays.arrays(np.int64, shapes, elements=st.integers(0, most))
)


@settings(max_examples=100, deadline=None)
@given(counts=counts_of_any_shape, reverse=st.booleans())
def test_counts_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, counts: np.ndarray[Any, Any], reverse: bool
) -> None:
    tensor = torch.from_numpy(counts)
    tensor = tensor.permute(tuple(reversed(range(tensor.ndim)))) if reverse else tensor
    found = round_trip(tmp_path_factory.getbasetemp() / "counts", {"a": tensor})["a"]
    assert found.dtype == (torch.int64 if (counts >= 2**31).any() else torch.int32)
    assert torch.equal(found.long(), tensor)
    assert pack({"a": tensor}, {}) == pack({"a": found}, {})


@settings(max_examples=50, deadline=None)
@given(
    values=arrays.arrays(np.float32, shapes, elements=st.floats(width=32)), rounded=st.booleans()
)
def test_floats_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray[Any, Any], rounded: bool
) -> None:
    tensor = torch.from_numpy(values)
    tensor = as_pictured(tensor) if rounded else tensor
    found = round_trip(tmp_path_factory.getbasetemp() / "floats", {"a": tensor})["a"]
    assert found.shape == tensor.shape
    assert found.numpy().tobytes() == tensor.numpy().tobytes()


@pytest.mark.parametrize(("most", "size"), [(255, 1), (256, 2), (2**16, 4), (2**32, 8)])
def test_counts_take_the_narrowest_type(tmp_path: Path, most: int, size: int) -> None:
    (tmp_path / "a").write_bytes(pack({"a": torch.tensor([0, most])}, {}))
    with safe_open(tmp_path / "a", framework="np") as file:
        assert json.loads(file.metadata()["progress"])["tensors"] == {"a": [f"count{size}", [2]]}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3)])
def test_what_is_no_count_keeps_its_type(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    tensor = torch.full(shape, -7 / 3).to(getattr(torch, dtype))
    found = round_trip(tmp_path / "a", {"a": tensor})["a"]
    assert torch.equal(found, tensor)
    assert found.dtype == tensor.dtype or not found.numel()


# --------------------------------------------------------------------------- a realistic case


def realistic(filters: int, images: int) -> Counts:
    """Counts as of a layer of 14×14 maps: 18 positions of a line, normal values, coarse folds."""
    generator = np.random.default_rng(0)
    centres = CENTRE + 20 * generator.standard_normal(filters)
    widths = generator.uniform(8, 40, filters)

    def tally(fine: int, coarse: int) -> Tally:
        shape = (images, 18, coarse, filters)
        values = generator.standard_normal(shape) * widths + centres
        values[generator.random(shape) < 0.2] = CENTRE  # as behind a ReLU
        codes = np.clip(np.rint(values), 0, 247).astype(np.int64)
        where = np.arange(coarse)[:, None] * filters + np.arange(filters)
        folds = np.zeros((FOLDS, coarse * filters * CODES), dtype=np.int64)
        for image in range(images):
            np.add.at(folds[image % FOLDS], (where * CODES + codes[image]).ravel(), 1)
        counts = folds.reshape(FOLDS, coarse, filters, CODES)
        grouped = counts.reshape(FOLDS, coarse, filters, COARSE_CODES, -1).sum(-1)
        return Tally(
            torch.from_numpy(counts.sum(0)[:fine].astype(np.int16)),
            torch.from_numpy(grouped.swapaxes(0, 1).astype(np.int16)),
        )

    maps = as_pictured(torch.from_numpy(generator.standard_normal((filters, 14, 14))))
    borders = torch.from_numpy(generator.standard_normal((images, 4, filters)).astype(np.float32))
    bins = {"a": Bins(torch.randn(filters), torch.rand(filters) + 0.1)}
    tallies = {("a", f"{condition}/near"): tally(5, 17) for condition in ("padded", "real")}
    first = FirstImages({("a", "padded"): maps, ("a", "real"): maps.flip(2)}, {"a": borders}, None)
    return Counts(Spans.of([0, 1]), images, (), bins, tallies, first, complete=True)


def test_realistic_counts_are_small_exact_and_the_same_bytes_twice(tmp_path: Path) -> None:
    kept = Kept({SCAN: realistic(filters=48, images=32)})
    content = pack_kept(kept, IDENTITY)
    in_memory = sum(t.nbytes for t in kept.pack().tensors.values())
    assert len(content) < in_memory / 5
    assert len(content) < 48 * 4_200
    assert content == pack_kept(kept, IDENTITY)
    (tmp_path / TALLIES).write_bytes(content)
    found = read_kept(tmp_path, SCAN, IDENTITY)
    assert found is not None
    for key, tally in kept.parts[SCAN].tallies.items():
        assert torch.equal(found.parts[SCAN].tallies[key].fine, tally.fine)
        assert torch.equal(found.parts[SCAN].tallies[key].folds, tally.folds)
        assert found.parts[SCAN].tallies[key].folds.is_contiguous()
    assert pack_kept(found, IDENTITY) == content
    assert read_kept(tmp_path, SCAN, {"seed": 1}) is None


def test_counts_are_unpacked_one_after_the_other(tmp_path: Path) -> None:
    """What is unpacked is twice as wide as what is kept of it."""
    bins = {str(site): Bins(torch.zeros(FILTERS), torch.ones(FILTERS)) for site in range(40)}
    tallies = {(site, "padded/near"): Tally.zeros(FILTERS, 5, 9) for site in bins}
    kept = Kept({SCAN: Counts(Spans.of([0]), 8, (), bins, tallies)})
    (tmp_path / TALLIES).write_bytes(pack_kept(kept, IDENTITY))
    in_memory = sum(tensor.nbytes for tensor in kept.pack().tensors.values())
    tracemalloc.start()  # which knows of NumPy's memory, and not of torch's
    try:
        read_kept(tmp_path, SCAN, IDENTITY)
        assert tracemalloc.get_traced_memory()[1] < in_memory / 2
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------- hostile files

Parts = tuple[dict[str, Any], dict[str, "np.ndarray[Any, Any]"]]


def small() -> Kept:
    bins = Bins(torch.zeros(FILTERS), torch.ones(FILTERS))
    tally = Tally.zeros(FILTERS, 2, 3)
    tally.fine[0, :, 3] = 300
    tally.folds[2, 1, :, 4] = 7
    first = FirstImages({("a", "padded"): torch.zeros(FILTERS, 4, 4)})
    return Kept({SCAN: Counts(Spans.of([0]), 8, (), {"a": bins}, {KEY: tally}, first, True)})


def refused(path: Path) -> str:
    with pytest.raises(PadscopeError, match=r"tallies\.safetensors is damaged") as refusal:
        read_kept(path, SCAN, IDENTITY)
    assert len(str(refusal.value).splitlines()) == 1
    return str(refusal.value)


def described(name: str, *description: Any) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[0]["tensors"][name] = list(description)

    return change


def stream(name: str, content: bytes) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[1][name] = np.frombuffer(content, np.uint8)

    return change


def without(name: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        del parts[1][name]

    return change


def replaced(key: str, value: Any) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[0][key] = value

    return change


SIZE = 2 * FILTERS * CODES * 2  # bytes of the fine counts
HOSTILE = {
    "a bomb": stream(FINE, zlib.compress(bytes(2**24))),
    "too short": stream(FINE, zlib.compress(bytes(SIZE - 2))),
    "cut off": stream(FINE, zlib.compress(bytes(SIZE))[:-3]),
    "something behind it": stream(FINE, zlib.compress(bytes(SIZE)) + b"more"),
    "no stream": stream(FINE, b"no stream of zlib"),
    "empty": stream(FINE, b""),
    "no such tensor": without(FINE),
    "a declared bomb": described(f"{SCAN}/a/map/padded", "float32", [FILTERS, ALWAYS]),
    "a larger product than any": described(
        f"{SCAN}/a/map/padded", "float32", [FILTERS, *[2**40] * 5]
    ),
    "other filters": described(FINE, "count2", [2, FILTERS + 1, CODES]),
    "other codes": described(FINE, "count2", [2, FILTERS, CODES // 2]),
    "other folds": described(FOLDED, "count1", [3, FILTERS, COARSE_CODES, FOLDS - 1]),
    "no region axis": described(FINE, "count2", [FILTERS, CODES]),
    "other bins": described(f"{SCAN}/a/spread", "upper", [FILTERS - 1]),
    "another map": described(f"{SCAN}/a/map/padded", "upper", [4, FILTERS, 4]),
    "no shape": described(FINE, "count2", None),
    "less than nothing": described(FINE, "count2", [-2, FILTERS, CODES]),
    "half a region": described(FINE, "count2", [2.0, FILTERS, CODES]),
    "an object": described(FINE, "O", [2, FILTERS, CODES]),
    "counts as floats": described(FINE, "upper", [2, FILTERS, CODES]),
    "floats as counts": described(f"{SCAN}/a/map/padded", "count2", [FILTERS, 4, 4]),
    "no description": replaced("tensors", {}),
    "a list": replaced("tensors", []),
    "nothing about it": replaced("about", None),
    "nothing of a stage": replaced("about", {"identity": IDENTITY}),
}


def hostile(path: Path, change: Callable[[Parts], None]) -> None:
    content = pack_kept(small(), IDENTITY)
    (path / TALLIES).write_bytes(content)
    with safe_open(path / TALLIES, framework="np") as file:
        header = json.loads(file.metadata()["progress"])
    parts = header, load(content)
    change(parts)
    (path / TALLIES).write_bytes(save(parts[1], {"progress": json.dumps(parts[0])}))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_counts_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    hostile(tmp_path, lambda parts: None)
    assert read_kept(tmp_path, SCAN, IDENTITY) is not None
    hostile(tmp_path, HOSTILE[name])
    refused(tmp_path)


def test_what_claims_to_hold_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile(tmp_path, HOSTILE["a declared bomb"])
    monkeypatch.setattr(zlib, "decompressobj", None)
    assert re.search(r"its [\d,]+ bytes claim to hold [\d,]+", refused(tmp_path))


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_truncated_counts_are_refused(tmp_path: Path, kept: int) -> None:
    (tmp_path / TALLIES).write_bytes(pack_kept(small(), IDENTITY)[:kept])
    refused(tmp_path)


def test_a_changed_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    content = pack_kept(small(), IDENTITY)
    begin, refusals = 8 + int.from_bytes(content[:8], "little"), 0
    for place in range(begin, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 0x10
        (tmp_path / TALLIES).write_bytes(changed)
        try:
            found = read_kept(tmp_path, SCAN, IDENTITY)
        except PadscopeError:
            refusals += 1
        else:  # a bit between the end of a stream and its checksum
            assert found is not None
            assert pack_kept(found, IDENTITY) == content
    assert refusals > 0.9 * len(range(begin, len(content), 7))
