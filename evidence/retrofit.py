"""Retrofit trained networks, and write what came of it into the how-to page.

Run from a checkout, with the weights that the page names::

    python -m evidence retrofit --images photos/ --weights weights/ --out retrofits/
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence import DOCS
from evidence.figures import fill
from evidence.wording import markdown
from padscope import load_model, retrofit
from padscope.figures.rendering import inline
from padscope.figures.retrofit import before_and_after
from padscope.figures.theme import printed
from padscope.findings.json import plain
from padscope.findings.retrofit import retrofit_json
from padscope.findings.words import NONE, interval, number
from padscope.running.memory import keep_freed_memory
from padscope.settings import RetrofitSettings
from padscope.store.files import dump_json, write_atomically
from padscope.store.weights import FileJournal, write_retrofit

PAGE = DOCS / "howto" / "retrofit.md"


@dataclass(frozen=True)
class Tried:
    """A network that is retrofitted."""

    key: str
    name: str
    spec: str
    weights: str
    settings: RetrofitSettings


TRIED = (
    Tried(
        "vdsr", "VDSR", "examples.vdsr:vdsr", "vdsr.safetensors",
        RetrofitSettings(size=(48, 48), margin=20),
    ),
    Tried(
        "resnet20", "CIFAR ResNet-20", "examples.cifar_resnet:resnet20",
        "cifar_resnet20.safetensors",
        RetrofitSettings(limit=72, margin=48),
    ),
)  # fmt: skip


def run(tried: Tried, images: Path, weights: Path, out: Path) -> None:
    """Retrofit one network; what is done already is not done again."""
    result = out / f"{tried.key}.json"
    if result.exists():
        return
    journal = FileJournal(out / f"{tried.key}.resume", 60)
    model = load_model(tried.spec, weights=weights / tried.weights)

    def tell(done: int, total: int | None, _: float | None) -> None:
        print(f"\r{tried.name}: {done:,} of {total or 0:,} passes", end="", file=sys.stderr)

    found = retrofit(model, images, tried.settings, journal=journal, progress=tell)
    file = out / f"{tried.key}.safetensors"
    write_retrofit(file, found)
    told = retrofit_json(found, file.name)
    told["chart"] = printed(inline(before_and_after(found)))
    write_atomically(result, dump_json(plain(told)))
    journal.remove()


HEADER = (
    "network", "padding", "border error", "less as given", "interior", "answer", "respond",
    "recall",
)  # fmt: skip


def section(tried: Tried, told: dict[str, Any]) -> str:
    """Write the table, and what is said of it."""
    rows = [
        (
            row["network"], row["padding"],
            f"{number(row['error'])} {interval(row['low'], row['high'])}",
            f"{number(row['change'])} {interval(row['change_low'], row['change_high'])}",
            number(row["interior"]), number(row["answer"]),
            *(NONE if row[name] is None else row[name] for name in ("responds", "recalled")),
        )
        for row in told["networks"]
    ]  # fmt: skip
    drawn = f"![Border errors of all these networks](retrofit-{tried.key}.svg)"
    told_in_words = " ".join(told["sentences"])
    return f"### {tried.name}\n\n{markdown(HEADER, rows)}\n\n{drawn}\n\n{told_in_words}\n"


def main() -> None:
    """Retrofit, and write."""
    parser = argparse.ArgumentParser(prog="python -m evidence retrofit", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the weights")
    parser.add_argument("--out", type=Path, required=True, help="keep results here, go on there")
    parser.add_argument("--only", nargs="+", choices=[each.key for each in TRIED])
    given = parser.parse_args()
    keep_freed_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    page = PAGE.read_text(encoding="utf-8")
    for tried in TRIED:
        if given.only and tried.key not in given.only:
            continue
        run(tried, given.images, given.weights, given.out)
        told = json.loads((given.out / f"{tried.key}.json").read_text(encoding="utf-8"))
        page = fill(page, tried.key, section(tried, told))
        write_atomically(PAGE.with_name(f"retrofit-{tried.key}.svg"), told["chart"].encode())
    write_atomically(PAGE, page.encode())
