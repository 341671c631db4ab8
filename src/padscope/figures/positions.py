"""Figures of position: other windows on the same photograph, and false borders."""

from __future__ import annotations

import polars as pl

from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH, basis, impact_of, intervals, measured, order, ribbons
from padscope.figures.theme import AMBER, BLUE, GREEN, GREY, ORANGE
from padscope.findings.measures import PRIMARY, VIEWS
from padscope.images.element import elements
from padscope.study import Study

TREATMENTS = {
    "as is": GREY, "PANs undone": BLUE, "controls undone": AMBER, "all padding refilled": GREEN,
}  # fmt: skip
BANDS = {
    "fill": BLUE, "mean colour": GREY, "mean colour elsewhere": GREEN, "elsewhere": ORANGE,
}  # fmt: skip


def views(study: Study) -> vl.Spec:
    """Change of the answer when the image moves, is enlarged or cropped, by treatment."""
    impact = impact_of(study)
    measure = PRIMARY[impact.answer]
    rows = measured(impact.views, "view", measure=measure.name).drop_nulls("amount")
    measured(rows, "view")
    parts = []
    for view in order(rows, "view"):
        table = rows.filter(pl.col("view") == view).select(
            "amount", "treatment", "value", "low", "high"
        )
        title, x_title, _ = VIEWS.get(view, (view, "amount", ""))
        x = vl.ordinal("amount", f"{title}: {x_title}")
        present = [name for name in TREATMENTS if name in set(table["treatment"])]
        colour = vl.coloured("treatment", {name: TREATMENTS[name] for name in present})
        drawn = ribbons(table, x, "value", measure.heading, colour)
        parts.append(drawn | {"width": WIDTH, "height": WIDTH // 3})
    return {"vconcat": parts, "title": f"Bands: 95 % over images. {basis(rows)}"}


def readout(study: Study) -> vl.Spec:
    """How well the position of a window can be read from the pooled features, by treatment."""
    rows = measured(impact_of(study).readout, "read-out of position")
    table = rows.with_columns(
        what=pl.concat_str([pl.col("axis"), pl.col("treatment")], separator=", ")
    ).select("what", "treatment", "r2", "low", "high", "chance")
    x = vl.quantity("r2", "R² of the position read from the features")
    drawn = intervals(table, x, "r2", "chance", vl.category("what", order(table, "what")))
    words = f"95 % over images. Orange: with the positions shuffled. {basis(rows)}"
    return drawn | {"width": WIDTH, "title": words}


def _width(study: Study) -> vl.Spec:
    return vl.ordinal("width", f"width of the band, {elements(len(study.size))}")


def bands(study: Study) -> vl.Spec:
    """Change of the answer by the width of a band inside the image that looks like padding."""
    impact = impact_of(study)
    measure = PRIMARY[impact.answer]
    rows = measured(impact.bands, "false border", measure=measure.name)
    table = rows.select("width", "band", "value", "low", "high").sort("width", maintain_order=True)
    present = order(table, "band")
    known = {name: colour for name, colour in BANDS.items() if name in present}
    colour = vl.coloured("band", known or present)
    drawn = ribbons(table, _width(study), "value", measure.heading, colour)
    words = f"Bands: 95 % over images. {basis(rows)}"
    return drawn | {"width": WIDTH, "height": WIDTH // 2, "title": words}


def firing(study: Study) -> vl.Spec:
    """Answer of confirmed filters to a false border, as a share of that to the true one."""
    rows = measured(impact_of(study).firing, "firing at a false border").drop_nulls("firing")
    measured(rows, "firing at a false border")
    table = rows.sort("width", maintain_order=True).group_by("width", maintain_order=True).agg(
        (pl.col(column) * pl.col("filters")).sum() / pl.col("filters").filter(
            pl.col(column).is_not_null()
        ).sum()
        for column in ("firing", "mean_colour", "control")
    )  # fmt: skip
    names = {
        "firing": "colour of the padding", "mean_colour": "mean colour", "control": "no band",
    }  # fmt: skip
    long = (
        table.unpivot(list(names), index="width", variable_name="band", value_name="share")
        .drop_nulls("share")
        .with_columns(pl.col("band").replace_strict(names))
    )
    colours = dict(zip(names.values(), (BLUE, GREY, ORANGE), strict=True))
    lines = vl.mark(
        "line", {"point": True, "strokeWidth": 2}, x=_width(study),
        y=vl.share("share", "share of the answer to the true border"),
        color=vl.coloured("band", colours),
    )  # fmt: skip
    return vl.data(long) | lines | {"width": WIDTH, "height": WIDTH // 2, "title": basis(rows)}
