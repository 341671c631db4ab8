"""Count the filters that recognise the border, network by network, on the method's page.

Run from a checkout::

    python -m evidence recognition --images photos/ --weights weights/ --out runs/

The table replaces what stands between its markers. Networks that are done are read from their runs,
and one that was stopped goes on where it was; those that are not done are named below the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from torch import Tensor

from evidence.figures import PAGE, fill
from evidence.measured import explained
from evidence.surveyed import SURVEYED, Surveyed
from evidence.wording import explanation, markdown
from padscope import RunDirectory, Study, load_model
from padscope.errors import PadscopeError
from padscope.evidence import RECOGNISED, STRONGLY_RECOGNISED
from padscope.findings.recognition import APART, NO_AIM, recognition
from padscope.images import PhotoFiles, open_photos
from padscope.models import LoadedModel
from padscope.running.memory import keep_freed_memory
from padscope.settings import ExplainSettings
from padscope.store.files import write_atomically
from padscope.study.explanation import FRESH, GIVEN, MATCHED, REESTIMATED
from padscope.study.inputs import make_probe

PLACE = "recognition"
SCANNED = 16  # all that is counted is measured again by what follows
SETTINGS = ExplainSettings.thorough(check=0, resamples=1)
HEADER = (
    "network", "images", "filters", "recognise", "… ≥ .8", "on crops alone: given", "re-estimated",
    "fresh", "matched", "≥ .8: given", "… re-estimated", "… fresh", "… matched", "q ≤ .05, fresh",
    "q ≤ .05, matched",
)  # fmt: skip


def measure(entry: Surveyed, images: Path, weights: Path, out: Path, photographs: int) -> Study:
    """Explain one network beside its baselines, or read what has been done before."""
    network = entry.network
    loaded = load_model(network.spec, weights=entry.weights(weights, out))
    count = max(1, round(photographs * network.share))
    shown, seen = _shown(entry, loaded, images, count)
    settings = replace(SETTINGS, limit=count)
    run = RunDirectory(out / f"{network.key}-{count}")
    return explained(loaded, shown, seen, settings, run, limit=SCANNED)


def _shown(
    entry: Surveyed, loaded: LoadedModel, images: Path, count: int
) -> tuple[PhotoFiles | Tensor, PhotoFiles | Tensor]:
    """Give what is scanned, and what is explained."""
    if entry.images is None:
        photos = open_photos(images, make_probe(loaded, 0), count)
        return photos, photos
    canvases, margin = entry.images(count)
    return canvases[..., margin:-margin], canvases


def counted(name: str, study: Study) -> tuple[object, ...]:
    """Write the counts of one network, a row."""
    found = recognition(study.filters, explanation(study))
    networks = explanation(study).networks
    q = {origin.kind: f"{origin.apart:,}" for origin in found.origins}
    kinds = (GIVEN, REESTIMATED, FRESH, MATCHED)
    return (
        name, f"{explanation(study).counts.images}", f"{found.measured:,}",
        f"{found.recognising:,}", f"{found.strongly:,}",
        *(_reaching(networks, kind, cut)
          for cut in (RECOGNISED, STRONGLY_RECOGNISED) for kind in kinds),
        *(q.get(kind, "–") for kind in (FRESH, MATCHED)),
    )  # fmt: skip


def _reaching(networks: pl.DataFrame, kind: str, cut: float) -> str:
    """Count the filters that reach a recall, in each network of a kind."""
    name = pl.col("network")
    own = networks.filter((name == kind) | name.str.starts_with(f"{kind} "))
    counts = [
        int((table["recall"].explode() >= cut).sum())
        for _, table in own.group_by("network", maintain_order=True)
    ]
    return ", ".join(f"{count:,}" for count in counts) or "–"


def said(name: str, study: Study) -> str:
    """Write what is said of one network, an entry of a list."""
    found = recognition(study.filters, explanation(study))
    beside = (origin.sentence for origin in found.origins)
    sentences = (
        *found.warnings, found.sentence, *beside, found.usual, *explanation(study).notes,
    )  # fmt: skip
    return f"- **{name}.** {' '.join(filter(None, sentences))}"


def written(studies: Sequence[tuple[str, Study]], missing: Sequence[str]) -> str:
    """Write the table of all networks, and what is said of each."""
    note = (
        f"*Recall ≥ {RECOGNISED:g} unless it says ≥ {STRONGLY_RECOGNISED:g}. Baselines: three "
        f"each, on the first {SETTINGS.baseline_images} images; a dash: not needed, or not to be "
        f"had. q ≤ {APART:g}: of the filters that recognise.*"
    )
    table = markdown(HEADER, [counted(*study) for study in studies], note)
    told = "\n".join(said(*study) for study in studies)
    left = f"\n\nNot run: {'; '.join(missing)}." if missing else ""
    return f"{table}\n\n{told}\n\n{NO_AIM}{left}"


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(prog="python -m evidence recognition", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the weights")
    parser.add_argument("--out", type=Path, required=True, help="keep runs here, go on from them")
    parser.add_argument("--photographs", type=int, default=96)
    parser.add_argument("--only", nargs="+", help="networks to run, by key; all by default")
    given = parser.parse_args()
    keep_freed_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    studies: list[tuple[str, Study]] = []
    missing = [entry.network.name for entry in SURVEYED]
    for entry in SURVEYED:
        name = entry.network.name
        if given.only and entry.network.key not in given.only:
            continue
        try:
            study = measure(entry, given.images, given.weights, given.out, given.photographs)
        except (PadscopeError, FileNotFoundError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(said(name, study), flush=True)
        studies.append((name, study))
        missing.remove(name)
        page = fill(PAGE.read_text(encoding="utf-8"), PLACE, written(studies, missing))
        write_atomically(PAGE, page.encode())
