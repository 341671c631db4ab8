"""The sections of the third rung: what undoing filters changes."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from padscope.counts import plural
from padscope.findings.checks import skipped_lines
from padscope.findings.classes import class_lines, class_listing, headline_classes, read_classes
from padscope.findings.distances import MAIN_SETS, reach_sentence
from padscope.findings.effects import compared_lines, dose_listing, effect_listing, measure_listing
from padscope.findings.estimates import estimate_lines
from padscope.findings.measures import PRIMARY, measures_in
from padscope.findings.positions import band_listing, readout_listing, view_listing
from padscope.interventions.fill_told import tell_fill
from padscope.report.parts import Part, drawn
from padscope.study import Impact, Study

BESIDE = "The table beside it has the numbers."


def impact_parts(study: Study, impact: Impact) -> list[Part]:
    """Make the sections of all that was measured."""
    made = (_effects, _doses, _estimates, _classes, _distances, _position, _bands)
    return [part for make in made for part in make(study, impact)]


def _effects(study: Study, impact: Impact) -> Iterator[Part]:
    effects = effect_listing(impact)
    if not effects.rows:
        return
    measure, others = PRIMARY[impact.answer], measure_listing(impact)
    tables = [("effects-rows", f"{measure.heading}: {measure.told}", effects)]
    if others.rows:
        title = f"Refilled {tell_fill(impact.fill)}, by other measures: effect, and its p"
        tables.append(("effects-others", title, others))
    told = {m.title: m.told for m in measures_in(impact.effects) if m.name != measure.name}
    yield Part(
        "effects", "Used or not: effects beside controls",
        notes=[
            "Sets of filters have their padding changed, and the model's answers are compared with "
            "its answers as is. Each set is compared with control filters treated alike: random "
            "ones of the same sites and activation scale which do not respond to the border. Only "
            "what exceeds the controls is evidence of use.",
            *compared_lines(impact)[1:],
            *([" ".join(f"{name}: {words}." for name, words in told.items())] if told else []),
        ],
        charts=drawn(study, "effects", f"{measure.heading} by set of filters. {BESIDE}"),
        tables=tables,
    )  # fmt: skip


def _doses(study: Study, impact: Impact) -> Iterator[Part]:
    if charts := drawn(study, "doses", f"Effect by number of filters undone. {BESIDE}"):
        yield Part(
            "doses", "Dose and response",
            notes=[
                f"More and more {impact.headline} filters are undone, the strongest first. If the "
                "model uses them, the effect grows, and stays above that of as many controls."
            ],
            charts=charts, tables=[("doses-rows", "Filters undone", dose_listing(impact))],
            folded=True,
        )  # fmt: skip


def _estimates(study: Study, impact: Impact) -> Iterator[Part]:
    if said := estimate_lines(study) if impact.agreement else []:
        yield Part(
            "estimates", "Estimated impact of every filter", said,
            [
                "What refilling the padding of a single filter does to the answer, to first order: "
                "the gradient of the answer times the change at the filter's border. It leaves out "
                "effects of one filter on another, so sums are not the effect of a set."
            ],
            drawn(study, "estimates", f"Estimated against exact impact. {said[0]}"),
        )  # fmt: skip


def _classes(study: Study, impact: Impact) -> Iterator[Part]:
    if impact.classes.is_empty():
        return
    chosen, own = headline_classes(impact)
    yield Part(
        "classes", "Which classes gain and lose", [read_classes(own)],
        [
            f"Mean change in probability of a class over all images when the {chosen} filters are "
            "undone, paired by image; those that change most. Many small gains with few losses are "
            "lost confidence, not a preference. Intervals are 95 % over images; q is of what is "
            "beyond the controls, by Benjamini and Hochberg over "
            f"{plural(own.height, 'class')}. Telling "
            "whether a shift is right takes labels, and more than one image of the class."
        ],
        drawn(study, "classes", " ".join(class_lines(impact))),
        tables=[("classes-rows", "Change of probability", class_listing(impact))], folded=True,
    )  # fmt: skip


def _distances(study: Study, impact: Impact) -> Iterator[Part]:
    table = impact.distances
    if table.is_empty():
        return
    present = table["set"].unique(maintain_order=True).to_list()
    said = [
        f"{name}: {reach_sentence(table.filter(pl.col('set') == name).sort('distance'))}"
        for name in [name for name in MAIN_SETS if name in present] or present
    ]
    yield Part(
        "distances", "How far from the border the answer changes", said,
        [
            "The answer is a map. Mean absolute change at each distance from its nearest end, "
            "relative to the spread of the unchanged answer of the image."
        ],
        drawn(study, "distances", f"Change by distance from the border. {' '.join(said)}"),
    )  # fmt: skip


def _position(study: Study, impact: Impact) -> Iterator[Part]:
    notes, charts, tables = [], [], []
    if not impact.views.is_empty():
        notes.append(
            "The same images are seen through other windows, with real surroundings, so "
            "nothing but the window's place or size changes. Each answer is compared with that of "
            "the same network at the usual window. If padding-aware filters tell the network where "
            "things are, undoing them changes how steady it is."
        )
        charts += drawn(study, "views", f"Change of the answer by view and treatment. {BESIDE}")
        tables.append(("views-rows", PRIMARY[impact.answer].heading, view_listing(impact)))
    if not impact.readout.is_empty():
        notes.append(
            "A ridge regression reads the window's offset from the pooled features, fitted to some "
            "images and tested on others. R² = 1: the place is known exactly; 0: not at all. "
            "Chance is what the same fit reaches with offsets exchanged within each image. "
            "What is read need not come from padding, since images differ from side to side: "
            "what counts is how much of it is left when the padding is undone."
        )
        charts += drawn(study, "readout", f"Position read from the features. {BESIDE}")
        tables.append(("readout-rows", "Read from the features", readout_listing(impact)))
    if notes:
        yield Part("position", "Position", (), notes, charts, tables=tables, folded=True)


def _bands(study: Study, impact: Impact) -> Iterator[Part]:
    alt = f"Change of the answer by width and colour of a band. {BESIDE}"
    charts = drawn(study, "bands", alt)
    notes = [
        "A band right across the frame, of the value that the padding has. If the model trusts "
        "that border, the answer changes more than by a band of the image's mean colour, at the "
        "same place or elsewhere, or by what stands elsewhere in the image."
    ]
    tables = (
        [("bands-rows", PRIMARY[impact.answer].heading, band_listing(impact))] if charts else []
    )
    if firing := drawn(study, "firing", "Firing at a false border, by its width."):
        charts += firing
        notes.append(
            f"Below: what the {impact.headline or 'confirmed'} filters answer right behind such a "
            "band, as a share of what they answer at the true border. The controls are the same "
            "filters at a place without a band, taken at their best line there too."
        )
    if charts:
        yield Part(
            "bands", "False borders inside the frame", (), notes, charts, tables=tables, folded=True
        )


def method_part(impact: Impact) -> Part:
    """Say how the impact was measured."""
    return Part(
        "impact-checks", "How the impact was measured",
        [*compared_lines(impact)[:1], *impact.notes,
         *skipped_lines("could not be used", impact.skipped)],
        [
            "Refilling makes another border, not none: a network without padding at these filters "
            "does not exist. Images are the unit of chance: intervals are 95 % by resampling "
            "images, those cut from one original together. If the model was trained on these "
            "images, effects on it may be smaller than on new ones."
        ],
    )  # fmt: skip
