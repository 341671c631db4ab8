"""`padscope survey`: many models, one run each, one table."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.effort import Effort, audit_effort, impact_settings
from padscope.cli.files import write_files
from padscope.cli.options import (
    WORKERS,
    Baselines,
    BatchSize,
    Checkpoint,
    Device,
    Images,
    RunnerSpec,
    Seed,
    Thorough,
    Workers,
)
from padscope.counts import plural
from padscope.errors import PadscopeError, Unfetched, brief
from padscope.paths import printable
from padscope.settings import AUTO, FEWEST_IMAGES, ExplainSettings
from padscope.study.stages import EXPLAIN, IMPACT, SCAN

if TYPE_CHECKING:
    import polars as pl

    from padscope.findings.survey import Survey
    from padscope.models.listed import Listed
    from padscope.running import Runner
    from padscope.store.attempts import Attempt, Attempts
    from padscope.study import Study

RUNS = "runs"  # folder of the models' runs, below that of the survey


class Until(StrEnum):
    """The last stage that every model goes through."""

    SCAN = SCAN
    EXPLAIN = EXPLAIN
    IMPACT = IMPACT


Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL…",
        help="Models as in padscope scan, or patterns: 'timm:resnet*', 'nets/*.onnx'; in quotation "
        "marks with their options, as 'my.nets:small --weights small.safetensors'.",
    ),
]
List = Annotated[
    Path | None,
    typer.Option(
        "--models",
        help="A file with one model and its options per line. Default: popular networks.",
    ),
]
Folder = Annotated[
    Path, typer.Option("--out", "-o", help="Directory of the survey: runs, tables and page.")
]
Last = Annotated[Until, typer.Option(help="The last stage to run for every model.")]
Most = Annotated[int, typer.Option(help="Maximum number of images, drawn at random; 0 for all.")]
Random = Annotated[
    bool,
    typer.Option("--with-random", help="Also measure each architecture with random weights."),
]
Tables = Annotated[
    bool,
    typer.Option(
        "--tables-only", help="Write tables and page from existing runs, without measuring."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with status 1 if a model could not be measured.")
]


def survey_command(
    models: Models = None,
    list_file: List = None,
    images: Images = None,
    out: Folder = Path("survey"),
    until: Last = Until.EXPLAIN,
    with_random: Random = False,
    thorough: Thorough = False,
    limit: Most = 32,
    baselines: Baselines = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    tables_only: Tables = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Measure many models, one run each, and compare them in one table."""
    listed = _listed(models or [], list_file, with_random=with_random)
    effort = _effort(
        images, limit, baselines, until, thorough=thorough, seed=seed, batch_size=batch_size
    )
    surveying = Surveying(out, effort, until, images, batch_size, workers, device, checkpoint)
    shared = work.find_runner(runner)
    attempts = work.Attempts(out, shared.leads)
    with shared.together():
        attempts.begin(surveying.settings)
    with answering(as_json=json) as answer:
        open_ = [model for model in listed if not surveying.is_done(model, attempts)]
        if tables_only:
            open_ = []
        else:
            _say_budget(listed, open_, effort, until)
        for model, attempt in _measured(surveying, open_, shared):
            attempts.note(model.name, attempt)
            if shared.leads:
                _say_end(model, attempt)
        if not shared.leads:
            return
        survey = _survey(surveying, listed, attempts)
        _write(survey, out)
        _show(survey, out)
        answer(lambda: work.survey_json(survey))
    if strict and survey.left_out.height:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Surveying:
    """How every model of a survey is measured; goes to the workers of Ray.

    Attributes
    ----------
    out : Path
    effort : Effort
    until : Until
    images : str or None
        Of models that the list gives none of their own.
    batch_size, workers : int
    device : str
    checkpoint : float
        Seconds between checkpoints.
    """

    out: Path
    effort: Effort
    until: Until
    images: str | None
    batch_size: int
    workers: int
    device: str
    checkpoint: float

    @property
    def settings(self) -> dict[str, Any]:
        """What all models have in common; the impact may be added later."""
        return {
            "images": self.images, "scan": asdict(self.effort.scan),
            "explain": asdict(self.effort.explain),
        }  # fmt: skip

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that every model goes through."""
        order = [*Until]
        return tuple(str(stage) for stage in order[: order.index(self.until) + 1])

    def given(self, model: Listed) -> dict[str, Any]:
        """Say how a model's run is told of it."""
        named = {
            name: getattr(model, name)
            for name in ("model", "weights", "size", "mean", "std", "images", "input_adapter")
        }
        return named | {"images": model.images or self.images}

    def run_of(self, model: Listed) -> Path:
        """Return the directory of a model's run."""
        return self.out / RUNS / model.folder

    def is_done(self, model: Listed, attempts: Attempts) -> bool:
        """Whether nothing is left to do of a model, and its run is there."""
        known = attempts.known.get(model.name)
        done = known is not None and known.answers(self.given(model), self.stages)
        return done and self.study(model) is not None

    def study(self, model: Listed) -> Study | None:
        """Read a model's run, or None where there is none that can be read."""
        try:
            return work.load_study(self.run_of(model), partial=True)
        except PadscopeError:
            return None

    def __call__(self, model: Listed) -> Attempt:
        """Measure one model in this process, on Ray."""
        return self.measure(model, work.find_runner("local"))

    def measure(self, model: Listed, runner: Runner) -> Attempt:
        """Take one model through its stages; what goes wrong is part of what comes of it."""
        named = self.given(model)
        attempt = work.Attempt(named, f"{RUNS}/{model.folder}")
        given, images = work.Given(**named), named["images"]
        try:
            with runner.together():
                loaded = work.load(given, self.device)
            run = work.RunDirectory(self.run_of(model), self.checkpoint, runner.leads)
            run.path.parent.mkdir(parents=True, exist_ok=True)
            stages = work.Stages.of(loaded, run, self.workers, runner, self.batch_size)
            attempt = replace(
                attempt, weights_are=loaded.weights_are, norms=work.norms_of(loaded.module),
                parameters=sum(each.numel() for each in loaded.module.parameters()),
                seconds=stages.budget.pass_seconds,
            )  # fmt: skip
            study = stages.scan(given, self.effort.scan)
            attempt = replace(attempt, stages=(SCAN,))
            explain = self.effort.explain
            if loaded.weights_are == "random":  # which is what its baselines would be
                explain = replace(explain, baselines=0)
            if EXPLAIN in self.stages:
                study = stages.explain(study, images, explain)
                attempt = replace(attempt, stages=(SCAN, EXPLAIN))
            if IMPACT in self.stages:
                assert self.effort.impact is not None
                stages.impact(study, images, None, self.effort.impact)
                attempt = replace(attempt, stages=(SCAN, EXPLAIN, IMPACT))
        except Unfetched as error:
            return replace(attempt, state="not fetched", reason=str(error))
        except Exception as error:  # of somebody's model: the others go on
            reason = str(error) if isinstance(error, PadscopeError) else brief(error)
            return replace(attempt, state="failed", reason=reason)
        return replace(attempt, state="done")


