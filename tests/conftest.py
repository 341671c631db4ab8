"""What the tests of runs share: a few tiny networks, a folder of photographs, the command line."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from padscope.cli import main
from padscope.images import Batch
from padscope.running import Recorded, Recording
from padscope.running.recorded import Look

settings.register_profile("any pace", deadline=None)  # no test depends on how fast it runs
settings.load_profile("any pace")

NETS = '''
import torch
from torch import nn


def tiny():
    """Two padded convolutions; its second one strides."""
    return _sized(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(),
        )
    )


def other():
    return _sized(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()))


def slow():
    """So slow that someone can interrupt it."""
    class Slow(nn.Sequential):
        def forward(self, x):
            import time
            time.sleep(0.02)
            return super().forward(x)

    return _sized(Slow(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()))


def five_channels():
    return _sized(nn.Sequential(nn.Conv2d(5, 4, 3, padding=1), nn.ReLU()), channels=5)


def unpadded():
    return _sized(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))


def pooled():
    return _sized(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, padding=1)))


def fixed_size():
    return _sized(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 24 * 24, 2))
    )


def partly_nan():
    """Its second convolution gives NaN in filter 2, and the same value everywhere in filter 3."""
    module = tiny()
    with torch.no_grad():
        module[3].bias[2] = float("nan")
        module[3].weight[3] = 0
    module[4] = nn.Identity()
    return module


def unsized():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))


def no_module():
    return 5


def _sized(module, channels=3):
    module.pretrained_cfg = {"input_size": (channels, 24, 24)}
    return module
'''


def write_photo(path: Path, seed: int, size: tuple[int, int] = (40, 36)) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def prepare(folder: Path) -> None:
    """Write the networks, and 40 photographs."""
    (folder / "mynets.py").write_text(NETS)
    for number in range(40):
        write_photo(folder / "photos" / f"{number:02}.png", number)


def contents(run: Path) -> dict[str, bytes]:
    """All files of a run directory but the page, which is tested where it is made."""
    return {
        str(file.relative_to(run)): file.read_bytes()
        for file in sorted(run.rglob("*"))
        if file.is_file() and file.name != "report.html"
    }


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Standard output without line breaks."""
        return " ".join(self.out.split())


Command = Callable[..., Answer]


@pytest.fixture(scope="session", autouse=True)
def one_thread_from_the_start() -> None:
    """What a module's tests share is made with one thread, as all else: sums round alike."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Working directory with the networks in `mynets` and 40 photographs in `photos/`."""
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mynets", None)


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the page, which takes longer than all the rest."""
    monkeypatch.setattr("padscope.cli.endings.render_report", lambda study: "")


@pytest.fixture
def padscope(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["padscope", *map(str, arguments)])
        capfd.readouterr()
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capfd.readouterr()
        assert isinstance(status, int)
        return Answer(status, out, err)

    return run


# Children are forked from a server that has imported once what takes seconds, instead of each.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "tests.conftest",
        "padscope.cli",
        "torch._dynamo",
        "sklearn.model_selection",
        "sklearn.linear_model",
    ]
)


def start(*arguments: object, cwd: Path) -> multiprocessing.process.BaseProcess:
    """Run the command line in a process of its own, which writes what it prints to two files."""
    words = ["padscope", *map(str, arguments)]
    process = processes.Process(target=run_command, args=(words, cwd))
    process.start()
    return process


def run_command(words: list[str], cwd: Path) -> None:
    os.chdir(cwd)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), number)
    torch.set_num_threads(1)
    sys.argv = words
    main()


def wait_until(condition: Callable[[], bool], process: multiprocessing.process.BaseProcess) -> None:
    """Wait for something that a process does; fail if it ends without, or takes too long."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.is_alive(), "the process ended early"
        assert time.monotonic() < deadline, "the process takes too long"
        time.sleep(0.001)


def record(look: Look, batches: Iterable[Batch]) -> Recorded:
    """Look at every batch, and give what was found."""
    recording = Recording(look)
    for batch in batches:
        recording.update(batch)
    return recording.state().finished()
