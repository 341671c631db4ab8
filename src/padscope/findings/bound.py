"""Whether a run keeps within bounds that somebody sets: for pipelines."""

from __future__ import annotations

from dataclasses import dataclass

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.findings.recognition import recognition
from padscope.findings.words import percent
from padscope.study import Study


@dataclass(frozen=True)
class Check:
    """What came of a check.

    Attributes
    ----------
    passed : bool
    recognising, measured : int
        Filters that recognise the border, of those measured.
    sentence : str
    """

    passed: bool
    recognising: int
    measured: int
    sentence: str


def check_recognising(study: Study, most: int | None, share: float | None) -> Check:
    """Check how many filters recognise the border.

    Parameters
    ----------
    study : Study
    most : int, optional
        As many may.
    share : float, optional
        So many of the measured filters may, in [0, 1].

    Raises
    ------
    PadscopeError
        No bound is given, or one that cannot be kept or broken; or the study is not explained.
    """
    if most is None and share is None:
        raise PadscopeError("nothing to check; give --max-recognising, --max-share, or both")
    if most is not None and most < 0:
        raise PadscopeError(f"--max-recognising is {most}; give 0 or more")
    if share is not None and not 0 <= share <= 1:
        raise PadscopeError(f"--max-share is {share:g}; give a share from 0 to 1")
    if study.explanation is None:
        raise PadscopeError(
            "which filters recognise the border is not known; run padscope explain first"
        )
    who = recognition(study.filters, study.explanation)
    broken = [
        said
        for said, beyond in (
            (f"{most:,}" if most is not None else "", most is not None and who.recognising > most),
            (f"{100 * share:.4g} % of them" if share is not None else "",
             share is not None and who.recognising > share * who.measured),
        )
        if beyond
    ]  # fmt: skip
    found = (
        f"{who.recognising:,} of {plural(who.measured, 'measured filter')} "
        f"({percent(who.recognising, who.measured)}) recognise the border"
    )
    told = f"at most {' and '.join(broken)} may" if broken else "within the bounds"
    return Check(not broken, who.recognising, who.measured, f"{found}; {told}.")
