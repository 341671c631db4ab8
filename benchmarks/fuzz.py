"""Whether damaged and hostile input of every kind is refused in one sentence.

Good input of every kind that padscope reads is made once: photographs in every format, archives,
data sets, arrays, weights, lists and tables, ONNX files, runs and checkpoints of them, and specs.
Then, again and again, one of them is damaged at random and a command is run on it, apart from this
process. It must end by itself, with what it was asked for or with one sentence and status 2; leave
its input as it was and no half-written file; and run no code that the input holds.
"""

from __future__ import annotations

import os
import pickle
import random
import resource
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import datasets
import nibabel
import numpy as np
import soundfile
import torch
import zarr
from PIL import Image
from safetensors.torch import save_file
from tests.conftest import NETS, processes, write_photo

from padscope.cli import endings, main
from padscope.errors import PadscopeError
from padscope.images import read_labels

SECONDS = 300  # that a command may take; on an idle machine it takes less than one
MEMORY = 24 * 2**30  # bytes of addresses
GOOD = (0, 1, 2)  # exit statuses: done, a check that failed, refused
MARK = "code-was-run"
SOUNDS = """
from torch import nn


def wave():
    net = nn.Sequential(nn.Conv1d(1, 4, 5, padding=2), nn.ReLU())
    net.pretrained_cfg = {"input_size": (1, 64)}
    return net


def volume():
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU())
    net.pretrained_cfg = {"input_size": (1, 8, 8, 8)}
    return net
"""
SCAN = ("scan", "mynets:tiny", "--batch-size", "4", "--limit", "12", "-o", "run")
Damage = Callable[[random.Random, bytes], bytes]


@dataclass
class Fuzzed:
    """What came of the damaged inputs.

    Attributes
    ----------
    cases : Counter
        Kind of input → how often it was damaged.
    refused : Counter
        Kind of input → how often it was refused with one sentence.
    failures : list of str
        What went wrong, with the number of the case.
    """

    cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """How many of each kind were refused, and what went wrong."""
        lines = [
            f"  {kind}: {count} damaged, {self.refused[kind]} refused in one sentence, "
            f"{count - self.refused[kind]} used as they are"
            for kind, count in sorted(self.cases.items())
        ]
        ended = f"{len(self.failures)} failures" if self.failures else "no failure"
        return "\n".join([*lines, f"{self.cases.total()} cases: {ended}", *self.failures])


# Damage


def truncated(rng: random.Random, content: bytes) -> bytes:
    """Cut off the end."""
    return content[: rng.randrange(len(content) + 1)]


