"""Write the figures of the impact's page from finished runs.

Run from a checkout, once the runs named on the page are there::

    python -m evidence used runs/lite0 runs/resnet20 runs/vdsr
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evidence import DOCS
from evidence.figures import fill
from evidence.wording import decimal, markdown, percent
from padscope import Study, load_study
from padscope.errors import PadscopeError
from padscope.store.files import write_atomically
from padscope.study import Impact

PAGE = DOCS / "impact.md"
PRIMARY = {"classes": "kl", "dense": "change", "values": "change"}
SHOWN_DOSES = (1, 4, 16, 64, 256, 1024)
SHOWN_DISTANCES = (0, 1, 2, 4, 8, 12, 16, 20)
SHOWN_SETS = ("recognising", "confirmed but not recognising", "confirmed", "all padding")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    name : str
        Of its directory.
    study : Study
    impact : Impact
        Of the study.
    """

    name: str
    study: Study
    impact: Impact

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run directory; raises `PadscopeError` if its impact was not measured."""
        study = load_study(path)
        if study.impact is None:
            raise PadscopeError(f"the impact of {path} was not measured; run padscope impact first")
        return cls(path.name, study, study.impact)

    @property
    def measure(self) -> str:
        """What effects on the answer are measured by."""
        return PRIMARY[self.impact.answer]


def tested(runs: Sequence[Run]) -> str:
    """Say what was run."""
    rows = []
    for run in runs:
        row = run.impact.use
        draws = row["draws"] if row else 0
        rows.append(
            (
                run.name, run.impact.answer, run.impact.counted,
                run.impact.labels or "none", run.impact.fill, draws,
                f"{run.study.pans().height:,}",
                f"{run.study.pans(label='confirmed').height:,}",
            )
        )  # fmt: skip
    header = ("run", "answer", "images", "labels", "undone by", "control draws", "recognising",
              "confirmed")  # fmt: skip
    return markdown(header, rows, names=2)


def effects(runs: Sequence[Run]) -> str:
    """Say what undoing sets of filters changes."""
    rows = []
    for run in runs:
        wanted = (pl.col("measure") == run.measure) & (pl.col("set") != "all padding")
        for row in run.impact.effects.filter(wanted).iter_rows(named=True):
            flips = run.impact.effect(row["set"], "flip", row["change"])
            accuracy = run.impact.effect(row["set"], "accuracy", row["change"])
            rows.append(
                (
                    run.name, f"{row['set']}, {row['change']}", f"{row['filters']:,}",
                    f"{row['matched']:,}", _interval(row, "effect", "low", "high"),
                    _interval(row, "control", "control_low", "control_high"),
                    decimal(row["p"], 3), decimal(row["disturbance"], 3), _share(flips),
                    _share(accuracy, signed=True),
                )
            )  # fmt: skip
    header = ("run", "set, change", "filters", "with controls", "effect", "controls", "p",
              "same in the core", "flips", "accuracy, points")  # fmt: skip
    note = (
        "*Effect: KL divergence in nats for classes, else change in standard deviations of the "
        "answer, 95 % over images. Controls: mean, least and greatest draw.*"
    )
    return markdown(header, rows, note, names=2)


def partners(runs: Sequence[Run]) -> str:
    """Set recognising filters beside confirmed ones that do not recognise."""
    rows = []
    for run in runs:
        row = run.impact.use
        if row is None or row["paired"] is None:
            continue
        rows.append(
            (
                run.name, f"{row['filters']:,}", f"{row['paired']:,}",
                decimal(row["paired_effect"], 4), decimal(row["partner"], 4),
                _interval(row, "beyond", "beyond_low", "beyond_high"),
            )
        )  # fmt: skip
    header = ("run", "recognising", "with a partner", "their effect", "that of the partners",
              "difference")  # fmt: skip
    return markdown(header, rows)


def estimates(runs: Sequence[Run]) -> str:
    """Say how well estimates agree with exact effects."""
    rows = [
        (
            run.name, f"{run.study.filters['impact'].count():,}",
            int(run.impact.agreement["filters"]), int(run.impact.agreement["images"]),
            f"{run.impact.agreement['spearman']:.3f} [{run.impact.agreement['low']:.3f} to "
            f"{run.impact.agreement['high']:.3f}]",
            decimal(run.impact.agreement.get("spearman_kl")),
        )
        for run in runs
        if run.impact.agreement
    ]  # fmt: skip
    header = ("run", "filters estimated", "checked exactly", "images", "rank correlation",
              "with KL")  # fmt: skip
    return markdown(header, rows)


def doses(runs: Sequence[Run]) -> str:
    """Say what undoing the strongest few changes."""
    rows = []
    for run in runs:
        if run.impact.doses.is_empty():
            continue
        own = run.impact.doses.filter(
            (pl.col("measure") == run.measure) & pl.col("filters").is_in(SHOWN_DOSES)
        )
        rows += [
            (
                run.name, f"{row['filters']:,}", row["images"],
                _interval(row, "effect", "low", "high"),
                _interval(row, "control", "control_low", "control_high"), decimal(row["p"], 3),
            )
            for row in own.iter_rows(named=True)
        ]  # fmt: skip
    return markdown(("run", "strongest", "images", "effect", "controls", "p"), rows)


def distances(runs: Sequence[Run]) -> str:
    """Say how deep into dense answers undoing reaches."""
    rows: list[tuple[object, ...]] = []
    for run in runs:
        table = run.impact.distances
        for chosen in SHOWN_SETS if table.height else ():
            own = {row["distance"]: row for row in table.filter(set=chosen).iter_rows(named=True)}
            cells = [
                _interval(own[d], "change", "low", "high") for d in SHOWN_DISTANCES if d in own
            ]
            rows.append((run.name, chosen, *cells))
            if own and own[0]["control"] is not None:
                controls = [decimal(own[d]["control"], 4) for d in SHOWN_DISTANCES if d in own]
                rows.append((run.name, f"controls of {chosen}", *controls))
    header = ("run", "undone", *(f"{distance} px" for distance in SHOWN_DISTANCES))
    return markdown(header, rows, names=2)


def classes(runs: Sequence[Run]) -> str:
    """Say which classes gain and lose most when the filters of the headline are undone."""
    rows = []
    for run in runs:
        if run.impact.classes.is_empty():
            continue
        own = run.impact.classes.filter(pl.col("set") == run.impact.headline)
        found = own.filter(pl.col("q") < SIGNIFICANT)
        most = own.sort(pl.col("excess").abs(), descending=True, nulls_last=True).head(3)
        named = "; ".join(
            f"{row['name'] or row['class']} {100 * row['excess']:+.2f} "
            f"[{100 * row['excess_low']:+.2f} to {100 * row['excess_high']:+.2f}], q {row['q']:.2g}"
            for row in most.drop_nulls("q").iter_rows(named=True)
        )
        gain = found.filter(pl.col("excess") > 0).height
        needed = own["images_needed"][0]
        rows.append((run.name, own.height, gain, found.height - gain, needed or "–", named))
    header = ("run", "classes", "gain at q < .05", "lose", "images needed for the first",
              "greatest changes beyond the controls, points")  # fmt: skip
    return markdown(header, rows)


def views(runs: Sequence[Run]) -> str:
    """Say how steady answers are when the frame moves, with and without the filters."""
    rows = []
    for run in runs:
        if run.impact.views.is_empty():
            continue
        together = run.impact.views.filter(pl.col("amount").is_null())
        for (view, measure), part in together.group_by(["view", "measure"], maintain_order=True):
            by = {row["treatment"]: row for row in part.iter_rows(named=True)}
            undone = by.get("PANs undone")
            rows.append(
                (
                    run.name, view, measure, _interval(by["as is"], "value", "low", "high"),
                    "–" if undone is None else _interval(
                        undone, "difference", "difference_low", "difference_high"
                    ),
                    "–" if undone is None else decimal(undone["control_difference"], 3),
                    decimal(by["all padding refilled"]["value"], 3),
                )
            )  # fmt: skip
    header = ("run", "view", "measure", "as is", "more with PANs undone", "controls",
              "all padding refilled")  # fmt: skip
    return markdown(header, rows, names=3)


def readouts(runs: Sequence[Run]) -> str:
    """Say how well the position can be read from pooled features."""
    rows = [
        (
            run.name, row["treatment"], row["axis"], _interval(row, "r2", "low", "high"),
            decimal(row["chance"], 3), row["images"],
        )
        for run in runs
        if run.impact.readout.height
        for row in run.impact.readout.iter_rows(named=True)
    ]  # fmt: skip
    return markdown(("run", "treatment", "axis", "R²", "chance", "images"), rows, names=3)


def bands(runs: Sequence[Run]) -> str:
    """Say what false borders do."""
    rows = []
    for run in runs:
        if run.impact.bands.is_empty():
            continue
        own = run.impact.bands.filter(
            (pl.col("measure") == run.measure) & (pl.col("band") == "fill")
        )
        for row in own.iter_rows(named=True):
            fired = run.impact.firing.filter(pl.col("width") == row["width"]).drop_nulls("firing")
            rows.append(
                (
                    run.name, row["width"], _interval(row, "value", "low", "high"),
                    _interval(row, "excess", "excess_low", "excess_high"),
                    *(_weighted(fired, name) for name in ("firing", "mean_colour", "control")),
                )
            )  # fmt: skip
    header = ("run", "width, px", "change of the answer", "more than a band of the mean colour",
              "filters fire", "at the mean colour", "without a band")  # fmt: skip
    return markdown(header, rows)


def _weighted(fired: pl.DataFrame, name: str) -> str:
    weight = pl.col("filters") / pl.col("filters").sum()
    return percent(fired.select((pl.col(name) * weight).sum()).item(), 1)


def _interval(row: dict[str, Any], value: str, low: str, high: str) -> str:
    if row[value] is None:
        return "–"
    ends = "" if row[low] is None else f" [{row[low]:.3g} to {row[high]:.3g}]"
    return f"{row[value]:.3g}{ends}"


def _share(row: dict[str, Any] | None, *, signed: bool = False) -> str:
    if row is None:
        return "–"
    sign = "+" if signed else ""
    chance = "" if row["p"] is None else f" (p {row['p']:.2f})"
    return f"{100 * row['effect']:{sign}.1f}{'' if signed else ' %'}{chance}"


TABLES: dict[str, Callable[[Sequence[Run]], str]] = {
    "tested": tested, "effects": effects, "partners": partners, "estimates": estimates,
    "distances": distances, "doses": doses,
    "classes": classes, "views": views, "readouts": readouts, "bands": bands,
}  # fmt: skip


def all_tables(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Write all tables, by the name of their place."""
    for name, table in TABLES.items():
        yield name, table(runs)


def main() -> None:
    """Read, and write."""
    parser = argparse.ArgumentParser(prog="python -m evidence used", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = [Run.read(path) for path in parser.parse_args().runs]
    page = PAGE.read_text(encoding="utf-8")
    for name, table in all_tables(runs):
        page = fill(page, name, table)
    write_atomically(PAGE, page.encode())
