"""How many filters each site has, by side, kind and origin: bars along the network's depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from padscope.evidence import KINDS
from padscope.findings.depth import climbs
from padscope.findings.kinds import TITLES as KIND_TITLES
from padscope.findings.words import percent, visible
from padscope.regions import sides_of
from padscope.report.gallery.choice import strongest_side
from padscope.report.origins import ORIGINS
from padscope.report.strips import end_of_scale
from padscope.study import Study
from padscope.tables import MEASURED

STEP, BAR, HEIGHT = 10, 8, 60  # of the drawing's own units: from site to site, a bar, all of it
TITLES = {"side": "By strongest side", "kind": "By kind", "origin": "By origin"}
Counts = Mapping[tuple[str, str], int]  # (site, word) → filters


@dataclass(frozen=True)
class Layer:
    """One row of bars.

    Attributes
    ----------
    by, title : str
    keys : list of (str, str, int)
        Class of the style sheet, word, and filters in all.
    drawing : Markup
    """

    by: str
    title: str
    keys: list[tuple[str, str, int]]
    drawing: Markup


@dataclass(frozen=True)
class Overview:
    """Rows of bars over the same sites.

    Attributes
    ----------
    layers : list of Layer
    sites : list of str
        In the order of the forward pass.
    end : float
        Share of a site's filters that the height of the bars stands for.
    """

    layers: list[Layer]
    sites: list[str]
    end: float


def make_overview(study: Study) -> Overview | None:
    """Count every site's filters that recognise the border, or respond; None if there are none."""
    explained = study.explanation is not None
    chosen = study.filters.filter(climbs(explained=explained))
    if chosen.is_empty():
        return None
    totals = dict(
        study.filters.group_by("site", maintain_order=True).agg(MEASURED.sum()).iter_rows()
    )
    known = chosen["site"].value_counts()
    shares = [count / totals[site] for site, count in known.iter_rows()]
    end = end_of_scale(shares)
    sides = [side.name for side in sides_of(3)]
    words = {"side": (strongest_side(study), sides)}
    if explained:
        words |= {"kind": ("kind", list(KINDS)), "origin": ("origin", list(ORIGINS))}
    layers = []
    for by, (column, order) in words.items():
        counts = {
            (site, word): count
            for site, word, count in chosen.group_by("site", column).len().iter_rows()
            if word is not None
        }
        layers.append(_layer(by, order, counts, totals, end))
    return Overview(layers, list(totals), end)


def _layer(
    by: str, order: Sequence[str], counts: Counts, totals: Mapping[str, int], end: float
) -> Layer:
    used = [word for word in order if any(key[1] == word for key in counts)]
    styles = {word: f"{by}-{order.index(word)}" for word in order}
    keys = [
        (
            styles[word],
            KIND_TITLES.get(word, word),
            sum(counts[key] for key in counts if key[1] == word),
        )
        for word in used
    ]
    parts = []
    for place, (site, total) in enumerate(totals.items()):
        parts.append(
            _bar(place, site, total, [(w, counts.get((site, w), 0)) for w in used], styles, end)
        )
    alt = f"{TITLES[by]}, along the network’s depth: " + ", ".join(
        f"{word} {count:,}" for _, word, count in keys
    )
    drawing = Markup(
        '<svg class="depths" data-by="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" '
        'role="img" aria-label="{}">{}</svg>'
    ).format(by, STEP * len(totals), HEIGHT, alt, Markup("").join(parts))
    return Layer(by, TITLES[by], keys, drawing)


def _bar(
    place: int,
    site: str,
    total: int,
    counts: Sequence[tuple[str, int]],
    styles: Mapping[str, str],
    end: float,
) -> Markup:
    """Stack one site's counts upwards, over an area that answers to the pointer as a whole."""
    name, here = visible(site), sum(count for _, count in counts)
    left = STEP * place + (STEP - BAR) / 2
    rect = Markup(
        '<rect class="{}" data-site="{}" data-word="{}" x="{:g}" y="{:.2f}" width="{}" '
        'height="{:.2f}"><title>{}</title></rect>'
    )
    title = f"{name}: {here:,} of {total:,} ({percent(here, total)})"
    parts = [rect.format("all", name, "", STEP * place, 0.0, STEP, float(HEIGHT), title)]
    top = float(HEIGHT)
    for word, count in counts:
        if count:
            height = HEIGHT * count / total / end
            top -= height
            title = f"{name}, {word}: {count:,} of {total:,} ({percent(count, total)})"
            parts.append(rect.format(styles[word], name, word, left, top, BAR, height, title))
    return Markup("").join(parts)
