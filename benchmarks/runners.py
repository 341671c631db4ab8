"""What several workers bring, and what it costs to merge what they have counted.

Each worker has one thread, as has the single process: on two cores, two workers could be twice as
fast. Merging is simulated: the state of a scan of lite0 on one batch, merged as often as there are
shards, in the order in which workers of Ray would bring them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import torch

from padscope import ScanSettings, load_model, scan
from padscope.running import Spans, from_bytes, to_bytes

SHARDS = (1, 10, 100, 1000)
WARM = 64  # images scanned before time is taken


@dataclass(frozen=True)
class Merging:
    """Cost of merging so many shards: bytes of one on its way, seconds of all."""

    shards: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        """Write one line."""
        each = self.seconds / self.shards
        return (
            f"{self.shards:5,} shards of {self.bytes / 1e6:.1f} MB: {self.seconds:.2f} s, "
            f"{1000 * each:.0f} ms each"
        )


def seconds_of(images: int, processes: int) -> float:
    """Time a scan of lite0 in one process, or in several of torchrun."""
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"]
    runner = "torchrun" if processes > 1 else "local"
    done = subprocess.run(
        [*start, "benchmarks.runners", str(images), runner],
        check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return max(map(float, re.findall(r"^seconds (\S+)$", done.stdout, re.MULTILINE)))


def main(images: int, runner: str) -> None:
    """Scan, and print how long it took: not the start of the program, nor what is done once."""
    loaded = load_model("lite0")
    for count in (WARM, images):
        begun = time.monotonic()
        scan(loaded, None, ScanSettings(limit=count, crops=count), runner=runner)
    print(f"seconds {time.monotonic() - begun}", flush=True)


def two_to_one(images: int, pairs: int) -> list[float]:
    """Time two processes against one, pair by pair."""
    return [seconds_of(images, 2) / seconds_of(images, 1) for _ in range(pairs)]


def merging() -> list[Merging]:
    """Merge the same state ever more often."""
    state = scan(load_model("lite0"), None, ScanSettings(limit=32, crops=32, calibrate=16)).counted
    state = replace(state, first=None)  # as of workers, which do not calibrate
    content, found = to_bytes(state.pack()), []
    for shards in SHARDS:
        whole = state
        begun = time.monotonic()
        for number in range(1, shards):
            packed = from_bytes(content)
            part = type(state).unpack(packed.tensors, packed.facts)
            whole = whole.merge(replace(part, done=Spans.of([1000 + number])))
        found.append(Merging(shards, len(content), time.monotonic() - begun))
        assert int(whole.near("conv_stem").fine.sum()) == shards * int(
            state.near("conv_stem").fine.sum()
        )
    return found


def describe_runners(images: int = 640, pairs: int = 3) -> None:
    """Print all of it."""
    torch.set_num_threads(1)
    ratios = sorted(two_to_one(images, pairs))
    print(f"two torchrun processes ÷ one, one thread each, lite0, {images} images (ideal .5):")
    middle = ratios[len(ratios) // 2]
    print(f"  {middle:.2f} [{ratios[0]:.2f} – {ratios[-1]:.2f}], {pairs} pairs")
    print("merging the counts of a scan of lite0:")
    for found in merging():
        print(f"  {found}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
