"""What a study found, in numbers and sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from padscope.kinds import CANDIDATE, SMALL_MAP, STRONG
from padscope.regions import sides_of
from padscope.report.words import size
from padscope.settings import ExplainSettings, Settings
from padscope.study import Explanation, Study

_BUILTIN = re.compile(
    r"(?:\d+ of )?\d+ random crops of (\d+) built-in photographs(?: \(seed \d+\))?"
)
# Settings that the command line has an option for.
_OPTIONS = ("limit", "seed", "batch_size", "per_line", "per_core", "until_stable")


@dataclass(frozen=True)
class Answer:
    """The counts that the page opens with.

    Attributes
    ----------
    filters, sites : int
        Scored ones.
    respond, strong, unmeasured, undecided, far : int
        Filters: strong ones respond too; `far` of the undecided are beyond the margin.
    small : int
        Responding filters on maps that need a counterfactual.
    apart : int
        Responding filters whose strongest side has no padding of the site's own.
    nonfinite : int
        Filters with NaN or infinite values.
    images, skipped : int
    builtin : int
        Independent photographs of the built-in set; 0 for other images.
    """

    filters: int
    sites: int
    respond: int
    strong: int
    unmeasured: int
    undecided: int
    far: int
    small: int
    apart: int
    nonfinite: int
    images: int
    skipped: int
    builtin: int


def answer(study: Study) -> Answer:
    """Count what a study found."""
    filters = study.filters
    responding = filters.filter(pl.col("ks") >= CANDIDATE)
    apart = study.sides.filter(pl.col("contact") == 0).select("site", "filter", "side")
    far, undecided = study.undecided()
    builtin = _BUILTIN.fullmatch(study.images)
    return Answer(
        filters=filters.height,
        sites=int(study.sites["scored"].sum()),
        respond=responding.height,
        strong=filters.filter(pl.col("ks") >= STRONG).height,
        unmeasured=filters["ks"].null_count(),
        undecided=undecided,
        far=far,
        small=int(responding["needs_counterfactual"].sum()),
        apart=responding.join(apart, on=["site", "filter", "side"], how="semi").height,
        nonfinite=filters.filter(pl.col("nonfinite") > 0).height,
        images=study.counted.images,
        skipped=len(study.counted.skipped),
        builtin=int(builtin[1]) if builtin else 0,
    )


def site_rows(study: Study) -> tuple[list[str], list[dict[str, Any]]]:
    """Rows of the table of sites, scored or not, and the sides they have between them."""
    scored = {row["site"]: row for row in study.summary().iter_rows(named=True)}
    ranks: dict[Any, int] = {(p.site, p.filter): i for i, p in enumerate(study.portraits, start=1)}
    rows = []
    for site in study.sites.iter_rows(named=True):
        sides = sides_of(len(site["map_size"]))
        found = scored.get(site["site"], {})
        pads, contacts = (
            {s.name: site[f"{what}_{'after' if s.far else 'before'}"][s.axis] for s in sides}
            for what in ("pad", "contact")
        )
        rows.append(
            site
            | {name: size(site[name]) for name in ("kernel", "stride", "map_size")}
            | {"dilation": "" if set(site["dilation"]) == {1} else size(site["dilation"])}
            | {"pads": pads, "contacts": contacts, "found": found}
            | {"small": min(site["map_size"], default=0) < SMALL_MAP}
            | {"card": ranks.get((site["site"], found.get("strongest")))}
        )
    present = {name for row in rows for name in row["pads"]}
    return [side.name for side in sides_of(3) if side.name in present], rows


def commands(study: Study) -> tuple[str | None, list[str]]:
    """How to get the same study: a command, if the model has a spec, and lines of Python."""
    spec = study.identity["model"]
    settings = study.identity["settings"]
    builtin = bool(_BUILTIN.fullmatch(study.images))
    named = spec == "lite0" or ":" in spec or spec.endswith(".pt2")
    defaults = asdict(Settings())
    changed = {name: value for name, value in settings.items() if value != defaults.get(name)}
    command = None
    if named and (builtin or "photograph" in study.images) and changed.keys() <= set(_OPTIONS):
        options = {name: settings[name] for name in ("limit", "seed")} | changed
        typed = {name: study.invocation.get(name) for name in ("weights", "size", "mean", "std")}
        options |= {name: value for name, value in typed.items() if value is not None}
        images = [] if builtin else ["--images", "IMAGES"]
        command = _command(
            ["padscope", "scan", spec, *images, *(["-o", "RUN"] if study.explanation else [])],
            options,
        )
        if study.explanation:
            command += "\n" + _explain_command(study.explanation)
    listed = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    given = "None" if builtin else "images"
    lines = [
        "import padscope",
        f"study = padscope.scan({repr(spec) if named else 'model'}, {given}, "
        f"padscope.Settings({listed}))",
    ]
    if study.explanation:
        lines.append(explain_call(study.explanation, repr(spec) if named else "model", given))
    return command, lines


def _explain_command(explanation: Explanation) -> str:
    settings = explanation.identity["settings"]
    defaults = asdict(ExplainSettings())
    options = {
        name: settings[name]
        for name in ("limit", "margin", "baselines", "seed", "batch_size")
        if settings[name] != defaults[name]
    }
    return _command(["padscope", "explain", "RUN"], options)


def _command(words: list[str], options: Mapping[str, object]) -> str:
    return shlex.join(words + [word for option in options.items() for word in _option(*option)])


def explain_call(explanation: Explanation, model: str, images: str) -> str:
    """Write the line of Python that explains a study again."""
    defaults = asdict(ExplainSettings())
    settings = explanation.identity["settings"]
    listed = ", ".join(
        f"{name}={value!r}" for name, value in settings.items() if value != defaults.get(name)
    )
    return (
        f"study = padscope.explain(study, {model}, {images}, "
        f"padscope.settings.ExplainSettings({listed}))"
    )


def _option(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is True:
        return [flag]
    return [flag, str(0 if value is None else value)]  # no limit is written 0
