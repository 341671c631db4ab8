"""Measure everything: `python -m benchmarks`, or `python -m benchmarks scan memory …`.

`kills`, `interrupts`, `decoys`, `controls`, `nulls`, `onnx`, `recall`, `depth_bounds`,
`calibration`, `sweep` and `fuzz` are run when they are named only: they measure no time.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from tests.synthetic_gallery import many_filters

from benchmarks.audit import describe_audit
from benchmarks.calibration import describe_calibration
from benchmarks.controls import describe_controls
from benchmarks.decoding import describe_decoding
from benchmarks.decoys import describe_decoys
from benchmarks.depth import describe_depth
from benchmarks.depth_bounds import describe_depth_bounds
from benchmarks.explain import explain_to_bare
from benchmarks.fuzz import describe_fuzz
from benchmarks.impact import estimate_to_bare, estimate_to_exact
from benchmarks.kills import AUDIT, STAGES, sweep
from benchmarks.memory import (
    LARGE,
    LITE0,
    LOCAL,
    RAY,
    SMALL_IMAGES,
    TORCHRUN,
    beside_bare,
    growth,
)
from benchmarks.nulls import describe_nulls
from benchmarks.onnx_files import describe_onnx
from benchmarks.page import describe_page
from benchmarks.passes import describe_passes
from benchmarks.recall import describe_recall
from benchmarks.runners import describe_runners
from benchmarks.scan import scan_to_bare, scan_to_bare_from_files, scan_to_script
from benchmarks.sweep import describe_sweep
from benchmarks.tiled import describe_tiled
from padscope.running.memory import keep_freed_memory
from padscope.store import load_study
from padscope.study import EXPLAIN, IMPACT, SCAN


def _scan() -> None:
    print("scan ÷ bare forward (targets: lite0 ≤ 1.10 and ≤ 1.15, resnet50 ≤ 1.05)")
    print("  lite0, 1,000 images (default):", scan_to_bare("lite0", 1008, pairs=7))
    print("  lite0, 400 images:            ", scan_to_bare("lite0", 400, pairs=7))
    print("  resnet50, 320 images, random weights, positions as for 1,000:")
    print("   ", scan_to_bare("torchvision:resnet50", 320, pairs=5, weights="random"))
    print("  lite0, 400 images, from files:", scan_to_bare_from_files(400, pairs=5))


def _script() -> None:
    print("scan against the obvious script, lite0, 96 images (target: 20 × faster)")
    ours, forward, collecting, comparing = scan_to_script(96)
    print(f"  scan {ours:.2f} s, bare forward {forward:.2f} s")
    print(f"  script {collecting:.2f} s to collect, {comparing:.0f} s to compare (extrapolated)")
    print(f"  {(collecting + comparing) / ours:.0f} × faster")


def _memory() -> None:
    print("peak memory (target: within 2 % whatever the number of images)")
    print("  lite0:", *growth(LITE0, (SCAN, EXPLAIN), 208, 2000), sep="\n    ")
    for runner in (LOCAL, TORCHRUN, RAY):
        stages = (IMPACT,) if runner == LOCAL else (SCAN, EXPLAIN, IMPACT)
        grown = growth(SMALL_IMAGES, stages, 208, 2000, runner)
        print("  lite0, 96 pixels:", *grown, sep="\n    ", flush=True)
    print("  EfficientNet-B4, random weights:", *beside_bare(LARGE, 96), sep="\n    ")


def _explain() -> None:
    print("explain ÷ bare forward of the crops (target: ≤ 1.15 × the unavoidable part)")
    print("  lite0, 96 images: ", explain_to_bare("lite0", 96, margin=128, pairs=5))
    print("  lite0, 384 images:", explain_to_bare("lite0", 384, margin=128, pairs=3))
    usual = explain_to_bare("lite0", 96, margin=128, pairs=3, fresh=3)
    print("  lite0, 96 images and four baselines, the default:", usual)


def _impact(source: str | None = None) -> None:
    print("estimated impact of every filter (target: ≤ 6 forward passes, Spearman ≥ .9)")
    print("  lite0, 96 images, ÷ bare forward:", estimate_to_bare("lite0", 96, pairs=5))
    print("  lite0, against exact effects:", estimate_to_exact("lite0", source, 48, filters=60))


def _page(run: str | None = None) -> None:
    print("page (targets: a run of lite0 ≤ 6 MB, first card ≤ 1.5 s after the load event; "
          "20,000 filters ≤ 10 s and ≤ 15 MB)")  # fmt: skip
    if run:
        print("  the run:", describe_page(load_study(run), times=5))
    print("  made up:", describe_page(many_filters(), times=3))


def _sweep(models: str, *, write: bool) -> None:
    if not describe_sweep(models, write=write):
        sys.exit(1)


def _kills(
    times: int = 100,
    seed: int = 0,
    by: signal.Signals = signal.SIGKILL,
    network: str | None = None,
) -> None:
    print(f"audits ended by {by.name} at random moments, and run again")
    print("(targets: all end in the same bytes; Ctrl-C ends them within 5 s)")
    folder = Path(tempfile.mkdtemp(prefix="padscope-kills-"))
    say = partial(print, " ", flush=True)  # at once: whoever ends the sweep has what it found
    audit = ("audit", network, "--limit", "24", "--checkpoint", "60", "-o") if network else AUDIT
    swept = sweep(folder, times, seed, tell=say, by=by, audit=audit)
    say(swept)
    if swept.different or max(swept.seconds) > 5 or not all(swept.kills[stage] for stage in STAGES):
        sys.exit(1)
    shutil.rmtree(folder)


BENCHMARKS: dict[str, Callable[[], None]] = {
    "scan": _scan,
    "script": _script,
    "memory": _memory,
    "explain": _explain,
    "impact": _impact,
    "audit": describe_audit,
    "passes": describe_passes,
    "page": _page,
    "depth": describe_depth,
    "tiled": describe_tiled,
    "runners": describe_runners,
    "kills": _kills,
    "interrupts": partial(_kills, 10, by=signal.SIGINT),
    "decoys": describe_decoys,
    "controls": describe_controls,
    "nulls": describe_nulls,
    "onnx": describe_onnx,
    "recall": describe_recall,
    "depth_bounds": describe_depth_bounds,
    "calibration": describe_calibration,
    "decoding": describe_decoding,
    "fuzz": describe_fuzz,
    "sweep": partial(_sweep, "*", write=False),
}
MEASURE_NO_TIME = (
    "kills", "interrupts", "decoys", "controls", "nulls", "onnx", "recall", "depth_bounds",
    "calibration", "sweep",
)  # fmt: skip
COSTS = [name for name in BENCHMARKS if name not in MEASURE_NO_TIME]

if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(BENCHMARKS), default=COSTS)
    parser.add_argument("--images", help="photographs, for those that take any; else built-in")
    parser.add_argument("--run", help="a finished run whose page is measured too")
    parser.add_argument(
        "--times", type=int, help="of kills (100), of interrupts (10), of fuzz (1000)"
    )
    parser.add_argument("--network", help="of interrupts (a tiny one) and of audit (all)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the moments of the kills, of the damage of fuzz"
    )
    parser.add_argument("--seeds", type=int, help="of controls (10), of nulls (3), of calibration")
    parser.add_argument("--architectures", type=int, help="of nulls; all of them if not given")
    parser.add_argument("--models", default="*", help="of sweep: names with *, as 'timm:res*'")
    parser.add_argument(
        "--write", action="store_true", help="of sweep: keep what it found in its table"
    )
    given = parser.parse_args()
    keep_freed_memory()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in given.names:
        if name == "impact":
            _impact(given.images)
        elif name == "audit":
            describe_audit(given.images, *given.network.split(",") if given.network else ())
        elif name == "page":
            _page(given.run)
        elif name == "kills":
            _kills(given.times or 100, given.seed)
        elif name == "interrupts":
            _kills(given.times or 10, given.seed, signal.SIGINT, given.network)
        elif name == "controls":
            describe_controls(given.seeds or 10, given.images)
        elif name == "nulls":
            describe_nulls(given.architectures, given.seeds or 3, given.images)
        elif name == "calibration":
            describe_calibration(given.seeds or 1000)
        elif name == "sweep":
            _sweep(given.models, write=given.write)
        elif name == "decoding":
            describe_decoding(given.images)
        elif name == "fuzz":
            describe_fuzz(given.times or 1000, given.seed)
        elif name == "recall":
            describe_recall(given.images)
        else:
            BENCHMARKS[name]()
