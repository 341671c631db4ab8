"""How fast the page is written and opens, and how many bytes it has."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from padscope.report import render_report
from padscope.study import Study

FIRST_CARD = """() => {
  const loaded = performance.getEntriesByType("navigation")[0].loadEventEnd;
  const drawn = performance.getEntriesByName("first-card")[0];
  return loaded && drawn ? [loaded, drawn.startTime] : null;
}"""
# A card is drawn once it holds its pictures; the mark is set at the frame after that.
WATCH = """
new MutationObserver((_, watch) => {
  if (document.querySelector("#gallery-cards article.card:not(.pending) .cell")
      && document.body.classList.contains("drawn")) {
    watch.disconnect();
    requestAnimationFrame(() => performance.mark("first-card"));
  }
}).observe(document, { childList: true, subtree: true, attributes: true });
"""


def build(study: Study) -> tuple[float, float]:
    """Write a page.

    Returns
    -------
    seconds, megabytes : float
    """
    start = time.perf_counter()
    page = render_report(study).encode()
    return time.perf_counter() - start, len(page) / 1e6


def open_page(file: Path, times: int) -> list[tuple[float, float]]:
    """Open a page in headless Chromium, each time in a fresh profile.

    Returns
    -------
    list of (float, float)
        Seconds from the start of the navigation to the end of the load event, and from there to
        the first card drawn by the script; negative if it was drawn before.

    Raises
    ------
    RuntimeError
        There is no Chromium, or no card was drawn.
    """
    from playwright import sync_api as playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("there is no chromium to open the page with")
    found = []
    with playwright.sync_playwright() as driver:
        for _ in range(times):
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.add_init_script(WATCH)
            page.goto(file.as_uri())
            handle = page.wait_for_function(FIRST_CARD, timeout=30_000)
            loaded, drawn = handle.json_value()
            found.append((loaded / 1000, (drawn - loaded) / 1000))
            browser.close()
    return found


def describe_page(study: Study, times: int) -> str:
    """Tell how long the page of a study takes to write and to open."""
    seconds, size = build(study)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(render_report(study), encoding="utf-8")
        opened = open_page(file, times)
    load, card = (statistics.median(column) for column in zip(*opened, strict=True))
    worst = max(after for _, after in opened)
    return (
        f"{study.filters.height:,} filters: written in {seconds:.1f} s, {size:.1f} MB; load event "
        f"after {load:.2f} s, first card {card:+.2f} s later "
        f"(at most {worst:+.2f} s, {times} times)"
    )
