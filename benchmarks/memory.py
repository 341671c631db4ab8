"""Peak memory of a scan, which must not grow with the number of images."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def peak(images: int) -> float:
    """Peak resident memory, in MB, of a fresh process that scans so many images."""
    command = [sys.executable, "-m", "benchmarks.memory", str(images)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output)


def main(images: int) -> None:
    """Scan, and print the peak of this process."""
    from benchmarks.scan import Repeated, crops, scanned
    from padscope import load_model
    from padscope.running.memory import keep_freed_memory

    keep_freed_memory()
    loaded = load_model("lite0")
    # The same positions for any number of images: their default depends on it.
    scanned(loaded, Repeated(crops(loaded, 64), images), images, per_line=1)()
    print(_peak())


def _peak() -> float:
    """Peak resident memory of this process, in MB.

    From what Linux keeps for this program alone: `getrusage` begins with the peak of the process
    that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
