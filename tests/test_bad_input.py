"""What a user can mend ends the command line with one sentence and status 2."""

from __future__ import annotations

import errno
import io
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.conftest import Command, contents, write_photo
from torch import nn

from padscope import RunDirectory, load_model

PHOTOS = ("--images", "photos")


def is_untouched_or_resumable(run: Path) -> bool:
    """Whether a refused command has left nothing, or a run that the same command goes on with."""
    if not run.exists():
        return True
    return {file.name for file in run.iterdir()} <= {"manifest.json", "tallies.safetensors"}


def refuse(padscope: Command, *arguments: object) -> str:
    """Check how a command is refused; return the sentence."""
    answer = padscope(*arguments)
    assert answer.status == 2, answer
    (line,) = answer.err.splitlines()
    assert line.startswith("padscope: ")
    assert "Traceback" not in answer.out + answer.err
    assert is_untouched_or_resumable(Path("run"))
    debugged = padscope("--debug", *arguments)
    assert debugged.status == 2
    assert debugged.err.startswith("Traceback")
    assert debugged.err.splitlines()[-1] == line
    return line.removeprefix("padscope: ")


def refuse_scan(padscope: Command, model: str, *options: object) -> str:
    return refuse(padscope, "scan", model, "-o", "run", *options)


@pytest.fixture(autouse=True)
def in_workdir(workdir: Path, no_page: None) -> None:
    """Every test runs in a working directory of its own."""


