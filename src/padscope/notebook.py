"""What a notebook shows of a study, and of one filter: figures and words that stand alone.

No style sheet, no script, no file: words take the colour of the notebook's text, and figures bring
their paper, so that all can be read on light and dark.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from padscope.errors import PadscopeError
from padscope.figures.rendering import figure_svg
from padscope.findings.headline import opening
from padscope.findings.neuron import Fact, Neuron, neuron
from padscope.findings.words import fixed, fixed_interval, visible
from padscope.study import Study

_BODY = Markup(
    '<div style="font:13px/1.45 system-ui,sans-serif;max-width:60rem;overflow-wrap:anywhere">'
    '<div style="font-weight:600"><bdi>{}</bdi></div>{}</div>'
)
_PARAGRAPH = Markup('<p style="margin:4px 0"><bdi>{}</bdi></p>')
_FAINT = Markup('<div style="opacity:.7"><bdi>{}</bdi></div>')
_ROW = Markup(
    '<tr><th style="text-align:left;font-weight:400;opacity:.7;padding:1px 12px 1px 0;'
    'vertical-align:top;white-space:nowrap">{}</th>'
    '<td style="text-align:left;padding:1px 0">{}</td></tr>'
)
_TABLE = Markup('<table style="border-collapse:collapse;border:0;font-size:13px">{}</table>')
_IMAGE = Markup(
    '<img style="display:block;max-width:100%;margin:8px 0" alt="{}" '
    'src="data:image/svg+xml;base64,{}">'
)


@dataclass(frozen=True)
class FilterCard(Neuron):
    """What is known of one filter of `study`; a notebook shows it as a card."""

    study: Study = field(repr=False)

    def _repr_html_(self) -> str:
        facts = [*self.facts, *(_side(side, explained=self.explained) for side in self.sides)]
        if self.recall:
            facts.append(("recall by content", self.recall.words))
        rows = _join(_ROW, ((visible(name), visible(value)) for name, value in facts))
        alt = "Kernel, mean maps and distributions"
        return _BODY.format(
            visible(self.name), _figure(self.study, self.name, alt) + _TABLE.format(rows)
        )


def _side(side: Mapping[str, Any], *, explained: bool) -> Fact:
    """Say how far apart border and core are at one side, and how much of it padding causes."""
    stems = {"KS": ("ks", "ks"), "causal KS": ("causal_ks", "causal")}
    told = [
        f"{title} {fixed(side[value])} {fixed_interval(side[f'{stem}_low'], side[f'{stem}_high'])}"
        for title, (value, stem) in stems.items()
        if explained or value == "ks"
    ]
    return side["side"], ", ".join(map(str.rstrip, told))


def make_card(study: Study, site: str, index: int) -> FilterCard:
    """Make the card of one filter; see `padscope.Study.card`."""
    return FilterCard(**vars(neuron(study, site, index)), study=study)


def draw_summary(study: Study) -> str:
    """Draw the summary of a study: what was found, and where along the depth of the network."""
    said = _join(_PARAGRAPH, ((visible(line),) for line in opening(study)))
    hint = "study.card(site, filter) shows one filter; padscope.render_report(study) writes a page."
    drawn = _figure(study, "depth", "The network along its depth")
    parts = (_FAINT.format(visible(study.images)), said, drawn, _FAINT.format(hint))
    return _BODY.format(visible(study.model), Markup("").join(parts))


def _join(form: Markup, rows: Iterable[tuple[str, ...]]) -> Markup:
    return Markup("").join(form.format(*row) for row in rows)


def _figure(study: Study, name: str, alt: str) -> Markup:
    """Draw a figure; nothing where its numbers were not measured, which the words say."""
    try:
        svg = figure_svg(study, name)
    except PadscopeError:
        return Markup("")
    return _IMAGE.format(alt, base64.b64encode(svg.encode()).decode())
