"""Kinds of filters as a grid of drawn frames; as a list for maps of one or three dimensions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.evidence import KINDS
from padscope.findings.kinds import EXCITED, INHIBITED, TITLES, Kind, kinds, sign_of, with_kind
from padscope.report.glyphs import frame_glyph
from padscope.study import Study

TOP, BOTTOM, LEFT, RIGHT = SIDES = ("top", "bottom", "left", "right")
Set = tuple[str, ...]
SETS: dict[str, dict[str, Set]] = {
    "single": {side: (side,) for side in SIDES},
    "adjacent": {f"{a} {b}": (a, b) for a in (TOP, BOTTOM) for b in (LEFT, RIGHT)},
    "opposite-same": {"top bottom": (TOP, BOTTOM), "left right": (LEFT, RIGHT)},
    "three": {
        f"not {out}": tuple(side for side in SIDES if side != out)
        for out in (BOTTOM, TOP, RIGHT, LEFT)
    },
    "frame": {"all": SIDES},
}  # fmt: skip
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
LISTED = 24  # rows of a list of kinds
Signs = tuple[tuple[str, str], ...]  # (side, sign) of every active side


@dataclass
class Group:
    """Filters of one kind, one set of sides, one sign.

    Attributes
    ----------
    count : int
    stabilities : list of float
        Those that are known.
    patterns : Counter
        How often each sign per side occurs.
    apart : int
        How many were explained without real context.
    """

    count: int = 0
    stabilities: list[float] = field(default_factory=list)
    patterns: Counter[Signs] = field(default_factory=Counter)
    apart: int = 0

    @property
    def stability(self) -> float | None:
        """Mean stability."""
        return sum(self.stabilities) / len(self.stabilities) if self.stabilities else None


@dataclass(frozen=True)
class Cell:
    """A frame and what is counted of it."""

    glyph: Markup
    count: int
    stability: float | None


@dataclass(frozen=True)
class Block:
    """One kind: frames by sides (columns) and sign (rows).

    Attributes
    ----------
    title : str
    count : int
    columns : list of str
    rows : list of (str, list of Cell)
        The sign is "" where the columns tell it.
    """

    title: str
    count: int
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class KindGrid:
    """The kinds of a study's filters.

    Attributes
    ----------
    blocks : list of Block
        Of 2D maps.
    listed : list of (str, str, str, Group)
        Of other maps: kind, sides, sign; the most frequent ones.
    unlisted : int
        Filters beyond those.
    apart : int
        Filters with a kind that were explained without real context.
    described : tuple of Kind
        What is said of each.
    """

    blocks: list[Block]
    listed: list[tuple[str, str, str, Group]]
    unlisted: int
    apart: int
    described: tuple[Kind, ...]


def make_kinds(study: Study) -> KindGrid:
    """Count and draw the kinds of an explained study's confirmed filters, and corners."""
    flat = {
        site: len(shape) == 2 for site, shape in study.sites.select("site", "map_size").iter_rows()
    }
    drawn: dict[tuple[str, Set, str], Group] = {}
    listed: dict[tuple[str, Set, str], Group] = {}
    for row, signs in _filters(study):
        corner = (row["causal_corner"],) if row["kind"] == "corner" else ()
        sides = corner or tuple(side for side, _ in signs)
        groups = drawn if flat[row["site"]] else listed
        sign = row["sign"] or ""
        if row["kind"] == "opposite-opposed":
            sign = next(_excited(side) for side, sign in signs if sign == EXCITED)
        group = groups.setdefault((row["kind"], sides, sign), Group())
        group.count += 1
        group.patterns[signs] += 1
        group.apart += not row["real_context"]
        if row["stability"] is not None:
            group.stabilities.append(row["stability"])
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = sorted(listed.items(), key=lambda item: (-item[1].count, order[item[0][0]], item[0]))
    apart = sum(group.apart for group in (*drawn.values(), *listed.values()))
    return KindGrid(
        _blocks(drawn) if drawn else [],
        [
            (TITLES[kind].removesuffix(" (provisional)"), ", ".join(sides), sign, group)
            for (kind, sides, sign), group in rows[:LISTED]
        ],
        sum(group.count for _, group in rows[LISTED:]),
        apart,
        kinds(study),
    )


