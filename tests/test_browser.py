"""The page in a browser: sorting, filtering, searching, links, keys, print."""

from __future__ import annotations

import re
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import polars as pl
import pytest
from tests.synthetic_gallery import IMAGES, small_study, tiled
from tests.synthetic_impact import with_impact
from tests.test_report import HOSTILE, noise
from tests.test_report_explained import explained, two_layers
from tests.test_survey import synthetic
from torch import nn

from padscope.figures.drawings import DIVERGING, SEQUENTIAL, colour_cells
from padscope.findings.choice import STATIC, choose_filters
from padscope.report import render_report
from padscope.report.survey import render_survey
from padscope.study import Study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to load the page in")

AXE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]  # the rules of WCAG 2.2 AA
STEP = 24  # cards that the page adds at once
CARDS = "#gallery-cards > article"
OUTSIDE = "https://example.com/x.png"

# Least contrast of the texts below an element with what is behind them, and which it is.
CONTRAST = """(root) => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [21, ""];
  for (const element of document.querySelectorAll(`${root}, ${root} *`)) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.matches("option, title, :disabled")) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, `${element.localName}: ${element.textContent}`];
  }
  return worst;
}"""


class Visit:
    """A page in the browser, and all that it asked for or complained of."""

    def __init__(self, context: BrowserContext, file: Path) -> None:
        self.page: Page = context.new_page()
        self.address = file.as_uri()
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.refused.append(request.failure or ""))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def open(self, fragment: str = "") -> Page:
        self.page.goto(self.address + fragment)
        return self.page

    @property
    def names(self) -> list[str]:
        return self.page.locator(f"{CARDS} h3").all_text_contents()

    @property
    def status(self) -> str:
        return self.page.locator("#gallery-status").inner_text()

    def expect_opened(self, name: str | None) -> None:
        """Wait until the window shows this filter, or is closed: browsers queue such events."""
        window = self.page.locator("#gallery-one[open] h3")
        if name is None:
            playwright.expect(window).to_have_count(0)
        else:
            playwright.expect(window).to_have_text(name)

    def expect_focused(self, name: str) -> None:
        """Wait until the card of this filter has the focus."""
        holder = "document.activeElement.querySelector?.('h3')?.textContent"
        self.page.wait_for_function(f"name => {holder} === name", arg=name)

    def expect_fragment(self, fragment: str) -> None:
        """Wait until the page's address ends so."""
        playwright.expect(self.page).to_have_url(self.address + fragment)

    def choose(self, menu: str, value: str) -> None:
        self.page.locator(f"#gallery-controls [name={menu}]").select_option(value)


Visitor = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study()


@pytest.fixture(scope="module")
def chosen(study: Study) -> pl.DataFrame:
    return choose_filters(study)