def _listed(models: Sequence[str], file: Path | None, *, with_random: bool) -> list[Listed]:
    """Read what is to be measured, in order."""
    found = [
        model
        for place, text in enumerate(models, 1)
        for model in work.parse_models(text, f"model {place}, {text!r}")
    ]
    if file is not None:
        found += work.read_list(file)
    elif not models:
        found = work.read_list(work.POPULAR)
    if with_random:
        found = [each for model in found for each in (model, model.untrained())]
    work.check_names(found)
    return found


def _effort(
    images: str | None,
    limit: int,
    baselines: int | None,
    until: Until,
    *,
    thorough: bool,
    seed: int,
    batch_size: int,
) -> Effort:
    """Choose what every model is measured with: a quick audit, or a thorough one.

    Baselines take as many images as ever, or small maps would leave their answers open.
    """
    effort = audit_effort(
        quick=not thorough, thorough=thorough, images=images, limit=limit, explained=None,
        tested=None, labels=None, shared={"seed": seed, "batch_size": batch_size},
        explain={"baselines": baselines, "baseline_images": ExplainSettings().baseline_images},
        impact={},
    )  # fmt: skip
    if until is not Until.IMPACT or effort.impact:
        return effort
    tested = max(FEWEST_IMAGES, limit) if limit else None
    return replace(effort, impact=impact_settings(tested, images, seed=seed, batch_size=batch_size))


