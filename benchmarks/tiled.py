"""What tiles cost: beside a loop written by hand, and in memory, which the image must not decide.

The loop runs the same tiles, in the same order and batches of one, and writes their middles to the
answer. Memory is the peak of a process of its own, beyond what it holds before, the image
and its answer among it.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.pairs import Ratio, in_clocked_pairs
from padscope import tiled

TILE, HALO = 128, 20
WIDTH = 8  # channels of the small network that the large image is run with

MEASURED = """
import resource, sys, torch
from pathlib import Path
from benchmarks.tiled import HALO, TILE, small
from padscope import tiled
torch.set_num_threads(1)
size = int(sys.argv[1])
image, net = torch.rand(1, 1, size, size), small()
answer = torch.rand_like(image)  # written to, so that it is there
held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
tiled(net, TILE, HALO)(image, out=answer)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held)
"""


def small() -> nn.Module:
    """Build a network whose padding reaches `HALO` pixels, and that is quick."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(1, WIDTH, 21, padding=10), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, 1, 21, padding=10)).eval()


@torch.no_grad()
def by_hand(net: nn.Module, image: Tensor) -> Tensor:
    """Run tiles as one would write it."""
    answer = torch.empty_like(image)
    height, width = image.shape[2:]
    for y, x in product(range(0, height, TILE), range(0, width, TILE)):
        top, left = max(0, y - HALO), max(0, x - HALO)
        bottom, right = min(height, y + TILE + HALO), min(width, x + TILE + HALO)
        found = net(image[..., top:bottom, left:right])
        down, across = min(TILE, height - y), min(TILE, width - x)
        answer[..., y : y + down, x : x + across] = found[
            ..., y - top : y - top + down, x - left : x - left + across
        ]
    return answer


def to_loop(pairs: int) -> Ratio:
    """Compare processor time with that of the loop, on 1,024 pixels each way."""
    net = small().to(memory_format=torch.channels_last)
    image = torch.rand(1, 1, 8 * TILE, 8 * TILE, generator=torch.manual_seed(0))
    ours = tiled(net, TILE, HALO)
    torch.testing.assert_close(ours(image), by_hand(net, image), rtol=0, atol=1e-4)
    return in_clocked_pairs(lambda: ours(image), lambda: by_hand(net, image), pairs)[1]


def memory(size: int) -> float:
    """Measure the peak beyond what is held before, image and answer among it, in MB."""
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, str(size)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return float(told.stdout) / 2**20


def describe_tiled() -> None:
    """Print both."""
    print(f"tiles of {TILE} with a halo of {HALO} (targets: ≤ 1.05 × a hand-written loop; no more "
          "memory on larger images)")  # fmt: skip
    print("  1024×1024, processor time ÷ that of the loop:", to_loop(pairs=5), flush=True)
    for size in (1024, 4096):
        print(f"  {size}×{size}: {memory(size):.0f} MB beyond image and answer", flush=True)
