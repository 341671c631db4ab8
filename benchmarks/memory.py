"""Peak memory of every stage, which must not grow with the number of images.

Each figure is the peak resident memory of a process of its own, in which one stage runs, of a study
that another process has prepared. Images are random crops of the built-in photographs, decoded as
they are needed. How many positions of an image are looked at depends on the number of images: here
it is the same for any. The impact is measured with one control draw for each set of filters: each
further draw is done like the first one, and takes time only. Where several processes share the
images, the peak is that of the one with the highest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from padscope import RunDirectory, ScanSettings, explain, impact, load_model, load_study, scan
from padscope.images import BuiltinPhotos, stream, unit_count
from padscope.models import LoadedModel, as_found
from padscope.running.memory import keep_freed_memory
from padscope.running.ray_workers import RayRunner
from padscope.settings import FEWEST_IMAGES, ExplainSettings, ImpactSettings
from padscope.study import EXPLAIN, IMPACT, SCAN, as_images

BARE = "bare"
BATCH, PREPARED = 16, 32
LOCAL, TORCHRUN, RAY, WORKERS = "local", "torchrun", "ray", 2


@dataclass(frozen=True)
class Network:
    """What is measured, as the command line names it."""

    spec: str
    weights: str | None = None
    size: int | None = None

    def load(self) -> LoadedModel:
        """Load it."""
        return load_model(self.spec, weights=self.weights, size=self.size)


LITE0 = Network("lite0")
SMALL_IMAGES = Network("lite0", size=96)
LARGE = Network("timm:efficientnet_b4", weights="random", size=224)


def growth(
    network: Network, stages: Sequence[str], few: int, many: int, runner: str = LOCAL
) -> list[str]:
    """Tell how the peaks of some stages grow with the number of images."""
    with tempfile.TemporaryDirectory() as folder:
        for before in (SCAN, EXPLAIN) if IMPACT in stages else (SCAN,):
            _run(before, PREPARED, network, folder)
        lines = []
        for stage in stages:
            first, last = (_run(stage, images, network, folder, runner) for images in (few, many))
            lines.append(
                f"{stage}, {runner}: {few:,} images {first:,.0f} MB, {many:,} {last:,.0f} MB, "
                f"{last / first - 1:+.1%}"
            )
    return lines


def beside_bare(network: Network, images: int) -> list[str]:
    """Tell the peaks of scanning and explaining beside that of the bare forward pass."""
    with tempfile.TemporaryDirectory() as folder:
        _run(SCAN, PREPARED, network, folder)
        bare, scanned, explained = (
            _run(stage, images, network, folder) for stage in (BARE, SCAN, EXPLAIN)
        )
        filters = load_study(Path(folder) / SCAN).filters.height
    return [
        f"{filters:,} filters, {images:,} images: bare {bare:,.0f} MB",
        *(
            f"{name} {peak:,.0f} MB: {peak - bare:+,.0f} MB, × {peak / bare:.2f}"
            for name, peak in ((SCAN, scanned), (EXPLAIN, explained))
        ),
    ]


def _run(stage: str, images: int, network: Network, folder: str, runner: str = LOCAL) -> float:
    """Peak resident memory, in MB, of a fresh process that does so much, or of several."""
    named = [network.spec, network.weights or "", str(network.size or "")]
    start = [sys.executable, "-m"]
    if runner == TORCHRUN:
        start += ["torch.distributed.run", "--nproc-per-node", str(WORKERS), "-m"]
    command = [*start, "benchmarks.memory", stage, str(images), folder, *named, runner]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    peaks = re.findall(r"^peak (\S+)$", done.stdout, re.MULTILINE)
    return max(map(float, peaks))


def main(stage: str, images: int, folder: Path, network: Network, runner: str) -> None:
    """Do one stage of the study of the stage before, and print the peak of this process.

    The first time, what it finds is saved in the folder for the stages behind it.
    """
    how: dict[str, Any] = {"runner": runner}
    if runner == RAY:
        how["runner"] = RayRunner(workers=WORKERS)
    keep_freed_memory()
    loaded = network.load()
    source = as_images(None, loaded, ScanSettings(limit=images, crops=images))
    assert isinstance(source, BuiltinPhotos)
    study = None
    if stage == BARE:
        with as_found(loaded.module) as module, torch.no_grad():
            for batch in stream(source, range(unit_count(images, BATCH)), BATCH):
                module(batch.pixels.contiguous(memory_format=torch.channels_last))
    elif stage == SCAN:
        study = scan(loaded, source, ScanSettings(limit=images, per_line=1), **how)
    elif stage == EXPLAIN:
        causes = ExplainSettings(
            limit=images, per_line=1, per_core=4, per_deeper=1, baselines=0, check=0
        )
        study = explain(load_study(folder / SCAN), loaded, source, causes, **how)
    else:
        effects = ImpactSettings(
            limit=images, draws=1, disturbances=1, check=1, check_images=FEWEST_IMAGES,
            canvas_images=FEWEST_IMAGES,
        )  # fmt: skip
        study = impact(load_study(folder / EXPLAIN), loaded, source, settings=effects, **how)
    processes = _workers_of_ray() if runner == RAY else [Path("/proc/self")]
    print(f"peak {max(map(_peak, processes))}")
    if study and runner == LOCAL and not (folder / stage).exists():
        RunDirectory(folder / stage).save(study)


def _workers_of_ray() -> list[Path]:
    """Find the processes whose name is that of an actor."""
    named = Path("/proc").glob("[0-9]*/cmdline")
    return [path.parent for path in named if path.read_bytes().startswith(b"ray::_Worker")]


def _peak(process: Path) -> float:
    """Peak resident memory of a process, in MB.

    From what Linux keeps for its program alone: `getrusage` begins with the peak of the process
    that started it.
    """
    status = (process / "status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    stage, images, folder, spec, weights, size, runner = sys.argv[1:]
    named = Network(spec, weights or None, int(size) if size else None)
    main(stage, int(images), Path(folder), named, runner)
