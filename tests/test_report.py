"""The report: what it says is what the study says, whatever the study holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, replace
from html.parser import HTMLParser
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from padscope.cli.commands import explain_command, impact_command, scan_command
from padscope.findings.again import OPTIONS, commands
from padscope.findings.checks import count, limits
from padscope.findings.distributions import distributions
from padscope.images import Skipped
from padscope.report import render_report
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.study import Study, scan
from padscope.tallies import BINS

VOID = frozenset(("meta", "img", "br", "input"))
HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" 'twice' & </style></svg>{{ 7 * 7 }}",
    "right\u202eto left\u2066mark",
    "x" * 300,
)


class Page(HTMLParser):
    """A page taken apart, which must be balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def count(self, tag: str, kind: str = "") -> int:
        return sum(t == tag and kind in (a.get("class") or "") for t, a in self.tags)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def network(*layers: nn.Module) -> nn.Sequential:
    """Layers with the same weights every time."""
    net = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    return net.eval()


def scan_2d() -> Study:
    net = network(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(5, 7, 3, padding=1),
    )
    return scan(net, noise(24, 3, 64, 48), ScanSettings(batch_size=8, calibrate=8))


@pytest.fixture(scope="module")
def study() -> Study:
    return scan_2d()


@pytest.fixture(scope="module")
def page(study: Study) -> Page:
    return Page(render_report(study))


def attributes(page: Page) -> Iterator[tuple[str, str, str]]:
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            yield tag, name, value or ""


def test_the_same_study_gives_the_same_bytes(study: Study) -> None:
    first = render_report(study)
    assert render_report(study) == first
    assert render_report(scan_2d()) == first


def test_the_strongest_filters_are_listed_without_a_script(study: Study, page: Page) -> None:
    for row in study.filters.iter_rows(named=True):
        assert f"{row['site']} /{row['filter']}" in re.sub(r"(\d)/", r"\1 /", page.text)
    assert page.count("article") == 0


def test_pictures_have_words(page: Page) -> None:
    for tag, attrs in page.tags:
        if tag == "img":
            assert attrs["alt"]
    labelled = [a for t, a in page.tags if a.get("role") == "img"]
    assert labelled and all(a.get("aria-label") for a in labelled)


def test_nothing_is_loaded_from_elsewhere(study: Study, page: Page) -> None:
    links = set()
    for tag, name, value in attributes(page):
        assert tag not in {"link", "iframe", "object", "base", "style"} or not name
        assert tag != "script" or (name, value) in {
            ("type", "application/json"), ("id", "gallery-data")
        }  # fmt: skip
        assert not name.startswith("on")
        assert name != "style"
        if name in {"src", "srcset", "xlink:href", "data", "action", "poster"}:
            assert value.startswith("data:image/png;base64,")
        elif name == "href" and not value.startswith("#"):
            links.add((tag, value))
    assert links == {("a", "https://arxiv.org/abs/2309.08048")}
    css = re.search(r"<style>(.*?)</style>", render_report(study), re.DOTALL)
    assert css and "url(" not in css[1] and "@import" not in css[1]
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'; style-src 'sha256-")


def test_the_counts_are_the_tables(study: Study, page: Page) -> None:
    found = count(study)
    ks = study.filters["ks"].to_numpy()
    assert (found.filters, found.sites) == (12, 2)
    assert found.respond == (ks >= 0.5).sum() > 0
    assert found.strong == (ks >= 0.8).sum()
    assert found.undecided == study.undecided()[1]
    assert (
        "of 12 measured filters" in page.text
        and f"{found.respond} filters respond to the border" in page.text
    )
    site, reason = study.sites.filter(~pl.col("scored")).select("site", "unscored").row(0)
    (line,) = (line for line in limits(study) if line.startswith("Not scored: "))
    assert line.startswith(f"Not scored: {site}") and line.endswith(f" ({reason}).")
    assert reason in page.text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_text(name: str) -> None:
    net = nn.Sequential(OrderedDict({name.replace(".", ""): nn.Conv2d(1, 2, 3, padding=1)})).eval()
    study = scan(net, noise(16, 1, 16, 16))
    assert name.replace(".", "") in study.sites["site"][0]
    counted = replace(study.counted, skipped=(Skipped(3, f"image {name}", f"reason {name}"),))
    study = replace(
        study,
        identity=study.identity | {"model": f"spec:{name}"},
        model=f"model {name}",
        images=f"photographs {name}",
        counted=counted,
    )
    html = render_report(study)
    page = Page(html)
    assert page.count("script") == 2  # the page's own, and what it draws
    shown = name.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
    for where in ("spec:", "model ", "photographs ", "image ", "reason "):
        assert where + shown in page.text
    assert f"{shown}/0" in page.text  # the filter's name
    assert "\u202e" not in html and "\u2066" not in html


