"""What an explained study found, in numbers and sentences: the second rung and the third."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from padscope.evidence import CANDIDATE
from padscope.study import Explanation, Study
from padscope.study.recognition import Recognition, recognition
from padscope.tables import MEASURED
from padscope.tables.comparison import response_columns


@dataclass(frozen=True)
class Caused:
    """The counts that the page of an explained study opens with.

    Attributes
    ----------
    filters, measured : int
        All filters, and those with both a KS and a causal KS.
    respond, strong : int
        Measured filters that do, by their strongest side.
    caused, grey, rejected : int
        Labels of measured filters; rejected ones all respond.
    grey_responding : int
        Grey ones that respond; those that are caused all do.
    recognition : Recognition
        The third rung.
    apart : int
        Measured filters whose contrast was made without real context.
    images, skipped : int
        Images explained, and left out.
    """

    filters: int
    measured: int
    respond: int
    strong: int
    caused: int
    grey: int
    rejected: int
    grey_responding: int
    recognition: Recognition
    apart: int
    images: int
    skipped: int

    @property
    def all_apart(self) -> bool:
        """Whether nothing was contrasted with real context."""
        return self.apart == self.measured


def count_caused(study: Study, explanation: Explanation) -> Caused:
    """Count what an explained study found."""
    measured, found = study.filters.filter(MEASURED), response_columns(study.filters)
    responding = pl.col("ks") >= CANDIDATE

    def count(condition: pl.Expr) -> int:
        return measured.filter(condition).height

    return Caused(
        filters=study.filters.height,
        measured=found["measured"],
        respond=found["responds"],
        strong=found["strong"],
        caused=count(pl.col("label") == "confirmed"),
        grey=count(pl.col("label") == "grey"),
        rejected=count(pl.col("label") == "rejected"),
        grey_responding=count((pl.col("label") == "grey") & responding),
        recognition=recognition(study.filters, explanation),
        apart=count(~pl.col("real_context")),
        images=explanation.counts.images,
        skipped=len(explanation.counts.skipped),
    )
