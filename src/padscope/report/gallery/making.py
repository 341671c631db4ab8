"""The gallery: all filters worth a look, to sort, filter and search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.evidence import CANDIDATE, STRONG
from padscope.findings.choice import STATIC, choose_filters, strongest_listing
from padscope.findings.kinds import TITLES
from padscope.findings.listing import Listing
from padscope.report.gallery.data import gallery_block, write_block
from padscope.study import Study

# What cards can be sorted by: name of a column of the block, and words for people.
ALWAYS = (("depth", "depth in the network"), ("name", "name"))
FIRST_RUNG = (("ks", "KS"),)
SECOND_RUNG = (
    ("causal", "causal KS"), ("recall", "border recall"), ("own", "KS of own padding"),
    ("incoming", "KS of what comes in"),
    ("reach", "reach"), ("stability", "stability of the kind"), ("q", "q, of chance"),
)  # fmt: skip
THIRD_RUNG = (("impact", "estimated impact"), ("impactSigned", "signed impact"))


@dataclass(frozen=True)
class Choice:
    """One entry of a menu.

    Attributes
    ----------
    value, words : str
    count : int or None
        Filters it stands for, if that is told.
    """

    value: str
    words: str
    count: int | None = None


@dataclass(frozen=True)
class Gallery:
    """What the page's section shows.

    Attributes
    ----------
    filters : int
        Filters of the gallery.
    strongest : Listing
        The first of them, for readers without JavaScript.
    evidence, sorts, sites, sides, kinds, origins : list of Choice
        Entries of the menus; those that select begin with the default.
    block : Markup
        All filters, as JSON.
    filled : bool
        Whether the gallery holds filters that do not respond either.
    """

    filters: int
    strongest: Listing
    evidence: list[Choice]
    sorts: list[Choice]
    sites: list[Choice]
    sides: list[Choice]
    kinds: list[Choice]
    origins: list[Choice]
    block: Markup
    filled: bool


def make_gallery(study: Study) -> Gallery:
    """Choose and draw the filters of a study that are worth a look."""
    chosen = choose_filters(study)
    block = gallery_block(study, chosen)
    columns, words = block["columns"], block["words"]

    def menu(column: str) -> list[Choice]:
        counts = Counter(columns[column])
        return [
            Choice(word, TITLES.get(word, word), counts[place])
            for place, word in enumerate(words[column])
        ]

    by_site = Counter(columns["site"])
    return Gallery(
        chosen.height,
        strongest_listing(study, chosen),
        _evidence(study, chosen),
        _sorts(study, block),
        [Choice(str(n), site["name"], by_site[n]) for n, site in enumerate(block["sites"])],
        menu(block["strongest"]),
        menu("kind"),
        menu("origin"),
        Markup(write_block(block)),
        bool((chosen["ks"] < CANDIDATE).any()) and chosen.height <= STATIC,
    )


def _evidence(study: Study, chosen: pl.DataFrame) -> list[Choice]:
    """Menu of labels; the first that has filters is the default."""
    choices, counts = [], Counter(chosen["label"])
    if study.explanation:
        recognising = int(chosen["recognises"].sum())
        choices.append(Choice("recognises", "recognise the border", recognising))
        choices.append(Choice("confirmed", "confirmed", counts["confirmed"]))
    responding, strong = (int((chosen["ks"] >= cut).sum()) for cut in (CANDIDATE, STRONG))
    choices.append(Choice("candidate", f"responding, KS ≥ {CANDIDATE}", responding))
    choices.append(Choice("strong", f"strong, KS ≥ {STRONG}", strong))
    if study.explanation:
        choices += [Choice(name, name, counts[name]) for name in ("grey", "rejected")]
    choices.append(Choice("", "all that are kept here", chosen.height))
    return [choice for choice in choices if choice.count] or choices[-1:]


def _sorts(study: Study, block: dict[str, Any]) -> list[Choice]:
    rungs = [
        *(SECOND_RUNG[:2] if study.explanation else ()),
        *FIRST_RUNG,
        *(THIRD_RUNG if block["impact"] else ()),
        *(SECOND_RUNG[2:] if study.explanation else ()),
        *((each["name"], each["title"]) for each in block["statistics"]),
        *ALWAYS,
    ]
    return [Choice(value, words) for value, words in rungs]