def test_distributions_are_the_counts(study: Study) -> None:
    for row in study.filters.drop_nulls("ks").iter_rows(named=True):
        sides = ["top", "bottom", "left", "right"]
        place = np.array([sides.index(row["side"])])
        curves = distributions(study, row["site"], np.array([row["filter"]]), place)
        fine = study.counted.near(row["site"]).fine[:, row["filter"], :BINS].numpy()
        border, core = fine[sides.index(row["side"])], fine[4]
        for found, counted in ((curves.border, border), (curves.core, core)):
            shown = found.values.shape[1]
            shares = (counted.cumsum() / counted.sum())[:shown]
            np.testing.assert_array_equal(found.values[0], shares)
        gap = np.abs(curves.border.values - curves.core.values)[0, curves.gap[0]]
        assert gap == pytest.approx(row["ks"], abs=1e-12)


@pytest.mark.parametrize("layer", [nn.Conv1d, nn.Conv3d])
def test_other_dimensions(layer: type[nn.Conv1d] | type[nn.Conv3d]) -> None:
    dims = 1 if layer is nn.Conv1d else 3
    net = network(layer(2, 4, 3, padding=1))
    size = (300,) if dims == 1 else (12, 14, 16)
    study = scan(net, noise(16, 2, *size))
    page = Page(render_report(study))
    for side in study.sides["side"].unique():
        assert side in page.text
    assert page.count("figure", "along") == 1


