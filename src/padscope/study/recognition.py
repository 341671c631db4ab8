"""The third rung in numbers and sentences: who recognises the border, and where that comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from padscope.evidence import RECOGNISED, STRONGLY_RECOGNISED
from padscope.scores import Comparison, NetworkCount, compare_counts, told_apart
from padscope.study.explanation import FRESH, GIVEN, Explanation
from padscope.tables import MEASURED, zero_usual_by_site

APART = 0.05  # false discovery rate
NO_BASELINE = (
    "No baseline was run, so nothing here can be called learned: untrained networks of the same "
    "architecture have such filters too."
)
NO_AIM = (
    "Neither comparison says that training aimed at it: an edge filter takes a border of zeros "
    "for an edge."
)
_THAN = {"more": "More than", "as many": "About as many as", "fewer": "Fewer than"}
_TRAINING = {
    "more": "training brings them about",
    "as many": "nothing shows that training brings them about",
    "fewer": "training does away with them",
}
_KERNELS = {
    "more": "the kernels themselves look for it",
    "as many": "nothing shows that the kernels do more than any would",
    "fewer": "what the channels carry shows the border to any kernel, and to these less",
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
    """

    kind: str
    comparison: Comparison
    apart: int

    @property
    def beside(self) -> str:
        """The counts of the baselines: ``0, 1 and 2``."""
        *most, last = (f"{count:,}" for count in sorted(self.comparison.baselines))
        return f"{', '.join(most)} and {last}" if most else last

    @property
    def lead(self) -> str:
        """How the counts compare, up to where they stand."""
        others = "untrained networks" if self._training else "random kernels on the same channels"
        if self.comparison.answer is None:
            return f"How that compares with {others} is open"
        return f"{_THAN[self.comparison.answer]} {others} have"

    @property
    def rest(self) -> str:
        """The counts, and what they say; with `lead` a sentence."""
        found = self.comparison
        if found.answer is None:
            return f": {found.reason}."
        if not any((found.count, *found.baselines)):
            return ": on the same crops, none."
        what = (_TRAINING if self._training else _KERNELS)[found.answer]
        told = f"{f'{self.apart:,}' if self.apart else 'none'} can be told from theirs one by one"
        return (
            f" (on the same crops {found.count:,}, beside {self.beside}): {what}; {told} "
            f"(q ≤ {APART:g})."
        )

    @property
    def _training(self) -> bool:
        return self.kind == FRESH


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
    def lead(self) -> str:
        """The finding, without a full stop."""
        verb = "recognises" if self.recognising == 1 else "recognise"
        return (
            f"{self.recognising:,} of {self.measured:,} measured "
            f"filter{'' if self.measured == 1 else 's'} ({self.share:.1%}) {verb} the border"
        )

    @property
    def rule(self) -> str:
        """What recognising means, and of how many filters it is not known."""
        told = (
            "Padding makes such a filter differ there, and at a threshold that "
            f"{100 * self.content:.3g} % of the content passes it fires on half of the border or "
            f"more (recall ≥ {RECOGNISED:g}; {self.strongly:,} reach {STRONGLY_RECOGNISED:g})."
        )
        if self.without:
            needed = math.ceil(round(1 / self.content, 6))
            told += (
                f" Of {self.without:,} it is not known: their core has fewer than the "
                f"{needed:,} values that such a threshold takes; give more images."
            )
        return told

    @property
    def sentences(self) -> Iterator[str]:
        """Where it comes from: what the baselines say of the count."""
        if not self.origins:
            yield NO_BASELINE
        yield from (f"{origin.lead}{origin.rest}" for origin in self.origins)
        if any(origin.comparison.answer for origin in self.origins):
            yield NO_AIM
        if self.usual:
            yield self.usual


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
        f"The value of the padding is an unusual one in {sites['unusual'].sum():,} of "
        f"{sites['channels'].sum():,} input channels: less than {100 * explanation.content:.3g} % "
        "of their content lies as far out"
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
    return Origin(kind, comparison, told_apart(q, APART))


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
    comparison = compare_counts(
        _count(given),
        [_count(table) for table in baselines],
        images=min(table["images"][0] for table in networks),
        core_per_image=min(min(table["core"]) for table in networks),
        content=content,
    )
    return replace(comparison, answer=None, reason=reason) if reason else comparison


def _count(table: pl.DataFrame) -> NetworkCount:
    without = np.array(table["recalled_without"].to_list()).sum(axis=0)
    measured = int((table["filters"] - table["unmeasured"]).sum())
    return NetworkCount(int(table["recalled"].sum()), measured, tuple(without.tolist()))
