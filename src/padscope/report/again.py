"""How to get the same study again: commands, and lines of Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict

from padscope.report.answer import BUILTIN
from padscope.settings import ExplainSettings, ImpactSettings, Settings
from padscope.study import Explanation, Impact, Study

# Settings that the command line has an option for.
_OPTIONS = ("limit", "seed", "batch_size", "per_line", "per_core", "until_stable")


def commands(study: Study) -> tuple[str | None, list[str]]:
    """How to get the same study: a command, if the model has a spec, and lines of Python."""
    spec = study.identity["model"]
    settings = study.identity["settings"]
    builtin = bool(BUILTIN.fullmatch(study.images))
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
        if study.impact:
            command += "\n" + _impact_command(study.impact)
    listed = _changed(settings, defaults)
    given = "None" if builtin else "images"
    lines = [
        "import padscope",
        f"study = padscope.scan({repr(spec) if named else 'model'}, {given}, "
        f"padscope.Settings({listed}))",
    ]
    if study.explanation:
        lines.append(explain_call(study.explanation, repr(spec) if named else "model", given))
    if study.impact:
        lines.append(_impact_call(study.impact, repr(spec) if named else "model", given))
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


def _impact_command(impact: Impact) -> str:
    settings, defaults = impact.identity["settings"], asdict(ImpactSettings())
    options = {
        name: settings[name]
        for name in ("limit", "seed", "batch_size", "fill", "draws", "output", "metric")
        if name == "limit" or settings[name] != defaults[name]
    }
    labels = ["--labels", "LABELS"] if impact.labels else []
    return _command(["padscope", "impact", "RUN", *labels], options)


def _command(words: list[str], options: Mapping[str, object]) -> str:
    return shlex.join(words + [word for option in options.items() for word in _option(*option)])


def explain_call(explanation: Explanation, model: str, images: str) -> str:
    """Write the line of Python that explains a study again."""
    settings = _changed(explanation.identity["settings"], asdict(ExplainSettings()))
    return (
        f"study = padscope.explain(study, {model}, {images}, "
        f"padscope.settings.ExplainSettings({settings}))"
    )


def _impact_call(impact: Impact, model: str, images: str) -> str:
    labels = "labels" if impact.labels else "None"
    settings = _changed(impact.identity["settings"], asdict(ImpactSettings()))
    return (
        f"study = padscope.impact(study, {model}, {images}, {labels}, "
        f"padscope.settings.ImpactSettings({settings}))"
    )


def _changed(settings: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}={value!r}" for name, value in settings.items() if value != defaults.get(name)
    )


def _option(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is True:
        return [flag]
    return [flag, str(0 if value is None else value)]  # no limit is written 0
