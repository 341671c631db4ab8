"""Survey every trained network at hand, with random weights beside it, and write the page.

Run from a checkout::

    python -m evidence survey --images photos/ --weights weights/ --out runs/survey

What is done is not done again. ``--tables-only`` writes the page from what there is so far.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from evidence import DOCS
from evidence.figures import fill
from evidence.surveyed import SURVEYED, Surveyed
from evidence.wording import markdown
from padscope.findings.listing import Listing
from padscope.findings.survey import (
    Survey,
    property_listing,
    read_survey,
    side_listing,
    survey_listing,
)
from padscope.findings.words import NONE, number
from padscope.store.files import write_atomically

PAGE = DOCS / "survey.md"
TABLES = ("survey-models", "survey-places", "survey-sides")
LEFT_OUT = ("s a pass", "what its page says")  # of the listing: the page is no place for them


def line(entry: Surveyed, weights: Path, out: Path, limit: int) -> str:
    """Write a network's line of the list of models, and what it is shown if that is no photograph.

    Raises
    ------
    FileNotFoundError
        Its weights are not there.
    """
    options: dict[str, object] = {
        "--name": entry.network.name, "--weights": entry.weights(weights, out),
        "--year": entry.year, "--accuracy": entry.accuracy,
    }  # fmt: skip
    if entry.images is not None:
        shown = out / f"{entry.network.key}.npy"
        np.save(shown, entry.images(limit)[0].numpy())
        options["--images"] = shown
    given = [(name, str(value)) for name, value in options.items() if value is not None]
    return shlex.join([entry.network.spec, *(word for option in given for word in option)])


def write_list(weights: Path, out: Path, only: list[str] | None, limit: int) -> Path:
    """Write the list of the networks whose weights are there; name the others on stderr."""
    lines = []
    for entry in SURVEYED:
        if only and entry.network.key not in only:
            continue
        try:
            lines.append(line(entry, weights, out, limit))
        except FileNotFoundError as error:
            print(f"{entry.network.name}: {error} is missing", file=sys.stderr)
    path = out / "models.txt"
    write_atomically(path, "\n".join([*lines, ""]).encode())
    return path


def tables(survey: Survey) -> dict[str, str]:
    """Write the tables of the page, by their places."""
    said = "\n".join(f"- {sentence}" for sentence in read_survey(survey))
    if left := survey.left_out["name"].to_list():
        said += f"\n\nNot measured: {'; '.join(left)}."
    measured = survey.table.filter(pl.col("recognises").is_not_null())
    models = survey_listing(replace(survey, table=measured))
    kept = [
        place
        for place, name in enumerate(models.headings)
        if name not in LEFT_OUT and any(row[place] != NONE for row in models.rows)
    ]
    shown = Listing(
        tuple(models.headings[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in models.rows),
    )
    return {
        "survey-models": f"{_laid_out(shown)}\n\n{said}",
        "survey-places": _laid_out(property_listing(survey)),
        "survey-sides": f"{_laid_out(side_listing(survey))}\n\n{ends(survey)}",
    }


def _laid_out(listing: Listing) -> str:
    return markdown(listing.headings, listing.rows)


def ends(survey: Survey) -> str:
    """Say whether filters recognise the ends that have more padding."""
    sites = survey.sites.join(survey.trained.select("name"), on="name", how="semi")
    uneven = sites.filter("uneven")
    if uneven.is_empty():
        return "No site of these networks has uneven padding."
    by_name = uneven.group_by("name", maintain_order=True).agg(pl.col("fuller", "barer").sum())
    fuller, barer = (sum(by_name[name]) for name in ("fuller", "barer"))
    more = by_name.filter(pl.col("fuller") > pl.col("barer")).height
    share = number(100 * fuller / (fuller + barer)) if fuller + barer else NONE
    return (
        f"*At the {uneven.height:,} sites with uneven padding, of {by_name.height} networks: "
        f"{fuller:,} filter-sides recognise an end with more padding, {barer:,} the other "
        f"({share} % the former); more the former in {more} of {by_name.height}.*"
    )


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(prog="python -m evidence survey", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the weights")
    parser.add_argument("--out", type=Path, required=True, help="keep all here, go on from it")
    parser.add_argument("--limit", type=int, default=32, help="photographs, or sounds")
    parser.add_argument("--until", choices=("explain", "impact"), default="impact")
    parser.add_argument("--only", nargs="+", help="networks to measure, by key; all by default")
    parser.add_argument("--tables-only", action="store_true", help="measure nothing")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    listed = write_list(given.weights, given.out, given.only, given.limit)
    command = ["survey", "--models", listed, "--images", given.images, "--with-random",
               "--limit", given.limit, "--until", given.until, "--out", given.out]  # fmt: skip
    if given.tables_only:
        command.append("--tables-only")
    ended = subprocess.run([sys.executable, "-m", "padscope", *map(str, command)], check=False)
    if ended.returncode:  # which it has told
        sys.exit(ended.returncode)
    survey = Survey(
        pl.read_parquet(given.out / "survey.parquet"),
        pl.read_parquet(given.out / "survey_sites.parquet"),
    )
    page = PAGE.read_text(encoding="utf-8")
    for name, content in tables(survey).items():
        page = fill(page, name, content)
    write_atomically(PAGE, page.encode())