@pytest.fixture(scope="module")
def file(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_report(study), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def full_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page with the sections of all rungs."""
    study = with_impact(explained(two_layers(), IMAGES, baselines=1))
    path = tmp_path_factory.mktemp("page") / "full.html"
    path.write_text(render_report(study), encoding="utf-8")
    return path


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Visit a file with some window size, colour scheme, with or without JavaScript."""
    contexts: list[BrowserContext] = []

    def visit(file: Path, width: int = 1200, scheme: str = "light", script: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        return Visit(context, file)

    yield visit
    for context in contexts:
        context.close()


def named(rows: pl.DataFrame) -> list[str]:
    return [f"{site}/{index}" for site, index in rows.select("site", "filter").iter_rows()]


def recognising(chosen: pl.DataFrame) -> pl.DataFrame:
    return chosen.filter("recognises")


def test_nothing_is_asked_for_and_nothing_complained_of(visitor: Visitor, file: Path) -> None:
    visit = visitor(file)
    page = visit.open()
    visit.choose("evidence", "")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator("#gallery-more button").first.click()
    page.locator(CARDS).last.scroll_into_view_if_needed()
    page.locator(CARDS).last.press("Enter")
    visit.expect_opened(visit.names[-1])
    assert visit.requests == [visit.address] and visit.complaints == []


def test_the_policy_lets_nothing_else_in(visitor: Visitor, file: Path) -> None:
    visit = visitor(file)
    page = visit.open()
    page.evaluate(
        """(address) => {
          document.body.append(Object.assign(new Image(), { src: address }));
          document.body.append(Object.assign(document.createElement("script"),
            { textContent: "document.title = 'changed'" }));
          fetch(address).catch(() => {});
        }""",
        OUTSIDE,
    )
    page.wait_for_timeout(200)
    assert visit.refused == ["csp"] * (len(visit.requests) - 1)  # all but the page itself
    assert page.title() != "changed"
    assert len([text for text in visit.complaints if "Content Security Policy" in text]) >= 3


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_rules_of_accessibility_hold(
    visitor: Visitor, full_file: Path, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    page = visitor(full_file, width=width, scheme=scheme).open()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", AXE)
    assert found["passes"]
    told = [(rule["id"], node["target"], node["failureSummary"])
            for rule in found["violations"] for node in rule["nodes"]]  # fmt: skip
    assert told == []


def test_it_opens_with_the_recognising_filters_strongest_first(
    visitor: Visitor, file: Path, chosen: pl.DataFrame
) -> None:
    visit = visitor(file)
    visit.open()
    assert visit.names == named(recognising(chosen))[:STEP]
    assert visit.status == f"{recognising(chosen).height} filters of {chosen.height}"


# What the page can sort by, its column, and how finely the page tells its values apart.
SORTS = (
    ("causal", "causal_ks", 0.002), ("recall", "recall", 0.002), ("ks", "ks", 0.002),
    ("polarity", "polarity", 0.003),
    ("own", "own_ks", 0.011), ("incoming", "incoming_ks", 0.011), ("reach", "reach", 0),
    ("stability", "stability", 0.011), ("q", "q", 1e-5), ("impact", "impact", 0),
    ("impactSigned", "impact_signed", 1e-4),
)  # fmt: skip


def test_sorting(visitor: Visitor, file: Path, study: Study, chosen: pl.DataFrame) -> None:
    own = study.sides.select("site", "filter", "own_ks", "incoming_ks", causal_side="side")
    rows = chosen.join(own, on=["site", "filter", "causal_side"], how="left", maintain_order="left")
    visit = visitor(file)
    page = visit.open()
    visit.choose("evidence", "")
    page.locator("#gallery-more button").last.click()
    for by, column, step in SORTS:
        values = dict(zip(named(rows), rows[column], strict=True))
        visit.choose("sort", by)
        for ascending in (False, True):
            page.locator("#gallery-more button").last.click()
            shown = [values[name] for name in visit.names]
            assert len(shown) == chosen.height
            known = [value for value in shown if value is not None]
            assert shown[: len(known)] == known  # what has no value comes last
            rising = np.diff(known) * (1 if ascending else -1)
            assert rising.min() >= -step, by
            page.locator("#gallery-direction").click()


def test_sorting_by_name_and_depth(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    visit = visitor(file)
    visit.open()
    visit.choose("evidence", "")
    visit.page.locator("#gallery-direction").click()
    for by in ("name", "depth"):
        visit.choose("sort", by)
        assert visit.names == named(chosen.sort("site", "filter"))[:STEP]


@pytest.mark.parametrize(
    ("menu", "column"),
    [("side", "causal_side"), ("kind", "kind"), ("origin", "origin"), ("evidence", "label")],
)
def test_filtering(
    visitor: Visitor, file: Path, chosen: pl.DataFrame, menu: str, column: str
) -> None:
    visit = visitor(file)
    page = visit.open()
    visit.choose("evidence", "")
    for word in chosen[column].drop_nulls().unique().to_list():
        if menu == "evidence" and word not in ("confirmed", "grey", "rejected"):
            continue
        visit.choose(menu, word)
        found = chosen.filter(pl.col(column) == word)
        assert set(visit.names) == set(named(found)) or found.height > STEP
        assert visit.status.startswith(f"{found.height} filter")
    page.get_by_role("button", name="Clear").click()
    first = named(recognising(chosen))[:STEP]
    playwright.expect(page.locator(CARDS)).to_have_count(len(first))
    assert visit.names == first


def test_filters_add_up(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    visit = visitor(file)
    visit.open()
    visit.choose("evidence", "strong")
    visit.choose("site", "1")
    visit.choose("side", "left")
    found = chosen.filter(
        (pl.col("ks") >= 0.8) & (pl.col("site") == "3") & (pl.col("causal_side") == "left")
    )
    assert set(visit.names) == set(named(found)) and found.height


def test_searching(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    visit = visitor(file)
    page = visit.open()
    search = page.get_by_role("searchbox")
    search.fill("3/1")
    expected = [name for name in named(recognising(chosen)) if "3/1" in name]
    assert visit.names == expected[:STEP] and len(expected) > 1
    search.fill("no such filter")
    assert visit.names == [] and "None of the" in visit.status
    search.fill("")
    assert len(visit.names) == min(STEP, recognising(chosen).height)


def test_a_link_opens_its_filter(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    visit = visitor(file)
    unselected = chosen.filter(pl.col("label") != "confirmed").head(1)
    for name in (named(chosen)[5], *named(unselected)):
        visit.open(f"#{name}")
        visit.page.reload()
        visit.expect_opened(name)
    assert "not among those selected" in visit.page.locator("#gallery-one").inner_text()
    visit.page.keyboard.press("Escape")
    visit.expect_opened(None)
    visit.expect_fragment("")
    for nothing in ("#0/4711", "#%E0%A4%A", "#sites"):
        visit.open(nothing)
        visit.page.reload()
        visit.expect_opened(None)
    visit.page.locator("details.fold > summary").evaluate(
        "each => { each.parentNode.open = true; }"
    )
    for where in (".example", "tbody td"):
        link = visit.page.locator(f"{where} a[href^='#']").first
        link.click()
        visit.expect_opened((link.get_attribute("href") or "").removeprefix("#"))
        visit.page.keyboard.press("Escape")
    assert visit.page.get_by_text("What is drawn in a neuron").is_visible()
    assert visit.complaints == []


def test_keys(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    names = named(chosen.sort("site", "filter"))[::-1]
    visit = visitor(file)
    page = visit.open()
    visit.choose("evidence", "")
    visit.choose("sort", "depth")
    tops = [card.evaluate("card => card.offsetTop") for card in page.locator(CARDS).all()[:12]]
    across = tops.count(tops[0])
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Tab")
    visit.expect_focused(names[0])
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    moves = [("ArrowRight", 1), ("ArrowDown", 1 + across), ("ArrowLeft", across),
             ("ArrowUp", 0), ("End", STEP - 1), ("ArrowRight", STEP), ("Home", 0)]  # fmt: skip
    for key, place in moves:
        page.keyboard.press(key)
        visit.expect_focused(names[place])
    page.keyboard.press("Enter")
    visit.expect_opened(names[0])
    visit.expect_fragment(f"#{names[0]}")
    for place in (1, 2):
        page.keyboard.press("ArrowRight")
        visit.expect_opened(names[place])
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Next").press("Enter")
    page.keyboard.press("Enter")  # the focus is still on it
    visit.expect_opened(names[4])
    page.keyboard.press("Escape")
    visit.expect_opened(None)
    visit.expect_focused(names[4])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(visitor: Visitor, file: Path, scheme: str) -> None:
    visit = visitor(file, scheme=scheme)
    page = visit.open()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
    assert dark == (scheme == "dark")
    page.locator(CARDS).first.press("Enter")
    for part in ("#gallery-one", "#gallery-controls", "#gallery-cards"):
        ratio, text = page.evaluate(CONTRAST, part)
        assert 4.5 <= ratio < 21, text


@pytest.mark.parametrize("width", [360, 1200, 2560])
def test_nothing_is_wider_than_the_window(visitor: Visitor, file: Path, width: int) -> None:
    visit = visitor(file, width=width)
    page = visit.open()
    page.locator(CARDS).nth(3).press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#gallery-one").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width


def test_everything_has_words(visitor: Visitor, file: Path) -> None:
    visit = visitor(file)
    page = visit.open()
    assert page.locator(
        "canvas:not([aria-label]), svg:not([aria-label]):not([aria-hidden])"
    ).count() == (page.locator(".vega svg, svg.marks, [role=img] svg").count())
    for control in page.locator("#gallery-controls :is(select, input, button)").all():
        assert control.evaluate("e => (e.labels?.[0] ?? e).textContent.trim()")


def test_it_reads_without_javascript(visitor: Visitor, file: Path, chosen: pl.DataFrame) -> None:
    visit = visitor(file, script=False)
    page = visit.open()
    rows = page.locator("noscript tbody th").all_text_contents()
    assert rows == named(chosen)[:STATIC]
    assert not page.locator("#gallery-controls").is_visible()
    assert not page.locator(".scripted").first.is_visible()


def test_pictures_are_the_weights_and_the_map(
    visitor: Visitor, file: Path, study: Study, chosen: pl.DataFrame
) -> None:
    visit = visitor(file)
    page = visit.open()
    canvas = """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);
                       return [c.height, c.width, [...d.data]]; }"""
    for place, row in enumerate(recognising(chosen).head(6).iter_rows(named=True)):
        kernels = study.kernels[row["site"]]
        kernel = kernels.total[row["filter"]].astype(np.float64)
        slices = kernels.slices[row["filter"], :4].astype(np.float64)
        limit = max(np.abs(kernel).max(), np.abs(slices).max())
        assert study.explanation is not None and study.explanation.counts.first is not None
        kept = study.explanation.counts.first.maps
        pair = [kept[row["site"], kind] for kind in ("padded", "real")]
        maps = np.stack([mean[row["filter"]].double().numpy() for mean in pair])
        expected = [colour_cells(kernel, -limit, limit, DIVERGING)]
        expected += [colour_cells(each, -limit, limit, DIVERGING) for each in slices]
        expected += [colour_cells(mean, maps.min(), maps.max(), SEQUENTIAL) for mean in maps]
        page.locator(CARDS).nth(place).press("Enter")
        visit.expect_opened(f"{row['site']}/{row['filter']}")
        drawn = page.locator("#gallery-one canvas").all()
        assert len(drawn) == len(expected)
        for picture, colours in zip(drawn, expected, strict=True):
            rows, columns, data = picture.evaluate(canvas)
            found = np.array(data).reshape(rows, columns, 4)
            assert found.shape[:2] == colours.shape[:2] and (found[..., 3] == 255).all()
            assert np.abs(found[..., :3] - colours.astype(int)).max() <= 3  # steps of a byte
        page.keyboard.press("Escape")
        visit.expect_opened(None)


def test_it_prints(visitor: Visitor, file: Path, tmp_path: Path) -> None:
    visit = visitor(file)
    page = visit.open()
    page.emulate_media(media="print")
    assert not page.locator("#gallery-controls").is_visible()
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 0
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 5
    assert page.locator(f"{CARDS}.pending").count() == 0  # what is printed is drawn
    assert visit.complaints == []


def test_hostile_names_are_shown_as_text(visitor: Visitor, tmp_path: Path) -> None:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        (name.replace(".", ""), nn.Conv2d(1, 1, 3, padding=1)) for name in HOSTILE
    )
    study = explained(nn.Sequential(layers).eval(), noise(8, 1, 48, 48))
    path = tmp_path / "report.html"
    path.write_text(render_report(study), encoding="utf-8")
    visit = visitor(path)
    page = visit.open()
    visit.choose("evidence", "")
    shown = [
        name.replace(".", "").replace("\u202e", "\\u202e").replace("\u2066", "\\u2066") + "/0"
        for name in HOSTILE
    ]
    assert sorted(visit.names) == sorted(shown)
    for name in shown:
        page.evaluate("hash => { location.hash = hash; }", quote(name))
        playwright.expect(page.locator("#gallery-one h3")).to_have_text(name)
        visit.expect_opened(name)
        page.keyboard.press("Escape")
    assert page.locator("script").count() == 2
    assert visit.complaints == [] and len(visit.requests) == 1


def test_a_thousand_cards_are_drawn_as_they_come_into_sight(
    visitor: Visitor, study: Study, tmp_path: Path
) -> None:
    many = tiled(study, 15)
    path = tmp_path / "report.html"
    path.write_text(render_report(many), encoding="utf-8")
    visit = visitor(path)
    page = visit.open()
    drawn = page.locator(f"{CARDS}:not(.pending)")
    visit.choose("evidence", "confirmed")
    everything = choose_filters(many).filter(pl.col("label") == "confirmed").height
    page.locator("#gallery-more button").last.click()
    playwright.expect(page.locator(CARDS)).to_have_count(everything, timeout=30_000)
    assert everything > 1000
    assert drawn.count() < 100
    last = page.locator(CARDS).last
    for _ in range(20):  # what is drawn on the way may push it out of the window again
        last.scroll_into_view_if_needed()
        page.wait_for_timeout(50)
        if last.locator("canvas").count():
            break
    assert last.locator("canvas").count() >= 2
    assert drawn.count() < 200


SURVEY = "[aria-labelledby=models-rows] tbody"


def test_a_survey_is_sorted_and_filtered(visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "survey.html"
    survey = synthetic({"b net": 1200, "a net": 7, "c other": 40})
    file.write_text(render_survey(survey), encoding="utf-8")
    visit = visitor(file)
    page = visit.open()
    names = page.locator(f"{SURVEY} tr:visible th")
    assert names.all_text_contents() == ["b net", "a net", "c other"]
    recognises = page.get_by_role("button", name="recognises")
    recognises.click()  # the most first
    assert names.all_text_contents() == ["b net", "c other", "a net"]
    recognises.click()
    assert names.all_text_contents() == ["a net", "c other", "b net"]
    page.get_by_role("button", name="model").click()
    assert names.all_text_contents() == ["a net", "b net", "c other"]
    page.get_by_role("searchbox").fill("NET")
    assert names.all_text_contents() == ["a net", "b net"]
    assert page.locator(".filter output").inner_text() == "2 of 3"
    assert visit.requests == [visit.address] and visit.complaints == []
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", AXE)
    broken = [
        (rule["id"], node["target"]) for rule in found["violations"] for node in rule["nodes"]
    ]
    assert broken == []
    bare = visitor(file, script=False).open()
    assert bare.locator(f"{SURVEY} tr").count() == 3
    assert bare.locator("form").count() == 0
