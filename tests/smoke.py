"""An installed padscope from end to end on a planted network; `make smoke` runs it.

It needs nothing but padscope and what padscope depends on, in whatever versions.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path
from tempfile import TemporaryDirectory

import padscope

IMAGES = 64


def smoke(folder: Path) -> None:
    """Scan, explain and test a network of known filters, and look at the run by every command."""
    network = padscope.planted.networks()["sides"]
    canvases = network.images(IMAGES, seed=0)
    settings = padscope.ExplainSettings(
        limit=IMAGES, margin=network.margin[0], baselines=1, check=0, calibrate=8
    )
    study = padscope.scan(network.module, network.crop(canvases))
    study = padscope.explain(study, network.module, canvases, settings)
    study = padscope.impact(study, network.module, canvases)
    found = {(site, index) for site, index in study.pans().select("site", "filter").iter_rows()}
    planted = {(plant.site, plant.filter) for plant in network.plants if plant.sides}
    assert found and found <= planted, f"found {found - planted}, which were not planted"
    study.plot("depth").to_dict()
    run = folder / "run"
    padscope.RunDirectory(run).save(study)
    site, index = min(found)
    for command in (
        ["--version"], ["sites", "torchvision:resnet18", "--weights", "random"],
        ["show", run], ["show", run, site, index], ["verdict", run, "--json"],
        ["check", run, "--max-share", "1"], ["compare", run, "-o", folder / "beside"],
        ["figure", run, "all"], ["report", run],
    ):  # fmt: skip
        words = [str(word) for word in command]
        subprocess.run(
            [sys.executable, "-m", "padscope", *words], check=True, stdout=subprocess.DEVNULL
        )
    assert (run / "report.html").stat().st_size > 100_000
    assert (run / "figures" / "depth.png").stat().st_size > 10_000


if __name__ == "__main__":
    needed = [line.split(">=")[0] for line in requires("padscope") or [] if ";" not in line]
    print(", ".join(f"{name} {version(name)}" for name in ["padscope", *needed]))
    with TemporaryDirectory() as there:
        smoke(Path(there))
    print("finds what was planted, and every command that looks at it works")
