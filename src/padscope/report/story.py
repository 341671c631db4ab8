"""What a study found, in a sentence a rung and a funnel: who recognises, responds, is caused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from padscope.evidence import CANDIDATE, CONFIRMED, RECOGNISED, STRONG
from padscope.findings.words import number, percent, plural
from padscope.report.answer import Answer
from padscope.report.caused import Caused
from padscope.report.strips import Bar, strip
from padscope.study import Study
from padscope.study.impact_result import UNITS, Impact, effect_of_matched
from padscope.study.opening import used_sentence
from padscope.study.recognition import NO_BASELINE, Recognition


@dataclass(frozen=True)
class Sentence:
    """What is known of one rung of the ladder.

    Attributes
    ----------
    lead, rest : str
        The finding, and what stands beside it; together one sentence or two.
    tested : bool
        Whether anything was measured.
    """

    lead: str
    rest: str
    tested: bool = True


@dataclass(frozen=True)
class Rung:
    """One step of the funnel.

    Attributes
    ----------
    name, rule : str
    count : int or None
        None for what is not counted in filters.
    share : str
        Of the measured filters; "" where that says nothing.
    bar : Markup or str
    words : str
        What stands in the bar's place.
    link : str
        Where on the page the words are told at length.
    apart : bool
        Whether some of it was found without real context.
    """

    name: str
    rule: str
    count: int | None
    share: str = ""
    bar: Markup | str = ""
    words: str = ""
    link: str = ""
    apart: bool = False


def tell(study: Study, answer: Answer, caused: Caused | None) -> tuple[Sentence, ...]:
    """Answer rung by rung, the one that says most first: recognised, and where that comes from.

    Parameters
    ----------
    study : Study
    answer : Answer
    caused : Caused or None
        Of an explained study.
    """
    first = () if caused is None else tuple(_recognise(caused.recognition))
    return (*first, _respond(answer), _cause(caused), _use(study.impact))


def _recognise(found: Recognition) -> Iterator[Sentence]:
    yield Sentence(_spaced(found.lead), f". {_spaced(found.rule)}")
    for origin in found.origins:
        yield Sentence(origin.lead, origin.rest, tested=origin.comparison.answer is not None)
    if not found.origins:
        yield Sentence(*_halves(NO_BASELINE), tested=False)


def _spaced(text: str) -> str:
    """Set shares as the rest of the page does."""
    return re.sub(" ?%", "\N{NO-BREAK SPACE}%", text)


def _halves(text: str) -> tuple[str, str]:
    """Cut a sentence after its first clause."""
    lead, colon, rest = text.partition(":")
    return lead + colon, rest


def _respond(answer: Answer) -> Sentence:
    measured, respond = answer.filters - answer.unmeasured, answer.respond
    lead = (
        f"{respond:,} of {plural(measured, 'measured filter')} ({percent(respond, measured)}) "
        f"{'responds' if respond == 1 else 'respond'} to the border"
    )
    return Sentence(
        lead, f" (KS ≥ {CANDIDATE:g}), {answer.strong:,} of them strongly (KS ≥ {STRONG:g})."
    )


def _cause(caused: Caused | None) -> Sentence:
    if caused is None:
        return Sentence(
            "Whether padding causes it is not tested:",
            " padscope explain RUN contrasts the border with real surroundings, beside untrained "
            "networks. Until then these are responses, and nothing more.",
            tested=False,
        )
    lead = (
        f"{caused.caused:,} ({percent(caused.caused, caused.measured)}) "
        f"{'responds' if caused.caused == 1 else 'respond'} because of padding"
    )
    apart = "‡" if caused.apart else ""
    return Sentence(lead, f" (causal KS ≥ {CONFIRMED:g} too){apart}.")


def _use(impact: Impact | None) -> Sentence:
    if impact is None:
        return Sentence(
            "Whether the model uses them is not tested:",
            " padscope impact RUN undoes them and compares the answers.",
            tested=False,
        )
    verdict, evidence = used_sentence(impact)
    return Sentence(verdict, f" {evidence}" if evidence else "")


def make_funnel(answer: Answer, caused: Caused | None, impact: Impact | None) -> list[Rung]:
    """Draw how many filters climb each rung; what a study has not tested says so."""
    filters = answer.filters
    measured, respond = filters - answer.unmeasured, answer.respond
    end = max(1, filters)
    rungs = [
        Rung("filters", "", filters, bar=strip([Bar("faint", 0, filters)], end=end)),
        Rung("measured", "not dead", measured, bar=strip([Bar("faint", 0, measured)], end=end)),
        Rung(
            "respond", f"KS ≥ {CANDIDATE}", respond, percent(respond, measured),
            strip([Bar("wash", 0, respond), Bar("full", 0, answer.strong)], end=end),
        ),
    ]  # fmt: skip
    if caused is None:
        rungs.append(Rung("because of padding", "", None, words="not tested here"))
    else:
        found = caused.recognition
        rungs += [
            Rung(
                "because of padding", f"causal KS ≥ {CONFIRMED}", caused.caused,
                percent(caused.caused, measured), strip([Bar("wash", 0, caused.caused)], end=end),
                apart=caused.apart > 0,
            ),
            Rung(
                "recognise", f"recall ≥ {RECOGNISED}", found.recognising,
                percent(found.recognising, measured),
                strip([Bar("wash", 0, found.recognising), Bar("full", 0, found.strongly)], end=end),
                apart=caused.apart > 0,
            ),
        ]  # fmt: skip
    return [*rungs, _used_rung(impact)]


def _used_rung(impact: Impact | None) -> Rung:
    if impact is None:
        return Rung("used", "", None, words="not tested here")
    row = impact.use
    if row is None:
        return Rung("used", "", None, words="not measured; see the notes", link="impact-checks")
    words, part = f"undoing them: {number(row['effect'])}", effect_of_matched(row)
    if part is not None:
        words += f", {row['matched']:,} of them: {number(part)}"
    if row["draws"]:
        words += f", matched filters: {number(row['control'])}"
    return Rung("used", UNITS[impact.answer], None, words=words, link="effects")
