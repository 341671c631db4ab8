"""How to get the same study again: commands, and lines of Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from padscope.findings.checks import BUILTIN
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.study import Study

# What the commands have options for; a stage of other settings can be had from Python alone.
OPTIONS = {
    "scan": ("limit", "seed", "batch_size", "per_line", "per_core", "until_stable"),
    "explain": ("limit", "margin", "baselines", "seed", "batch_size"),
    "impact": ("limit", "seed", "batch_size", "fill", "draws", "output", "metric"),
}
_WRITTEN = {"scan": ("limit", "seed"), "explain": (), "impact": ("limit",)}  # even if default
# Images that a command can name, as their sources describe them.
_NAMED = re.compile(r"\d+ (?:of \d+ )?(?:photograph|window|array|recording|volume)s?\b")
_LOADING = (
    "weights",
    "size",
    "mean",
    "std",
    "input_adapter",
)  # options that say how the model is loaded


@dataclass(frozen=True)
class _Stage:
    """One stage of a study: its settings, its images in words, and whether it has labels."""

    name: str
    settings: Mapping[str, Any]
    made: ScanSettings | ExplainSettings | ImpactSettings
    images: str
    labels: bool = False

    @property
    def builtin(self) -> bool:
        return bool(BUILTIN.match(self.images))

    @property
    def changed(self) -> dict[str, Any]:
        defaults = asdict(self.made)
        return {n: value for n, value in self.settings.items() if value != defaults.get(n)}

    def has_options(self, *, builtin: bool) -> bool:
        """Whether the command has an option for all that is not its default."""
        # Images are named, or else those of the scan are taken: `builtin`, or others.
        images = builtin if self.builtin else _NAMED.match(self.images)
        return bool(images) and self.changed.keys() <= set(OPTIONS[self.name])


def commands(study: Study) -> tuple[list[str], list[str]]:
    """How to get the same study: commands, if they can give it, and lines of Python."""
    stages = list(_stages(study))
    spec = study.identity["model"]
    named = spec == "lite0" or ":" in spec or spec.endswith(".pt2")
    scanned = stages[0].builtin
    typed = named and all(stage.has_options(builtin=scanned) for stage in stages)
    return (
        [_command(study, stage, several=len(stages) > 1) for stage in stages] if typed else [],
        [*_begin(study, named=named), *(_call(stage) for stage in stages)],
    )


def _stages(study: Study) -> Iterator[_Stage]:
    yield _Stage("scan", study.identity["settings"], ScanSettings(), study.images)
    if study.explanation:
        settings = study.explanation.identity["settings"]
        yield _Stage("explain", settings, ExplainSettings(), study.explanation.images)
    if study.impact:
        impact = study.impact
        settings = impact.identity["settings"]
        yield _Stage("impact", settings, ImpactSettings(), impact.images, bool(impact.labels))


def _command(study: Study, stage: _Stage, *, several: bool) -> str:
    options = {name: stage.settings[name] for name in _WRITTEN[stage.name]} | stage.changed
    words = ["padscope", stage.name]
    words.append(study.identity["model"] if stage.name == "scan" else "RUN")
    if not stage.builtin:
        words += ["--images", "IMAGES"]
    if stage.labels:
        words += ["--labels", "LABELS"]
    if stage.name == "scan":
        words += ["-o", "RUN"] if several else []
        options |= _loading(study)
    return shlex.join(words + [word for option in options.items() for word in _option(*option)])


def _loading(study: Study) -> dict[str, str]:
    """Say how the command line was told to load the model."""
    found = {name: study.invocation.get(name) for name in _LOADING}
    return {name: value for name, value in found.items() if value is not None}


def _begin(study: Study, *, named: bool) -> Iterator[str]:
    """Import, and load a model that has a spec as the command line was told to."""
    yield "import padscope"
    if named:
        given = _loading(study)
        words = [repr(study.identity["model"])]
        words += [f"{n}={given[n]!r}" for n in ("weights", "input_adapter") if n in given]
        if "size" in given:
            words.append(f"size={tuple(study.size)!r}")
        words += [f"{name}=({given[name]},)" for name in ("mean", "std") if name in given]
        yield f"model = padscope.load_model({', '.join(words)})"


def _call(stage: _Stage) -> str:
    """Write the line of Python that runs a stage again."""
    settings = ", ".join(f"{name}={value!r}" for name, value in stage.changed.items())
    words = ["model", "None" if stage.builtin else "images"]
    if stage.name != "scan":
        words.insert(0, "study")
    if stage.name == "impact":
        words.append("labels" if stage.labels else "None")
    where = "padscope" if stage.name == "scan" else "padscope.settings"
    words.append(f"{where}.{type(stage.made).__name__}({settings})")
    return f"study = padscope.{stage.name}({', '.join(words)})"


def _option(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is True:
        return [flag]
    return [flag, str(0 if value is None else value)]  # no limit is written 0