def flipped(rng: random.Random, content: bytes) -> bytes:
    """Change some bytes, most often of the head."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 64)) if changed else 0):
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 256)
        changed[rng.randrange(end)] = rng.randrange(256)
    return bytes(changed)


def overwritten(rng: random.Random, content: bytes) -> bytes:
    """Put zeros, ones, or the greatest and least numbers in the place of some bytes."""
    if not content:
        return content
    start = rng.randrange(min(len(content), rng.choice((64, 512, 2**20))))
    run = rng.choice((b"\0", b"\xff", b"\x7f", b"9")) * rng.choice((1, 2, 4, 8, 300))
    return content[:start] + run + content[start + len(run) :]


def moved(rng: random.Random, content: bytes) -> bytes:
    """Take out a piece, or put it in twice."""
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + (content[start:end] * 2 if rng.random() < 0.5 else b"") + content[end:]


def strange(rng: random.Random, content: bytes) -> bytes:
    """Put something else in, such as text that means something elsewhere."""
    start = rng.randrange(len(content) + 1)
    piece = rng.choice(
        (
            rng.randbytes(40), "\u202e\ue000\0é".encode(), b"\r\n\r\n,,,\"", b"[31m\x1b[2J",
            b"<script>alert(1)</script>", b"nan", b"-1", b"1e999", b"{}", b"[" * 300,
        )
    )  # fmt: skip
    return content[:start] + piece + content[start:]


def replaced(rng: random.Random, content: bytes) -> bytes:
    """Leave nothing of it."""
    mark = pickle.dumps(Hostile())
    return rng.choice((b"", rng.randbytes(300), mark, b"{}", b"null", b"[]", content[::-1]))


DAMAGES: Sequence[Damage] = (truncated, flipped, overwritten, moved, strange, replaced)


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> Any:
        """Say what to do when it is read."""
        return os.mkdir, (MARK,)


# Kinds of input: each damages something in a folder, and gives the words of a command


@dataclass(frozen=True)
class Kind:
    """Input of one kind.

    Attributes
    ----------
    paths : sequence of str
        Files, one of which is damaged; patterns will do.
    commands : sequence of sequence of str
        One of which is run; ``{path}`` is the damaged file, ``{stem}`` its first folder or itself.
    text : bool
        Whether the words themselves are damaged instead.
    """

    paths: Sequence[str]
    commands: Sequence[Sequence[str]]
    text: bool = False


READ = (
    ("show", "finished"), ("verdict", "finished"), ("check", "finished", "--max-recognising", "3"),
    ("compare", "finished", "finished"), ("report", "finished"), ("show", "finished", "0", "1"),
    ("verdict", "finished", "--json"), ("explain", "finished", "--baselines", "0"),
)  # fmt: skip
KINDS: Mapping[str, Kind] = {
    "photographs": Kind(["photos/*"], [(*SCAN, "--images", "photos")]),
    "archives": Kind(["*.tar"], [(*SCAN, "--images", "{path}")]),
    "data sets": Kind(["saved/*"], [(*SCAN, "--images", "saved")]),
    "sounds": Kind(
        ["sounds/*"], [("scan", "sounds:wave", *SCAN[2:], "--images", "{path}")]
    ),
    "volumes": Kind(
        ["volumes/*"], [("scan", "sounds:volume", *SCAN[2:], "--images", "{path}")]
    ),
    "zarr": Kind(
        ["a.zarr/**/*"], [("scan", "sounds:wave", *SCAN[2:], "--images", "a.zarr")]
    ),
    "weights": Kind(
        ["weights/*"], [(*SCAN, "--images", "photos", "--weights", "{path}")]
    ),
    "checkpoints": Kind(["begun/*"], [(*SCAN[:-1], "begun", "--images", "photos")]),
    "runs": Kind(["finished/**/*"], READ),
    "lists": Kind(["list.txt"], [(*SCAN, "--images", "list.txt")]),
    "labels": Kind(
        ["labels.csv"],
        [("labels",)],
    ),
    "networks": Kind(["tiny.onnx"], [("sites", "{path}")]),
    "specs of models": Kind(
        ["timm:resnet18", "torchvision:resnet18", "mynets:tiny", "hf:microsoft/resnet-50", "lite0"],
        [("sites", "{path}", "--weights", "random", "--size", "32")], text=True,
    ),
    "specs of images": Kind(
        ["photos", "photos.tar", "x-{00..03}.tar", "hf:saved", "hf:saved:test", "memory://photos",
         "file://photos/0.png", "list.txt"],
        [(*SCAN, "--images", "{path}")], text=True,
    ),
    "values": Kind(
        ["32", "32x32", "0.5", ".5,.5,.5", "cpu", "local"],
        [(*SCAN, "--images", "photos", option, "{path}")
         for option in ("--size", "--mean", "--std", "--seed", "--limit", "--device", "--runner")],
        text=True,
    ),
}  # fmt: skip


def prepare(folder: Path, worker: Worker) -> None:
    """Write good input of every kind."""
    (folder / "mynets.py").write_text(NETS)
    (folder / "sounds.py").write_text(SOUNDS)
    photos = folder / "photos"
    for number in range(8):
        write_photo(photos / f"{number}.png", number)
    first = Image.open(photos / "0.png")
    written: dict[str, dict[str, Any]] = {
        "jpg": {}, "bmp": {}, "webp": {}, "gif": {}, "ppm": {}, "jp2": {},
        "tif": {"compression": "tiff_lzw", "save_all": True, "append_images": [first]},
    }  # fmt: skip
    for ending, options in written.items():
        first.save(photos / f"a.{ending}", **options)
    levels = np.asarray(first.convert("F")) / 255
    Image.fromarray(levels).save(photos / "float.tif")
    files = sorted(photos.iterdir())
    (folder / "list.txt").write_text("\n".join(f"photos/{file.name}" for file in files))
    rows = [f"{file.name},{number % 2}" for number, file in enumerate(files)]
    (folder / "labels.csv").write_text("\n".join(["file,class_index", *rows]))
    for name in ("photos.tar", "x-00.tar"):
        with tarfile.open(folder / name, "w") as tar:
            for file in files:
                tar.add(file, file.name)
    encoded = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    features = datasets.Features({"image": datasets.Image()})
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"image": encoded}, features).save_to_disk(folder / "saved")
    _arrays(folder)
    _weights(folder)
    for out, kept in (("finished", True), ("begun", False)):
        words = [*SCAN[:-1], out, "--images", "photos"]
        if worker.run(folder, words) != 0:
            raise RuntimeError((folder / "stderr").read_text())
        if not kept:  # as a run that is stopped leaves them
            for file in (folder / out).iterdir():
                if file.name not in ("manifest.json", "tallies.safetensors"):
                    file.unlink() if file.is_file() else shutil.rmtree(file)


def _arrays(folder: Path) -> None:
    values: Any = np.random.default_rng(0).standard_normal((1, 640)).astype(np.float32) / 8
    sounds, volumes = folder / "sounds", folder / "volumes"
    sounds.mkdir()
    volumes.mkdir()
    np.save(sounds / "a.npy", values)
    np.savez_compressed(sounds / "a.npz", a=values, b=values)
    for ending in ("wav", "flac"):
        soundfile.write(sounds / f"a.{ending}", values[0], 8000)
    zarr.save_array(str(folder / "a.zarr"), values)
    cube: Any = nibabel.Nifti1Image
    for ending in ("nii", "nii.gz"):
        nibabel.save(cube(np.resize(values, (16, 16, 16)), np.eye(4)), volumes / f"a.{ending}")
    np.save(volumes / "a.npy", np.resize(values, (16, 16, 16)))


def _weights(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    try:
        module = __import__("mynets").tiny()
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("mynets", None)
    weights = folder / "weights"
    weights.mkdir()
    save_file(module.state_dict(), weights / "a.safetensors")
    torch.save(module.state_dict(), weights / "a.pth")
    torch.save({"model": module.state_dict(), "epoch": 3}, weights / "a.ckpt")
    torch.save({"state_dict": Hostile()}, weights / "hostile.pth")
    with zipfile.ZipFile(weights / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data.pkl", pickle.dumps(Hostile()))
    torch.onnx.export(
        module.eval(), (torch.zeros(1, 3, 24, 24),), folder / "tiny.onnx", verbose=False,
        external_data=False,
    )  # fmt: skip


# Running


def sweep(
    folder: Path,
    times: int,
    seed: int = 0,
    tell: Callable[[str], object] = lambda _: None,
) -> Fuzzed:
    """Damage inputs at random, every kind in turn, and run a command on each.

    Parameters
    ----------
    folder : Path
        To work in; empty.
    times : int
        Cases.
    seed : int
        Of the damage: case n of a seed is always the same.
    tell : callable
        Is given a sentence after every failure, and after every hundred cases.
    """
    good, fuzzed, worker = folder / "good", Fuzzed(), Worker()
    good.mkdir()
    prepare(good, worker)
    for number in range(times):
        kind = list(KINDS)[number % len(KINDS)]
        rng = random.Random(f"{seed} {number}")
        case = folder / "case"
        shutil.copytree(good, case)
        words, damage = damaged(case, KINDS[kind], rng)
        before = contents(case)
        status = worker.run(case, words)
        fuzzed.cases[kind] += 1
        fuzzed.refused[kind] += status == 2
        if problem := wrong(case, status, before, words):
            said = f"case {number} ({kind}, {damage}; padscope {' '.join(words)!r}): {problem}"
            fuzzed.failures.append(said)
            tell(said)
        if number % 100 == 99:
            tell(f"{number + 1} cases, {len(fuzzed.failures)} failures")
        shutil.rmtree(case)
    worker.close()
    return fuzzed


def damaged(case: Path, kind: Kind, rng: random.Random) -> tuple[list[str], str]:
    """Damage one input of a kind; give the words of a command, and what was damaged how."""
    damage = rng.choice(DAMAGES)
    if kind.text:
        word = damage(rng, rng.choice(list(kind.paths)).encode()).decode(errors="surrogateescape")
        path = word.replace("\0", "")  # which no word of a command can hold
        said = f"{damage.__name__} to {path[:80]!r}"
    else:
        found = [file for pattern in kind.paths for file in sorted(case.glob(pattern))]
        file = rng.choice([file for file in found if file.is_file()])
        file.write_bytes(damage(rng, file.read_bytes()))
        path = file.relative_to(case).as_posix()
        said = f"{path} {damage.__name__}"
    return [word.replace("{path}", path) for word in rng.choice(list(kind.commands))], said


class Worker:
    """A process that runs one command after the other, and is replaced if one does not end."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None

    def run(self, folder: Path, words: Sequence[str]) -> int | None:
        """Run a command in a folder; give its exit status, or None if it does not end."""
        if self._process is None or not self._process.is_alive():
            self._ours, theirs = processes.Pipe()
            self._process = processes.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._ours.send((folder, list(words)))
            if self._ours.poll(SECONDS):
                return int(self._ours.recv())
        except EOFError:  # it died
            self._process.join()
            return self._process.exitcode
        self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _serve(commands: Connection) -> None:
    """Run commands as they come, each as if in a process of its own."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "COLUMNS": "500"}
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    vars(endings)["render_report"] = lambda _: ""  # which takes longer than all the rest
    sys.path.insert(0, "")
    while True:
        try:
            folder, words = commands.recv()
        except EOFError:
            return
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            with Path(name).open("wb") as file:
                os.dup2(file.fileno(), number)
        for module in ("mynets", "sounds"):
            sys.modules.pop(module, None)
        sys.argv = ["padscope", *words]
        status: object = 0
        try:
            _labels() if words == ["labels"] else main()
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
            status = 70
        sys.stdout.flush()
        sys.stderr.flush()
        commands.send(status)


def _labels() -> None:
    """Read a table of classes as an impact does, which would take long after it."""
    names = [f"{number}.png" for number in range(8)]
    try:
        read_labels("labels.csv", names, 2)
    except PadscopeError as error:
        print(f"padscope: {error}", file=sys.stderr)
        sys.exit(2)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their paths in it."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def wrong(
    case: Path, status: int | None, before: Mapping[str, bytes], words: Sequence[str]
) -> str | None:
    """Say what a command did that it must not do."""
    err = (case / "stderr").read_text(errors="replace")
    if status is None:
        return "it did not end"
    if status not in GOOD:
        return f"exit status {status}: {err[-2000:]}"
    if (case / MARK).exists():
        return "code was run"
    if "Traceback (most recent call last)" in err:
        return f"a traceback: {err[-2000:]}"
    last = (err.splitlines() or [""])[-1]
    if status == 2 and not (last.startswith("padscope: ") or last.startswith("╰")):
        return f"refused without a sentence: {err[-500:]}"
    after = contents(case)
    own = {"stdout", "stderr"}
    runs = ("run/", "runs/", "begun/", "finished/", "comparison/") if "sites" not in words else ()
    made = {name for name in after.keys() - before.keys() - own if "__pycache__" not in name}
    if strange := sorted(name for name in made if not name.startswith(runs or ("?",))):
        return f"it wrote {strange[0]}"
    changed = [
        name
        for name in before.keys() & after.keys() - own
        if before[name] != after[name] and not name.startswith(("begun/", "finished/"))
    ]
    if lost := sorted([*changed, *(before.keys() - after.keys() - own)]):
        own_run = all(name.startswith(("begun/", "finished/")) for name in lost)
        if not own_run:
            return f"it changed {lost[0]}"
    torn = [name for name in made if name.endswith(".tmp") or "/." in name]
    return f"it left {torn[0]}" if torn else None


def describe_fuzz(times: int = 1000, seed: int = 0) -> None:
    """Print what comes of damaged inputs; exit status 1 if any of them does harm."""
    print(f"{times:,} damaged inputs (targets: no traceback, hang, half-written file or code run)")
    folder, begun = Path(tempfile.mkdtemp(prefix="padscope-fuzz-")), time.monotonic()
    fuzzed = sweep(folder, times, seed, lambda said: print(" ", said, flush=True))
    print(fuzzed)
    print(f"  {(time.monotonic() - begun) / times:.1f} s each")
    shutil.rmtree(folder)
    if fuzzed.failures:
        sys.exit(1)