def test_no_candidates() -> None:
    layer = nn.Conv2d(1, 3, 3, padding=1)
    net = network(layer)
    with torch.no_grad():  # only the centre counts: padding never does
        layer.weight.mul_(torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    study = scan(net, noise(64, 1, 16, 16))
    text = Page(render_report(study)).text
    assert "No filter responds to the border." in text
    assert "quiet" in text


def test_dead_filters_only() -> None:
    layer = nn.Conv2d(1, 3, 3, padding=1)
    net = network(layer)
    with torch.no_grad():
        layer.weight.zero_()
    page = Page(render_report(scan(net, noise(16, 1, 16, 16))))
    assert "of 0 measured filters" in page.text
    assert "No filter could be measured" in page.text


def test_values_that_are_no_numbers(study: Study) -> None:
    images = noise(16, 3, 64, 48)
    images[::2, :, 20:30] = float("nan")
    images[1::2, :, 40] = float("inf")
    broken = scan(network(nn.Conv2d(3, 4, 3, padding=1)), images)
    page = Page(render_report(broken))
    assert "4 filters gave NaN or infinite values" in page.text
    kernels = {
        site: replace(each, total=each.total * value, slices=each.slices * value)
        for (site, each), value in zip(
            study.kernels.items(), (float("nan"), float("inf")), strict=True
        )
    }
    assert Page(render_report(replace(study, kernels=kernels)))


def test_skipped_images_are_named_up_to_five(study: Study) -> None:
    skipped = tuple(Skipped(i, f"broken-{i}.jpg", "truncated") for i in range(33))
    text = Page(render_report(replace(study, counted=replace(study.counted, skipped=skipped)))).text
    assert "could not be read, and were skipped: 33 (broken-0.jpg: truncated;" in text
    assert "broken-4.jpg" in text and "broken-5.jpg" not in text


def test_built_in_photographs_are_called_a_demonstration(study: Study, page: Page) -> None:
    assert "demonstration" not in page.text
    builtin = replace(study, images="256 random crops of 8 built-in photographs")
    assert "8 photographs are a demonstration" in Page(render_report(builtin)).text


def test_commands_repeat_the_study(study: Study) -> None:
    typed, python = commands(study)
    assert typed == []  # a module from Python has no spec
    assert (
        python[-1]
        == "study = padscope.scan(model, images, padscope.ScanSettings(batch_size=8, calibrate=8))"
    )
    named = replace(
        study,
        identity=study.identity | {"model": "my nets:unet"},
        images="24 of 30 photographs in tiles/ (seed 0)",
    )
    given = "padscope scan 'my nets:unet' --images IMAGES --limit"

    def command_of(**settings: object) -> list[str]:
        changed = asdict(ScanSettings()) | settings
        return commands(replace(named, identity=named.identity | {"settings": changed}))[0]

    assert command_of() == [f"{given} 1000 --seed 0"]
    assert command_of(limit=None, seed=3) == [f"{given} 0 --seed 3"]
    assert command_of(per_line=2, until_stable=True) == [
        f"{given} 1000 --seed 0 --per-line 2 --until-stable"
    ]
    assert command_of(cut=0.4) == command_of(calibrate=8) == []  # have no option
    named = replace(named, invocation={"weights": "my unet.pt", "size": "128", "mean": "0,.5"})
    assert command_of() == [f"{given} 1000 --seed 0 --weights 'my unet.pt' --size 128 --mean 0,.5"]
    assert commands(named)[1][1] == (
        "model = padscope.load_model('my nets:unet', weights='my unet.pt', size=(64, 48), "
        "mean=(0,.5,))"
    )


def test_commands_repeat_every_stage() -> None:
    defaults = asdict(ScanSettings()), asdict(ExplainSettings()), asdict(ImpactSettings())

    def commands_of(
        images: tuple[str, str, str], *changes: dict[str, object]
    ) -> tuple[list[str], list[str]]:
        settings = [known | changed for known, changed in zip(defaults, changes, strict=True)]
        return commands(
            SimpleNamespace(  # type: ignore[arg-type]  # stands for a study
                identity={"model": "lite0", "settings": settings[0]}, images=images[0],
                size=(224, 224), invocation={},
                explanation=SimpleNamespace(identity={"settings": settings[1]}, images=images[1]),
                impact=SimpleNamespace(
                    identity={"settings": settings[2]}, images=images[2], labels="9 classes"
                ),
            )
        )  # fmt: skip

    builtin = "256 random crops of 8 built-in photographs"
    context = f"96 of {builtin} (seed 0) with 64 pixels of real surroundings"
    photos = "30 photographs in tiles/"
    assert commands_of((builtin, context, builtin), {}, {"margin": 8}, {"limit": 20}) == (
        [
            "padscope scan lite0 -o RUN --limit 1000 --seed 0",
            "padscope explain RUN --margin 8",
            "padscope impact RUN --labels LABELS --limit 20",
        ],
        [
            "import padscope",
            "model = padscope.load_model('lite0')",
            "study = padscope.scan(model, None, padscope.ScanSettings())",
            "study = padscope.explain(study, model, None, "
            "padscope.settings.ExplainSettings(margin=8))",
            "study = padscope.impact(study, model, None, labels, "
            "padscope.settings.ImpactSettings(limit=20))",
        ],
    )
    named = commands_of((builtin, photos, photos), {}, {}, {})[0]
    assert named[1] == "padscope explain RUN --images IMAGES"
    assert named[2].startswith("padscope impact RUN --images IMAGES --labels LABELS")
    for stages, *changes in (
        ((builtin, context, builtin), {}, {"check": 0}, {}),  # no option for it
        ((builtin, context, builtin), {}, {}, {"resamples": 500}),
        ((photos, context, photos), {}, {}, {}),  # no option for other images than photographs
        ((builtin, "24 images from a Tensor", builtin), {}, {}, {}),
    ):
        assert commands_of(stages, *changes)[0] == []  # type: ignore[arg-type]  # stages come first


def test_settings_that_are_called_options_are_options() -> None:
    for stage, command in (("scan", scan_command), ("explain", explain_command),
                           ("impact", impact_command)):  # fmt: skip
        assert set(OPTIONS[stage]) <= set(signature(command).parameters)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to load the page in")
def test_a_browser_shows_it_without_complaint(study: Study, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    (tmp_path / "report.html").write_text(render_report(study), encoding="utf-8")
    shot = tmp_path / "shot.png"
    quiet = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        f"--screenshot={shot}", "--window-size=1000,1200", "--dump-dom",
    ]  # fmt: skip
    address = (tmp_path / "report.html").as_uri()
    done = subprocess.run([CHROMIUM, *quiet, address], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    responding = int((study.filters["ks"] >= 0.5).sum())  # what the gallery begins with
    assert Page(done.stdout).count("article", "card") == responding > 0
    colours = Image.open(shot).convert("RGB").getcolors(1 << 24)
    assert colours and len(colours) > 50  # text, lines and bars: not a blank page
    assert (0, 114, 178) in {colour for _, colour in colours}  # the style sheet is at work
