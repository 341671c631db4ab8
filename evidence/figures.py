"""Measure everything that the method's page quotes, and write it there.

Run from a checkout::

    python -m evidence figures --images photos/ --weights weights/

Tables replace what stands between their markers on the page; pictures are written beside it. The
folder needs twice as many photographs as `--photographs`: of them, two samples are drawn.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from evidence import DOCS
from evidence.measured import NETWORKS, measure, measure_planted
from evidence.pictures import PICTURES
from evidence.tables import all_tables
from padscope.running.memory import keep_freed_memory
from padscope.store.files import write_atomically

PAGE = DOCS / "method.md"
END = "<!-- end -->"
PLACE = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->\n(?P<content>.*?)<!-- end -->", re.DOTALL)


def places(page: str) -> dict[str, str]:
    """Find what stands between the markers of a page, by name."""
    return {found["name"]: found["content"].strip() for found in PLACE.finditer(page)}


def fill(page: str, name: str, content: str) -> str:
    r"""Replace what stands between one pair of markers, and nothing else.

    Parameters
    ----------
    page : str
        Markdown with a line ``<!-- figures: NAME -->``, and ``<!-- end -->`` after it.
    name : str
    content : str
        What is to stand there.

    Raises
    ------
    ValueError
        The page has no such place, or more than one.

    Examples
    --------
    >>> fill("a <!-- figures: b --> old <!-- end --> c", "b", "new")
    Traceback (most recent call last):
    ...
    ValueError: the page has 0 places for b; give it one
    >>> print(fill("a\n<!-- figures: b -->\nold\n<!-- end -->\nc", "b", "new"))
    a
    <!-- figures: b -->
    new
    <!-- end -->
    c
    """
    found = [place for place in PLACE.finditer(page) if place["name"] == name]
    if len(found) != 1:
        raise ValueError(f"the page has {len(found)} places for {name}; give it one")
    start, stop = found[0].span("content")
    return f"{page[:start]}{content.strip()}\n{page[stop:]}"


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(prog="python -m evidence figures", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the weights")
    parser.add_argument("--photographs", type=int, default=96, help="in each of two samples")
    parser.add_argument("--out", type=Path, help="keep runs here, and go on from them")
    given = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        planted = measure_planted()
        measured = []
        for network in NETWORKS:
            print(network.name)
            measured.append(measure(network, given.images, given.weights, out, given.photographs))
    page = PAGE.read_text(encoding="utf-8")
    for name, table in all_tables(measured, planted).items():
        page = fill(page, name, table)
    for name, draw in PICTURES.items():
        write_atomically(PAGE.with_name(name), draw(measured).encode())
    write_atomically(PAGE, page.encode())