# ----------------------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("resnet50", "'resnet50' names no model: give lite0, "),
        ("", "'' names no model"),
        ("timm:resnet5O", "timm has no model 'resnet5O'"),
        ("torchvision:resnet5O", "torchvision has no model 'resnet5O'"),
        ("nonets:tiny", "importing nonets for the model nonets:tiny failed with ModuleNotFound"),
        ("mynets:tinny", "the module mynets has no 'tinny'"),
        ("mynets:no_module", "mynets:no_module returned int: it must return a torch.nn.Module"),
        ("mynets:unsized", "the input size of mynets:unsized is not known: pass --size"),
        ("absent.pt2", "the exported program absent.pt2 does not exist"),
        ("mynets.py", "mynets.py is a file of Python code: give what"),
        ("weights.safetensors", "weights.safetensors holds weights, not a model"),
    ],
)
@pytest.mark.parametrize("command", ["sites", "scan"])
def test_no_such_model(padscope: Command, command: str, spec: str, reason: str) -> None:
    assert reason in refuse(padscope, command, spec)
    assert not Path("runs").exists()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network and empty caches."""

    def refused(*arguments: object, **options: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(urllib.request, "urlopen", refused)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.parametrize(
    ("spec", "host"),
    [
        ("timm:resnet10t.c3_in1k", "the Hugging Face hub"),
        ("torchvision:squeezenet1_1", "download.pytorch.org"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_weights_that_cannot_be_fetched(padscope: Command, spec: str, host: str) -> None:
    answer = padscope("scan", spec, "-o", "run", *PHOTOS)
    assert answer.status == 2
    line = answer.err.splitlines()[-1]
    assert line.startswith(f"padscope: the weights of {spec} must be fetched from {host}")
    assert "pass --weights FILE, or --weights random" in line
    assert "Traceback" not in answer.err
    assert not Path("run").exists()


def test_a_model_that_rejects_the_input_size(padscope: Command) -> None:
    for command in ("sites", "scan"):
        line = refuse(padscope, command, "mynets:fixed_size", "--size", 32)
        assert "does not take images of shape 2×3×32×32 (batch, channels, size)" in line
        assert "pass --size" in line
    assert padscope("sites", "mynets:fixed_size", "--size", 24).status == 0


def test_after_a_refused_size_the_right_one_goes_into_the_same_directory(padscope: Command) -> None:
    refuse_scan(padscope, "mynets:fixed_size", "--size", 32, *PHOTOS)
    answer = padscope("scan", "mynets:fixed_size", "-o", "run", "--size", 24, *PHOTOS)
    assert answer.status == 0


def test_nothing_to_scan(padscope: Command) -> None:
    line = refuse_scan(padscope, "mynets:unpadded", *PHOTOS)
    assert line == "nothing to scan: no operation of the model is padded"
    assert not Path("run").exists()


def test_only_a_pooling_is_padded(padscope: Command) -> None:
    line = refuse_scan(padscope, "mynets:pooled", *PHOTOS)
    assert line == (
        "nothing to scan: no padded operation of the model can be scored "
        "(1: pooling has no filters)"
    )


def test_maps_too_small_for_a_core(padscope: Command) -> None:
    assert "0: a map of 2×2 has no core" in refuse_scan(
        padscope, "mynets:tiny", "--size", 2, *PHOTOS
    )


def test_photographs_for_a_model_of_five_channels(padscope: Command) -> None:
    for images in (PHOTOS, ()):
        line = refuse_scan(padscope, "mynets:five_channels", *images)
        assert "takes input of 5×24×24, which photographs cannot give" in line
    assert padscope("sites", "mynets:five_channels").status == 0


# ---------------------------------------------------------------------------------- weights


def state() -> dict[str, torch.Tensor]:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)).state_dict()


def test_weights_that_do_not_fit(padscope: Command) -> None:
    save_file(state() | {"0.weight": torch.zeros(6, 3, 5, 5)}, "weights.safetensors")
    line = refuse_scan(padscope, "mynets:tiny", "--weights", "weights.safetensors", *PHOTOS)
    assert "do not fit mynets:tiny" in line
    assert "2 missing (3.weight 8×6×3×3; 3.bias 8)" in line
    assert "1 of another shape (0.weight 6×3×5×5 in the file, 6×3×3×3 in the model)" in line


def test_a_pickled_model_as_weights(padscope: Command) -> None:
    torch.save(nn.Conv2d(3, 6, 3), "model.pt")
    line = refuse_scan(padscope, "mynets:tiny", "--weights", "model.pt", *PHOTOS)
    assert "model.pt holds pickled Python objects" in line
    assert "save model.state_dict() with safetensors instead" in line


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_weights_that_are_missing_or_torn(padscope: Command, name: str) -> None:
    options = ("--weights", name, *PHOTOS)
    assert f"the weights file {name} does not exist" in refuse_scan(
        padscope, "mynets:tiny", *options
    )
    Path(name).write_bytes(b"\x00 torn")
    assert f"{name} is not a readable" in refuse_scan(padscope, "mynets:tiny", *options)


# ----------------------------------------------------------------------------------- images


def test_a_folder_without_photographs(padscope: Command) -> None:
    Path("empty").mkdir()
    Path("empty/notes.txt").write_text("no photograph")
    line = refuse_scan(padscope, "mynets:tiny", "--images", "empty")
    assert "no photograph or array in empty or below" in line


def test_a_missing_folder(padscope: Command) -> None:
    line = refuse_scan(padscope, "mynets:tiny", "--images", "nowhere")
    assert "there is no image nowhere; check the path" in line


def test_no_photograph_can_be_read(padscope: Command) -> None:
    for number in range(3):
        Path("torn").mkdir(exist_ok=True)
        Path(f"torn/{number}.png").write_bytes(b"no photograph")
    line = refuse_scan(padscope, "mynets:tiny", "--images", "torn")
    assert "no image can be read (for example, cannot read torn/" in line
    assert not Path("run").exists()


def test_single_bad_photographs_are_skipped_counted_and_named(
    padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path("photos/03.png").read_bytes()
    Path("photos/03.png").write_bytes(b"no photograph")
    Path("photos/04.png").write_bytes(whole[: len(whole) // 2])
    Path("photos/05.png").write_bytes(b"")
    write_photo(Path("photos/06.png"), 6, size=(60, 60))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    answer = padscope("scan", "mynets:tiny", "-o", "run", *PHOTOS)
    assert answer.status == 0
    assert "36 images" in answer.words
    assert "Images that could not be read, and were skipped: 4 (" in answer.words
    assert "03.png: not a photograph in a known format" in answer.words
    assert "04.png: " in answer.words
    assert "05.png: empty file" in answer.words
    assert "06.png: decompression bomb: 60 × 60 pixels" in answer.words
    assert padscope("report", "run").words == answer.words


def test_nan_is_counted_and_named(padscope: Command) -> None:
    answer = padscope("scan", "mynets:partly_nan", "-o", "run", *PHOTOS)
    assert answer.status == 0
    assert "1 filter gave NaN or infinite values, which were left out." in answer.words
    assert "2 more are unmeasured" in answer.words


# ----------------------------------------------------------------------------------- output


def test_output_below_a_file(padscope: Command) -> None:
    Path("file").write_text("in the way")
    for out in ("file", "file/run"):
        line = refuse(padscope, "scan", "mynets:tiny", "-o", out, *PHOTOS)
        assert f"cannot use {out} as output: " in line
        assert "choose another directory" in line
    assert Path("file").read_text() == "in the way"


def test_output_among_other_files(padscope: Command) -> None:
    Path("home").mkdir()
    Path("home/thesis.tex").write_text("months of work")
    line = refuse(padscope, "scan", "mynets:tiny", "-o", "home", *PHOTOS)
    assert line == (
        "home contains files that are not from a padscope run; choose another output directory"
    )
    assert [file.name for file in Path("home").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("mynets:other",), "model, weights"),
        (("mynets:tiny", "--weights", "random"), None),
        (("mynets:tiny", "--seed", 1), "images, seed (0, now 1)"),
        (("mynets:tiny", "--limit", 8), "images, limit (1000, now 8)"),
        (("mynets:tiny", "--size", 20), "images"),
        (("mynets:tiny", "--batch-size", 8), "batch_size (16, now 8)"),
        (("mynets:tiny", "--images", "few"), "images"),
        (("mynets:tiny", "--until-stable"), "until_stable (False, now True)"),
    ],
)
def test_output_of_another_run(
    padscope: Command, changed: Sequence[object], named: str | None
) -> None:
    write_photo(Path("few/1.png"), 1)
    assert padscope("scan", "mynets:tiny", "-o", "old", *PHOTOS).status == 0
    before = contents(Path("old"))
    if named is None:  # the same weights under another name are the same run
        assert padscope("scan", *PHOTOS, *changed, "-o", "old").status == 0
        return
    line = refuse(padscope, "scan", *PHOTOS, *changed, "-o", "old")
    assert line == (
        f"old is a run with other {named}; choose another output directory, or remove this one"
    )
    assert contents(Path("old")) == before


LONG = "x" * 300


@pytest.mark.parametrize("path", [LONG, f"{LONG}/a", "~nobody-of-this-name/x"])
def test_names_that_no_file_can_have(padscope: Command, path: str) -> None:
    for option in (("--images", path), ("--weights", path), ("--weights", path + ".safetensors")):
        refuse(padscope, "scan", "mynets:tiny", "-o", "run", *option)
    assert "cannot use" in refuse(padscope, "scan", "mynets:tiny", "-o", LONG, *PHOTOS)
    for command in ("report", "show", "explain", "impact", "verdict", "figure"):
        assert "is not a padscope run" in refuse(padscope, command, path)
    refuse(padscope, "scan", path + ".pt2")
    refuse(padscope, "compare", path)


def test_what_may_not_be_read(padscope: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(state(), "weights.safetensors")
    torch.save(state(), "weights.pt")
    Path("list.txt").write_text("photos/00.png\n")
    assert padscope("scan", "mynets:tiny", "-o", "old", *PHOTOS).status == 0
    closed = {"weights.safetensors", "weights.pt", "00.png", "manifest.json", "list.txt"}
    access, opened = os.access, io.open

    def may(path: Any, mode: int) -> bool:
        return Path(path).name not in closed and access(path, mode)

    def open_file(file: Any, *how: Any, **named: Any) -> Any:
        if isinstance(file, str | Path) and Path(file).name in closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, *how, **named)

    monkeypatch.setattr(os, "access", may)
    monkeypatch.setattr(io, "open", open_file)
    for weights in ("weights.safetensors", "weights.pt"):
        line = refuse_scan(padscope, "mynets:tiny", "--weights", weights, *PHOTOS)
        assert f"the weights file {weights} cannot be read: permission denied" in line
    for images in ("photos/00.png", "list.txt"):
        answer = padscope("scan", "mynets:tiny", "-o", "run", "--images", images)
        assert (answer.status, "Traceback" in answer.err) == (2, False)
        assert "readable" in answer.err or "ermission denied" in answer.err
    assert "permission denied" in refuse(padscope, "report", "old")


def test_report_on_what_is_no_run(padscope: Command) -> None:
    for path in ("photos", "nowhere", "mynets.py"):
        assert f"{path} is not a padscope run" in refuse(padscope, "report", path)


# ----------------------------------------------------------------------------------- names


def test_names_that_are_no_utf_8(padscope: Command) -> None:
    folder, torn = Path(os.fsdecode(b"photos \xff")), os.fsdecode(b"\xfe.png")
    Path("photos").rename(folder)
    (folder / torn).write_bytes(b"no photograph")
    weights = os.fsdecode(b"weights \xfd.safetensors")
    save_file(load_model("mynets:tiny").module.state_dict(), "weights.safetensors")
    Path("weights.safetensors").rename(weights)
    run = os.fsdecode(b"runs \xfc")
    answer = padscope("scan", "mynets:tiny", "-o", run, "--images", folder, "--weights", weights)
    assert answer.status == 0, answer
    assert "40 images" in answer.words
    assert "\\udcfe.png: not a photograph in a known format" in answer.words
    for command in (
        ("report", run), ("show", run), ("explain", run, "--baselines", 0), ("report", run),
        ("compare", run), ("figure", run, "depth"),
        ("scan", "mynets:tiny", "-o", run, "--images", folder, "--weights", weights),
    ):  # fmt: skip
        answer = padscope(*command)
        assert answer.status == 0, answer
        answer.out.encode()


# ---------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--size", "big", "--size 'big' is not a size; give 224, or HEIGHTxWIDTH"),
        ("--size", "", "--size '' is not a size"),
        ("--size", "0", "--size '0' is not a size"),
        ("--size", "-5", "--size '-5' is not a size"),
        ("--size", "24x", "--size '24x' is not a size"),
        ("--size", "24x24x24", "has 3 numbers, but the model's input has 2 spatial axes"),
        ("--mean", "grey", "--mean 'grey' is not a number"),
        ("--mean", ".5,.5", "mean and std have 2 values and mynets:tiny takes 3 channels"),
        ("--mean", "nan", "--mean 'nan' is not a number"),
        ("--std", "0", "must be above 0"),
        ("--std", "inf", "--std 'inf' is not a number"),
        ("--seed", "-1", "seed is -1; give 0 or more"),
        ("--limit", "-1", "limit is -1; give 1 or more"),
        ("--batch-size", "0", "batch_size is 0; give 1 or more"),
        ("--per-line", "0", "per_line is 0; give 1 or more"),
        ("--per-core", "-2", "per_core is -2; give 1 or more"),
        ("--workers", "0", "workers is 0; give 1 or more"),
    ],
)
def test_bad_options(padscope: Command, option: str, value: str, reason: str) -> None:
    line = refuse_scan(padscope, "mynets:tiny", option, value, *PHOTOS)
    assert reason in line
    assert not Path("run").exists()


@pytest.mark.parametrize("option", ["--seed", "--limit", "--batch-size", "--checkpoint"])
def test_what_is_no_number_at_all_is_a_usage_error(padscope: Command, option: str) -> None:
    answer = padscope("scan", "mynets:tiny", option, "many", *PHOTOS)
    assert answer.status == 2
    assert "Traceback" not in answer.err
    assert option in answer.err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", 2**70), ("--per-line", 1000), ("--per-core", 10**6), ("--limit", 10**9),
     ("--batch-size", 1000), ("--workers", 9), ("--checkpoint", -1)],
)  # fmt: skip
def test_large_values_are_fine(padscope: Command, option: str, value: int) -> None:
    assert padscope("scan", "mynets:tiny", "-o", "run", option, value, *PHOTOS).status == 0


def test_a_run_can_be_resumed_after_a_bug_in_the_network(
    padscope: Command, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def failing(self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise RuntimeError("out of luck\nand of memory")
        for module in self:
            x = module(x)
        return x

    scan = ("scan", "mynets:tiny", "-o", "run", "--batch-size", 8, "--checkpoint", 0, *PHOTOS)
    with monkeypatch.context() as patch:
        patch.setattr(nn.Sequential, "forward", failing)
        answer = padscope(*scan)
    assert answer.status == 2
    assert re.fullmatch(
        r"padscope: the model failed on images \d+ to \d+: RuntimeError: out of luck; "
        r"give images that it takes, or fewer at once",
        answer.err.splitlines()[-1],
    )
    assert is_untouched_or_resumable(workdir / "run")
    assert RunDirectory(workdir / "run").path.exists()
    assert padscope(*scan).status == 0