def _measured(
    surveying: Surveying, models: Sequence[Listed], runner: Runner
) -> Iterator[tuple[Listed, Attempt]]:
    """Measure models: one a task where the runner spreads tasks, else one after the other."""
    if isinstance(runner, work.RayRunner):
        for model, found in runner.spread(surveying, models):
            if isinstance(found, str):
                lost = work.Attempt(surveying.given(model), f"{RUNS}/{model.folder}")
                found = replace(lost, reason=f"{found}; give it more memory, or leave it out")
            yield model, found
        return
    for place, model in enumerate(models, 1):
        if runner.leads:
            print(f"[{place}/{len(models)}] {printable(model.name)}", file=sys.stderr, flush=True)
        yield model, surveying.measure(model, runner)


def _survey(surveying: Surveying, models: Sequence[Listed], attempts: Attempts) -> Survey:
    rows = []
    for model in models:
        attempt, study = attempts.known.get(model.name), surveying.study(model)
        about = {"name": model.name, "model": model.model, "year": model.year,
                 "accuracy": model.accuracy, "state": "not tried", "reason": "",
                 "run": f"{RUNS}/{model.folder}"}  # fmt: skip
        if attempt:
            about |= {"state": attempt.state, "reason": attempt.reason, "norms": attempt.norms,
                      "weights": attempt.weights_are, "parameters": attempt.parameters,
                      "seconds": attempt.seconds}  # fmt: skip
        sites = work.site_rows(model.name, study) if study else work.SURVEY_SITES.empty()
        rows.append((work.row_of(about, study), sites))
    return work.Survey.of(rows)


def _write(survey: Survey, out: Path) -> None:
    """Write the page, the table of models in three formats, and that of sites."""

    def parquet(table: pl.DataFrame) -> bytes:
        content = io.BytesIO()
        table.write_parquet(content)
        return content.getvalue()

    for table, frame in ((work.SURVEY, survey.table), (work.SURVEY_SITES, survey.sites)):
        table.check(frame, [table.stage])
    contents = {
        "survey.parquet": parquet(survey.table),
        "survey.csv": survey.table.write_csv().encode(),
        "survey.md": work.survey_markdown(survey).encode(),
        "survey_sites.parquet": parquet(survey.sites),
        "survey.html": work.render_survey(survey).encode(errors="backslashreplace"),
    }
    write_files(out, contents)


def _show(survey: Survey, out: Path) -> None:
    console = work.make_console()
    console.table(work.comparison_listing(survey.table))
    console.print()
    console.say([*work.read_survey(survey), *work.failures(survey)])
    console.print()
    console.print(f"Tables: {printable(out)}/survey.parquet, .csv, .md", soft_wrap=True)
    console.print(f"Page: {printable(out / 'survey.html')}", soft_wrap=True)


def _say_budget(
    models: Sequence[Listed], left: Sequence[Listed], effort: Effort, until: Until
) -> None:
    done = len(models) - len(left)
    most = effort.explain.limit if until is not Until.SCAN else effort.scan.limit
    images = "all images" if most is None else f"at most {plural(most, 'image')} each"
    before = f", {done} of them done already" if done else ""
    print(
        f"{plural(len(models), 'model')}{before}: up to the stage {until.value}, on {images}.",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _say_end(model: Listed, attempt: Attempt) -> None:
    told = attempt.state + (f": {attempt.reason}" if attempt.reason else "")
    print(f"{printable(model.name)}: {printable(told)}", file=sys.stderr, flush=True)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("survey")(survey_command)
