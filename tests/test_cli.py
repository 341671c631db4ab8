"""The commands, end to end, on a tiny network and a few photographs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import Answer, Command, contents
from typer.testing import CliRunner

from padscope import __version__, load_study
from padscope.cli.commands import app
from padscope.cli.given import default_directory, parse_size
from padscope.console.progress import show_progress
from padscope.findings.checks import limits
from padscope.findings.headline import headline
from padscope.findings.json import as_json
from padscope.findings.networks import title_of
from padscope.findings.rungs import rungs
from padscope.findings.verdict import verdict

SCAN = ("scan", "mynets:tiny", "--images", "photos")
COMMANDS = ("sites", "scan", "audit", "explain", "impact", "verdict", "report")


@pytest.fixture(autouse=True)
def in_workdir(workdir: Path) -> None:
    """Every test runs in a working directory of its own."""


def rows(answer: Answer) -> dict[str, list[str]]:
    """The first table printed, by the word that starts each line."""
    lines = answer.out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("site "))
    end = next(number for number in range(start, len(lines)) if not lines[number].strip())
    return {words[0]: words[1:] for words in map(str.split, lines[start + 1 : end])}


def test_version(padscope: Command) -> None:
    answer = padscope("--version")
    assert (answer.status, answer.out) == (0, f"padscope {__version__}\n")


def test_help_names_every_command(padscope: Command) -> None:
    for arguments in ((), ("--help",)):
        answer = padscope(*arguments)
        text = answer.out + answer.err
        assert all(
            name in text
            for name in ("sites", "scan", "audit", "explain", "impact", "verdict", "report")
        )
    assert padscope("--help").status == 0


@pytest.mark.parametrize(
    "command", ["sites", "scan", "audit", "explain", "impact", "verdict", "report"]
)
def test_every_option_is_explained(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for line in re.findall(r"^│ +\*?  +(?:--|-\w).*$", result.output, flags=re.MULTILINE):
        assert re.search(r"[a-z]{3}.* [a-z]{2}", line.split("  ", 3)[-1]), line


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "padscope", "report", "nowhere"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert result.returncode == 2
    assert result.stderr == "padscope: nowhere is not a padscope run: it has no manifest.json\n"


def test_debug_may_be_a_value(padscope: Command) -> None:
    answer = padscope("report", "--", "--debug")
    assert answer.err == "padscope: --debug is not a padscope run: it has no manifest.json\n"
    answer = padscope("figure", "nowhere", "-o", "--debug")
    assert answer.err == "padscope: nowhere is not a padscope run: it has no manifest.json\n"
    assert padscope("--debug", "report", "nowhere").err.startswith("Traceback")
    assert padscope("report", "nowhere", "--debug").status == 2


def test_sites(padscope: Command) -> None:
    answer = padscope("sites", "mynets:tiny")
    assert answer.status == 0
    found = rows(Answer(0, answer.out.replace("padding and", "\n\npadding and"), ""))
    # In contact are all but 22 × 22 of 24 × 24 positions; windows read a corner 4 times.
    assert found["0"] == [
        *("conv2d", "3×3", "1×1", "1×1", "1", "1", "zeros", "24×24", "1", "16", "%", "4–9", "6")
    ]
    # With stride 2 and an even size, no window touches the padding at the far ends.
    assert found["3"] == [
        "conv2d",
        "3×3",
        "2×2",
        "1×1",
        "1",
        "1",
        "zeros",
        "12×12",
        "1",
        "0",
        "1",
        "0",
        "16",
        "%",
        "1–4",
        "8",
    ]
    assert "2 scored sites, 14 filters; 0 listed only." in answer.out
    assert not Path("runs").exists()


def test_sites_lists_what_is_not_scored(padscope: Command) -> None:
    answer = padscope("sites", "mynets:pooled")
    assert "pooling has no filters" in answer.words
    assert "0 scored sites, 0 filters; 1 listed only." in answer.out
    assert "0 scored sites, 0 filters; 0 listed only." in padscope("sites", "mynets:unpadded").out


@pytest.mark.usefixtures("no_page")
def test_scan_prints_what_the_tables_hold(padscope: Command) -> None:
    answer = padscope(*SCAN, "-o", "run")
    assert answer.status == 0
    filters, sides = pl.read_parquet("run/filters.parquet"), pl.read_parquet("run/sides.parquet")
    printed = rows(answer)
    assert list(printed) == filters["site"].unique(maintain_order=True).to_list() == ["0", "3"]
    for site, words in printed.items():
        ks = filters.filter(site=site)["ks"]
        best = filters.filter(site=site).sort("ks", descending=True).row(0, named=True)
        at = sides.filter(pl.col("site") == site, pl.col("ks") >= 0.5)["side"].to_list()
        assert words == [
            {"0": "24×24", "3": "12×12*"}[site],
            str(len(ks)),
            "0",
            str((ks >= 0.5).sum()),
            str((ks >= 0.8).sum()),
            *(str(at.count(side)) for side in ("top", "bottom", "left", "right")),
            str(best["filter"]),
            best["side"],
            f"{best['ks']:.3f}",
        ]
    study = load_study("run")
    for sentence in (rungs(study)[0].sentence, *limits(study)):
        assert " ".join(sentence.split()) in answer.words
    assert "Tables: run/*.parquet" in answer.out
    assert "Report: run/report.html" in answer.out
    assert "skipped" not in answer.out
    assert "NaN" not in answer.out


def test_all_files_of_a_run(padscope: Command) -> None:
    assert padscope(*SCAN, "-o", "run", "--figures").status == 0
    figures = [f"figures/{n}.{end}" for n in ("depth", "neurons")
               for end in ("svg", "png")]  # fmt: skip
    assert set(contents(Path("run"))) | {"report.html"} == {
        *figures, "manifest.json", "sites.parquet", "filters.parquet", "sides.parquet",
        "maps.safetensors", "tallies.safetensors", "report.html",
    }  # fmt: skip
    assert Path("run/report.html").read_bytes().lstrip().lower().startswith(b"<!doctype html>")


def test_audit_is_a_scan_that_is_explained_and_tested(padscope: Command) -> None:
    assert padscope(*SCAN, "--limit", 96, "-o", "scanned").status == 0
    explained = padscope("explain", "scanned")
    assert explained.status == 0
    tested = padscope("impact", "scanned", "--limit", 20)
    audited = padscope("audit", *SCAN[1:], "--tested", 20, "-o", "audited")
    assert (tested.status, audited.status) == (0, 0)
    assert contents(Path("audited")) == contents(Path("scanned"))
    whole = padscope("report", "scanned").out
    ends = [text[text.index("strongest filter") :] for text in (audited.out, whole)]
    assert ends[0].replace("audited", "scanned") == ends[1]
    for alone in (explained.out, tested.out):
        assert {*alone.partition("Tables:")[0].splitlines()} <= {*whole.splitlines()}
    assert not Path("scanned/figures").exists()  # none was asked for
    assert padscope("figure", "scanned").status == 0
    assert Path("scanned/figures/effects.svg").exists()
    again = padscope("explain", "scanned", "--limit", 16, "--figures")  # another one: no impact
    assert again.status == 0 and "Figures: scanned/figures/" in again.out
    assert not Path("scanned/figures/effects.svg").exists()
    assert Path("scanned/figures/ladder.svg").exists()


def test_answers_come_first_and_nothing_is_said_twice(padscope: Command) -> None:
    audited = padscope("audit", *SCAN[1:], "--tested", 20, "-o", "run").out
    answers = ("to the border (KS", "the border, ", "where the image ends")
    places = [audited.index(words) for words in (*answers, "strongest filter", "Report: ")]
    assert places == sorted(places)
    lines = [line for line in audited.splitlines() if len(line) > 60 and "Warning" not in line]
    assert len(set(lines)) == len(lines)
    assert audited.splitlines()[-1] == "Report: run/report.html"


def test_what_explain_prints_is_in_the_tables(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    answer = padscope("explain", "run", "--margin", 8, "--baselines", 1)
    study = load_study("run")
    assert study.explanation is not None
    assert study.explanation.margin == (8, 8)
    for rung in rungs(study)[:3]:
        assert rung.sentence in answer.words
    assert "with 8 pixels of real surroundings" in answer.words
    networks = study.explanation.networks["network"].unique(maintain_order=True).to_list()
    assert networks == ["given", "fresh 1", "matched 1", "re-estimated"]
    assert all(f"\n{title_of(network)} " in answer.out for network in networks)
    assert "can be called learned" not in answer.words
    assert "‡" not in answer.out


def test_explain_without_real_context_says_so(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    answer = padscope("explain", "run", "--baselines", 0)
    assert "Explained without real context: the images are too small" in answer.words
    assert "14 filters could not be compared with real surroundings" in answer.words
    assert "No baseline was run, so nothing here can be called learned" in answer.words
    assert not load_study("run").filters["real_context"].any()


def test_explain_again_changes_nothing(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    first = padscope("explain", "run", "--margin", 8, "--baselines", 1)
    before = contents(Path("run"))
    again = padscope("explain", "run", "--margin", 8, "--baselines", 1)
    assert again.out == first.out
    assert contents(Path("run")) == before


def test_a_scan_again_keeps_its_explanation(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    padscope("explain", "run", "--margin", 8, "--baselines", 0)
    before = contents(Path("run"))
    assert padscope(*SCAN, "-o", "run").status == 0
    assert contents(Path("run")) == before


def test_each_command_says_which_one_comes_first(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    answer = padscope("impact", "run")
    assert (answer.status, answer.err.count("\n")) == (2, 1)
    assert "is not explained yet; run padscope explain" in answer.err
    answer = padscope("verdict", "run")
    assert (answer.status, answer.err.count("\n")) == (2, 1)
    assert "run padscope explain first" in answer.err


def test_what_impact_prints_is_in_the_tables(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    padscope("explain", "run", "--margin", 8, "--baselines", 0)
    Path("labels.csv").write_text(
        "file,class\n" + "".join(f"{number:02}.png,{number % 2}\n" for number in range(40))
    )
    answer = padscope("impact", "run", "--limit", 24, "--draws", 4, "--labels", "labels.csv")
    assert answer.status == 2  # its answer is dense
    assert "labels name classes" in answer.err
    answer = padscope("impact", "run", "--limit", 24, "--draws", 4)
    assert answer.status == 0
    study = load_study("run")
    assert study.impact is not None
    assert study.impact.counted == 24
    assert study.impact.answer == "dense"
    assert "The answers to 24 images were compared" in answer.words
    for name in study.impact.effects["set"].unique():
        assert f"\n  {name} " in answer.out
    printed = padscope("verdict", "run")
    assert printed.status == 0
    for heading in verdict(study):
        assert heading.name.capitalize() in printed.out
        for sentence in heading.sentences:
            assert sentence in printed.words


def test_every_stage_prints_its_own_answer_and_the_command_that_comes_next(
    padscope: Command,
) -> None:
    answers = {"scan": "unmeasured", "explain": "because of padding", "impact": "were compared"}
    scanned = padscope(*SCAN, "-o", "a run")
    explained = padscope("explain", "a run", "--margin", 8, "--baselines", 0)
    tested = padscope("impact", "a run", "--limit", 20, "--draws", 4)
    printed = {"scan": scanned.out, "explain": explained.out, "impact": tested.out}
    for stage, text in printed.items():
        assert [name for name, words in answers.items() if words in text] == [stage]
    last = {stage: text.splitlines()[-1] for stage, text in printed.items()}
    assert set(last.values()) == {"Report: a run/report.html"}
    following = {stage: text.splitlines()[-2] for stage, text in printed.items()}
    assert following["scan"] == "Next: padscope explain 'a run' (which responses padding causes)"
    assert following["explain"] == "Next: padscope impact 'a run' (whether the model uses them)"
    assert following["impact"] == "Tables: a run/*.parquet"
    assert all(text.count("Report: ") == 1 for text in printed.values())
    reported = padscope("report", "a run").out
    assert all(words in reported for words in answers.values())


def test_audit_shows_what_it_has_found_when_the_impact_cannot_be_measured(
    padscope: Command,
) -> None:
    Path("metrics.py").write_text("def loss(answers, labels):\n    return 1 / 0\n")
    answer = padscope("audit", *SCAN[1:], "--tested", 20, "--metric", "metrics:loss", "-o", "run")
    assert answer.status == 2
    assert "ZeroDivisionError" in answer.err
    assert "Report: run/report.html" in answer.out
    assert "Next: padscope impact run" in answer.out
    assert load_study("run").explanation is not None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--output", "logits"), "there is no 'logits' in a Tensor"),
        (("--metric", "no_such_metrics:loss"), "importing no_such_metrics"),
        (("--labels", "none.csv"), "labels name classes, and the model answers with (8, 12, 12)"),
    ],
)
def test_audit_refuses_an_answer_before_it_scans(
    padscope: Command, option: tuple[str, str], message: str
) -> None:
    answer = padscope("audit", *SCAN[1:], *option, "-o", "run")
    assert answer.status == 2 and message in answer.err
    assert not Path("run").exists()


def test_audit_refuses_labels_before_it_scans(padscope: Command) -> None:
    lines = (f"{number:02}.png,{number % 3}\n" for number in range(40))
    Path("labels.csv").write_text("file,class\n" + "".join(lines))
    for labels, message in (
        ("labels.csv", "class 2 of 02.png is outside"),
        ("none.csv", "cannot read the labels none.csv"),
    ):
        answer = padscope("audit", "mynets:fixed_size", *SCAN[2:], "--labels", labels, "-o", "run")
        assert answer.status == 2 and message in answer.err
        assert answer.err.count("\n") == 1
        assert not Path("run").exists()


def test_explain_refuses_a_run_from_python(padscope: Command) -> None:
    padscope(*SCAN, "-o", "run")
    manifest = json.loads(Path("run/manifest.json").read_text())
    Path("run/manifest.json").write_text(json.dumps(manifest | {"invocation": {}}))
    answer = padscope("explain", "run")
    assert answer.status == 2
    assert "made from Python; continue there, with padscope.explain" in answer.err


def test_audit_needs_nothing_but_a_model(padscope: Command) -> None:
    answer = padscope("audit", "mynets:other")
    assert answer.status == 0
    assert "256 random crops of 8 built-in photographs" in answer.out
    assert Path("runs/mynets-other/report.html").exists()


def test_report_writes_the_same_page_again(padscope: Command) -> None:
    scanned = padscope(*SCAN, "-o", "run")
    page = Path("run/report.html").read_bytes()
    Path("run/report.html").unlink()
    reported = padscope("report", "run")
    assert (reported.status, reported.out) == (0, scanned.out)
    assert Path("run/report.html").read_bytes() == page


@pytest.mark.usefixtures("no_page")
def test_progress_is_plain_lines_where_there_is_no_terminal(padscope: Command) -> None:
    answer = padscope(*SCAN)
    budget, line = answer.err.splitlines()
    told = r"Now the scan \(which filters respond to the border\): 40 images, about \d+ s\."
    assert re.fullmatch(told, budget)
    assert re.fullmatch(r"scan 40/40 images, \d+\.\d/s, 0 s left", line)


def test_progress_lines_come_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A report asks twice: when it comes, and whether a line is due.
    now = iter([0.0, 1.0, 1.0, 10.0, 10.0, 11.0, 11.0, 21.0, 21.0, 22.0, 22.0])
    monkeypatch.setattr("padscope.console.progress.time.monotonic", lambda: next(now))
    with show_progress("scan") as progress:
        for done in (100, 190, 200, 300):  # the first of them after a resumed run's checkpoint
            progress(done, 400, 400 - done)
        progress(400, 400, 0)
    assert capsys.readouterr().err.splitlines() == [
        "scan 190/400 images, 10.0/s, 21 s left",
        "scan 300/400 images, 10.0/s, 10 s left",
        "scan 400/400 images, 14.3/s, 0 s left",
    ]


def test_progress_without_a_known_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 1.0, 1.0, 11.0, 11.0])
    monkeypatch.setattr("padscope.console.progress.time.monotonic", lambda: next(now))
    with show_progress("scan") as progress:
        progress(0, None, None)
        progress(50, None, None)
    assert capsys.readouterr().err == "scan 50/? images, 5.0/s\n"


def test_progress_is_in_the_unit_that_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    for stage, unit in (("scan", "images"), ("explain", "forward passes")):
        with show_progress(stage) as progress:
            progress(90, 90, 0)
        assert capsys.readouterr().err.startswith(f"{stage} 90/90 {unit}, ")


@pytest.mark.usefixtures("no_page")
def test_the_default_directory_is_named_after_the_model(padscope: Command) -> None:
    assert padscope(*SCAN).status == 0
    assert Path("runs/mynets-tiny/manifest.json").exists()


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("timm:resnet50.a1_in1k", "runs/timm-resnet50.a1_in1k"),
        ("../../up.pt2", "runs/up.pt2"),
        ("/abs/olute.pt2", "runs/abs-olute.pt2"),
        ("..", "runs/model"),
    ],
)
def test_the_default_directory_never_leaves_runs(spec: str, path: str) -> None:
    assert default_directory(spec).as_posix() == path


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {}),
        (("--limit", 9), {"limit": 9}),
        (("--limit", 0), {"limit": None}),
        (("--seed", 3), {"seed": 3}),
        (("--batch-size", 5), {"batch_size": 5}),
        (("--per-line", 2, "--per-core", 7), {"per_line": 2, "per_core": 7}),
        (("--until-stable",), {"until_stable": True}),
        (("--workers", 2, "--checkpoint", 1), {}),  # no part of what a run is
    ],
)
@pytest.mark.usefixtures("no_page")
def test_options_reach_the_settings(
    padscope: Command, options: tuple[object, ...], settings: dict[str, object]
) -> None:
    assert padscope(*SCAN, "-o", "run", *options).status == 0
    manifest = json.loads(Path("run/manifest.json").read_text())
    defaults = {
        "limit": 1000, "seed": 0, "batch_size": 16, "crops": 256, "per_line": None,
        "per_core": None, "calibrate": 32, "until_stable": False,
    }  # fmt: skip
    assert manifest["identity"]["settings"] == defaults | settings
    assert manifest["counted"] == (settings.get("limit") or 40)


@pytest.mark.usefixtures("no_page")
def test_size_mean_and_std_reach_the_model(padscope: Command) -> None:
    options = ("--size", "20x18", "--mean", ".5", "--std", ".1,.2,.3")
    answer = padscope(*SCAN, "-o", "run", *options)
    assert "input 3×20×18, mean 0.5, std 0.1/0.2/0.3" in answer.out
    sites = pl.read_parquet("run/sites.parquet")
    assert sites["input_size"].to_list() == [[20, 18], [20, 18]]


@pytest.mark.usefixtures("no_page")
def test_workers_and_checkpoints_change_nothing(padscope: Command) -> None:
    padscope(*SCAN, "-o", "one")
    padscope(*SCAN, "-o", "three", "--workers", 3, "--checkpoint", 0)
    assert contents(Path("one")) == contents(Path("three"))


def test_a_finished_run_prints_the_same_again_without_looking_at_the_images(
    padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = padscope(*SCAN, "-o", "run")
    before = contents(Path("run")), Path("run/report.html").read_bytes()

    def fail(*arguments: object, **options: object) -> None:
        pytest.fail("the images were looked at again")

    monkeypatch.setattr(sys.modules["padscope.study.scan"], "contrasting", fail)
    again = padscope(*SCAN, "-o", "run")
    assert (again.status, again.out, again.err) == (0, first.out, "")
    assert (contents(Path("run")), Path("run/report.html").read_bytes()) == before


@pytest.mark.usefixtures("no_page")
def test_a_later_checkpoint_interval_goes_on_in_the_same_run(padscope: Command) -> None:
    assert padscope(*SCAN, "-o", "run", "--checkpoint", 0).status == 0
    assert padscope(*SCAN, "-o", "run", "--checkpoint", 60, "--workers", 2).status == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("7", 7), ("7x8", (7, 8)), ("7×8×9", (7, 8, 9)), ("7,8", (7, 8))],
)
def test_sizes(text: str | None, size: object) -> None:
    assert parse_size(text) == size


@pytest.mark.usefixtures("no_page")
def test_no_command_leaves_a_handler_behind(
    padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    def handler(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGINT, handler)
    try:
        padscope(*SCAN)
        padscope("scan", "nothing")
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_json_stands_alone_on_the_output(workdir: Path, padscope: Command, no_page: None) -> None:
    """It is the study's own, whatever the command; what is printed otherwise goes elsewhere."""
    made = padscope("scan", "mynets:tiny", "--images", "photos", "-o", "run", "--json")
    assert made.status == 0 and "measured filters" in made.err
    found = json.loads(made.out)
    study = load_study(workdir / "run")
    assert found == as_json(study)
    assert found["headline"]["title"] == headline(study).title and found["next"] == "explain"
    assert [rung["count"] for rung in found["rungs"]] == [rungs(study)[0].count, None, None, None]
    assert found["effects"] == found["verdict"] == []
    shown = padscope("show", "run", "--json")
    assert json.loads(shown.out) == found and found["headline"]["title"] in shown.err
    site = study.filters["site"][0]
    one = json.loads(padscope("show", "run", site, "1", "--json").out)
    row = study.filters.row(
        by_predicate=(pl.col("site") == site) & (pl.col("filter") == 1), named=True
    )
    assert one["name"] == f"{site}/1" and one["filter"]["ks"] == row["ks"]
    beside = json.loads(padscope("compare", "run", "-o", "beside", "--json").out)
    assert [run["responds"] for run in beside["runs"]] == [found["rungs"][0]["count"]]
    sites = json.loads(padscope("sites", "mynets:tiny", "--json").out)["sites"]
    assert [one["site"] for one in sites] == study.sites["site"].to_list()
    refused = padscope("verdict", "run", "--json")
    assert refused.status == 2 and not refused.out and "no verdict" in refused.err


def test_sites_name_what_is_uneven_and_the_nearest_even_size(padscope: Command) -> None:
    answer = padscope("sites", "torchvision:resnet50", "--weights", "random", "--json")
    found = json.loads(answer.out)
    assert found["uneven"][:2] == ["conv1", "maxpool"] and found["even_size"] == [225, 225]
    answer = padscope("sites", "torchvision:resnet50", "--weights", "random", "--size", 225)
    assert "every site with a stride sees as much padding" in answer.words