def _filters(study: Study) -> Iterable[tuple[dict[str, Any], Signs]]:
    """Rows of filters with a kind, and the signs of their active sides."""
    chosen = with_kind(study)
    signs: dict[tuple[str, int], list[tuple[str, str]]] = {}
    sides = study.sides.join(
        chosen.select("site", "filter", "active"), on=["site", "filter"], maintain_order="left"
    ).filter(pl.col("side").is_in(pl.col("active")))
    for site, index, side, polarity in sides.select(
        "site", "filter", "side", "causal_polarity"
    ).iter_rows():
        signs.setdefault((site, index), []).append((side, sign_of(polarity)))
    for row in chosen.select(
        "site", "filter", "kind", "sign", "causal_corner", "stability", "real_context"
    ).iter_rows(named=True):
        yield row, tuple(signs.get((row["site"], row["filter"]), ()))


def _blocks(groups: dict[tuple[str, Set, str], Group]) -> list[Block]:
    blocks = [_block(groups, kind, SETS[kind]) for kind in ("single", "adjacent", "opposite-same")]
    blocks += [_opposed(groups), _block(groups, "three", SETS["three"])]
    return [*blocks, _block(groups, "frame", SETS["frame"]), _corners(groups)]


def _block(groups: dict[tuple[str, Set, str], Group], kind: str, sets: dict[str, Set]) -> Block:
    rows = []
    for sign in (EXCITED, INHIBITED, "mixed"):
        found = [groups.get((kind, sides, sign), Group()) for sides in sets.values()]
        if sign == "mixed" and not any(group.count for group in found):
            continue
        cells = [
            _cell(group, _usual(group, sides, sign))
            for group, sides in zip(found, sets.values(), strict=True)
        ]
        rows.append((sign, cells))
    return Block(TITLES[kind], _total(groups, kind), list(sets), rows)


def _usual(group: Group, sides: Set, sign: str) -> Signs:
    """Give the most frequent signs of a group, or what they would be."""
    if group.patterns:
        return min(group.patterns, key=lambda signs: (-group.patterns[signs], signs))
    return tuple((side, "neither" if sign == "mixed" else sign) for side in sides)


def _opposed(groups: dict[tuple[str, Set, str], Group]) -> Block:
    """Opposite sides of opposed sign: one column for each side that may be the excited one."""
    kind, cells = "opposite-opposed", []
    for sides in SETS["opposite-same"].values():
        for excited in sides:
            signs = [(side, EXCITED if side == excited else INHIBITED) for side in sides]
            cells.append(_cell(groups.get((kind, sides, _excited(excited)), Group()), signs))
    return Block(TITLES[kind], _total(groups, kind), [_excited(s) for s in SIDES], [("", cells)])


def _excited(side: str) -> str:
    return f"{side} excited"


def _corners(groups: dict[tuple[str, Set, str], Group]) -> Block:
    cells = []
    for corner in CORNERS:
        group = groups.get(("corner", (corner,), ""), Group())
        cells.append(Cell(frame_glyph({}, [corner]), group.count, group.stability))
    columns = [corner.replace("-", " ") for corner in CORNERS]
    return Block(TITLES["corner"], _total(groups, "corner"), columns, [("", cells)])


def _total(groups: dict[tuple[str, Set, str], Group], kind: str) -> int:
    return sum(group.count for (name, _, _), group in groups.items() if name == kind)


def _cell(group: Group, signs: Sequence[tuple[str, str]]) -> Cell:
    return Cell(frame_glyph(dict(signs)), group.count, group.stability)
