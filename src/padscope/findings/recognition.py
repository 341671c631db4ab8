"""Who recognises the border, and where that comes from: what baselines say of the count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from padscope.counts import plural
from padscope.evidence import RECOGNISED, STRONGLY_RECOGNISED
from padscope.findings.words import listed, percent, share
from padscope.scores import Comparison, NetworkCount, compare_counts, told_apart
from padscope.study.explanation import (
    FRESH,
    GIVEN,
    MATCHED,
    REESTIMATED,
    SHUFFLED,
    UNSHIFTED,
    Explanation,
)
from padscope.tables import MEASURED, zero_usual_by_site

# What networks beside the given one are called.
NETWORKS = {
    FRESH: "fresh weights",
    MATCHED: "matched kernels",
    SHUFFLED: "weights shuffled",
    REESTIMATED: "given, statistics re-estimated",
    UNSHIFTED: "given, without shifts",
}
APART = 0.05  # false discovery rate
NO_BASELINE = (
    "No baseline was run, so nothing here can be called learned: untrained networks of the same "
    "architecture have such filters too."
)
NO_AIM = (
    "Neither comparison says that training aimed at it: an edge filter takes a border of zeros "
    "for an edge."
)
_compare = lru_cache(compare_counts)  # a page, or a terminal, says it in several places
_OTHERS = {FRESH: "untrained networks", MATCHED: "random kernels on the same channels"}
_MEANING = {
    FRESH: {
        "more": "training brings them about",
        "as many": "nothing shows that training brings them about",
        "fewer": "training does away with them",
    },
    MATCHED: {
        "more": "the kernels themselves look for the border",
        "as many": "nothing shows that the kernels do more than any would",
        "fewer": "what the channels carry shows the border to any kernel, and to these less",
    },
}


@dataclass(frozen=True)
class Origin:
    """How a count compares with that of one kind of baseline.

    Attributes
    ----------
    kind : str
        ``fresh`` or ``matched``.
    comparison : Comparison
    apart : int
        Recognising filters that can be told apart from this baseline's one by one, at a false
        discovery rate of `APART`.
    on : str
        The images that all of them were counted on: "on the first 25 images".
    """

    kind: str
    comparison: Comparison
    apart: int
    on: str

    @property
    def others(self) -> str:
        """What these baselines are."""
        return _OTHERS[self.kind]

    @property
    def sentence(self) -> str:
        """The counts, and what they say; or why they say nothing."""
        found, others = self.comparison, self.others
        if found.answer is None:
            return f"How that compares with {others} is open: {found.reason}."
        if not any((found.count, *found.baselines)):
            return f"{others.capitalize()} have none either {self.on}."
        counts = listed([f"{count:,}" for count in sorted(found.baselines)])
        apart = f"{self.apart:,}" if self.apart else "none"
        return (
            f"{others.capitalize()} have {counts} {self.on}, this network {found.count:,} there: "
            f"{_MEANING[self.kind][found.answer]}; {apart} of its filters can be "
            f"told apart from theirs one by one (q ≤ {APART:g})."
        )


@dataclass(frozen=True)
class Recognition:
    """What is known of the third rung.

    Attributes
    ----------
    measured, recognising, strongly : int
        Measured filters; those that recognise the border; those with a recall of
        `STRONGLY_RECOGNISED` and more among them.
    content : float
        Share of the content that may pass a filter's threshold.
    without : int
        Filters whose core has too few values for the threshold.
    origins : tuple of Origin
        Beside each kind of baseline that was run.
    usual : str
        How many channels padding's value is unusual in, a sentence; "" where that is not known.
    warnings : tuple of str
        Why the network may not be what it is taken for; to be read before all else.
    """

    measured: int
    recognising: int
    strongly: int
    content: float
    without: int
    origins: tuple[Origin, ...]
    usual: str
    warnings: tuple[str, ...]

    @property
    def share(self) -> float:
        """Recognising ones among the measured."""
        return self.recognising / self.measured if self.measured else 0.0

    @property
    def columns(self) -> dict[str, Any]:
        """What a comparison of several models takes of it."""
        found: dict[str, Any] = {"recognises": self.recognising, "recognises_share": self.share}
        for origin in self.origins:
            counts, kind = origin.comparison.baselines, origin.kind
            found["recalled"] = origin.comparison.count
            found |= {f"{kind}_low": min(counts), f"{kind}_high": max(counts)}
            found["training" if kind == FRESH else "kernels"] = origin.comparison.answer
        return found

    @property
    def sentence(self) -> str:
        """How many there are, and of how many it is not known."""
        verb = "recognises" if self.recognising == 1 else "recognise"
        told = (
            f"{self.recognising:,} of {plural(self.measured, 'measured filter')} "
            f"({percent(self.recognising, self.measured)}) {verb} the border, {self.strongly:,} of "
            f"them strongly (recall ≥ {STRONGLY_RECOGNISED:g})."
        )
        if self.without:
            needed = math.ceil(round(1 / self.content, 6))
            told += (
                f" For {self.without:,} it is not known: their core has fewer than the "
                f"{plural(needed, 'value')} that such a threshold needs; give more images."
            )
        return told

    @property
    def rule(self) -> str:
        """What recognising means."""
        return (
            f"Because of padding, it fires on half of the border or more (recall ≥ {RECOGNISED:g}) "
            f"at a threshold that {share(self.content)} of the content passes."
        )

    @property
    def origin_sentences(self) -> tuple[str, ...]:
        """Where it comes from: what the baselines say of the count."""
        told = [origin.sentence for origin in self.origins] or [NO_BASELINE]
        if any(origin.comparison.answer for origin in self.origins):
            told.append(NO_AIM)
        return (*told, self.usual) if self.usual else tuple(told)


def recognition(filters: pl.DataFrame, explanation: Explanation) -> Recognition:
    """Count the third rung of an explained study, and set it beside its baselines."""
    measured = filters.filter(MEASURED)
    found = measured.filter(pl.col("recognises"))
    return Recognition(
        measured.height,
        found.height,
        found.filter(pl.col("recall") >= STRONGLY_RECOGNISED).height,
        explanation.content,
        measured["recall"].null_count(),
        tuple(_origin(kind, measured, explanation) for kind in explanation.kinds_of_baselines),
        _usual(explanation),
        explanation.warnings,
    )


def _usual(explanation: Explanation) -> str:
    sites = zero_usual_by_site(explanation.usual, explanation.content)
    if sites.is_empty() or not sites["unusual"].sum():
        return ""
    told = (
        f"The value of the padding is unusual in {sites['unusual'].sum():,} of "
        f"{plural(int(sites['channels'].sum()), 'input channel')}: less than "
        f"{share(explanation.content)} of their content lies as far out"
    )
    without = sites["unusual_without"]
    if without.null_count() == len(without):
        return f"{told}."
    return f"{told}. With every shift of batch norm set to zero, in {without.sum():,}."


def _origin(kind: str, filters: pl.DataFrame, explanation: Explanation) -> Origin:
    tables = {
        name: table
        for (name,), table in explanation.networks.group_by(["network"], maintain_order=True)
    }
    beside = [table for name, table in tables.items() if str(name).startswith(f"{kind} ")]
    reason = explanation.open_training if kind == FRESH else ""
    comparison = compare_networks(tables[GIVEN], beside, explanation.content, reason)
    q = filters.filter("recognises")[f"q_{kind}"].to_numpy()
    return Origin(kind, comparison, told_apart(q, APART), on_first(explanation))


def on_first(explanation: Explanation) -> str:
    """Say which images the given network and its baselines were counted on."""
    return f"on the first {plural(explanation.networks['images'][0], 'image')}"


def compare_networks(
    given: pl.DataFrame, baselines: Sequence[pl.DataFrame], content: float, reason: str = ""
) -> Comparison:
    """Compare the count of a network with those of one kind of baseline.

    Parameters
    ----------
    given : polars.DataFrame
        See `padscope.tables.network_table`.
    baselines : sequence of polars.DataFrame
        Likewise, one each.
    content : float
        Share of the content that may pass a filter's threshold.
    reason : str
        Why there is no answer, whatever the counts; "" if there may be one.
    """
    networks = (given, *baselines)
    comparison = _compare(
        _count(given),
        tuple(_count(table) for table in baselines),
        images=min(table["images"][0] for table in networks),
        core_per_image=min(min(table["core"]) for table in networks),
        content=content,
    )
    return replace(comparison, answer=None, reason=reason) if reason else comparison


def _count(table: pl.DataFrame) -> NetworkCount:
    without = np.array(table["recalled_without"].to_list()).sum(axis=0)
    measured = int((table["filters"] - table["unmeasured"]).sum())
    return NetworkCount(int(table["recalled"].sum()), measured, tuple(without.tolist()))
