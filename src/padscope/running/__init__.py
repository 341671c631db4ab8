"""Where the work runs: one loop, and runners that can be exchanged."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.running.loop import (
        Job,
        Measurement,
        Packed,
        Pulse,
        State,
        Unwatched,
        Watch,
        no_pulse,
        run_units,
    )
    from padscope.running.packing import from_bytes, to_bytes
    from padscope.running.ray_workers import RayRunner
    from padscope.running.recorded import Findings, Recorded, Recording
    from padscope.running.runners import RUNNERS, LocalRunner, Runner, find_runner
    from padscope.running.spans import Spans
    from padscope.running.sums import PairwiseSums
    from padscope.running.torchrun import TorchrunRunner

__all__ = [
    "RUNNERS",
    "Findings",
    "Job",
    "LocalRunner",
    "Measurement",
    "Packed",
    "PairwiseSums",
    "Pulse",
    "RayRunner",
    "Recorded",
    "Recording",
    "Runner",
    "Spans",
    "State",
    "TorchrunRunner",
    "Unwatched",
    "Watch",
    "find_runner",
    "from_bytes",
    "no_pulse",
    "run_units",
    "to_bytes",
]

__getattr__, __dir__ = lazily(__name__)
