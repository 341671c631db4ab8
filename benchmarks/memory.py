"""Peak memory of a scan, which must not grow with the number of images."""

from __future__ import annotations

import resource
import subprocess
import sys


def peak(images: int) -> float:
    """Peak resident memory, in MB, of a fresh process that scans so many images."""
    command = [sys.executable, "-m", "benchmarks.memory", str(images)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output)


def main(images: int) -> None:
    """Scan, and print the peak of this process."""
    from benchmarks.scan import Repeated, crops, scanned
    from padscope import load_model
    from padscope.engines import keep_freed_memory

    keep_freed_memory()
    loaded = load_model("lite0")
    # The same positions for any number of images: their default depends on it.
    scanned(loaded, Repeated(crops(loaded, 64), images), images, per_line=1)()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(int(sys.argv[1]))
