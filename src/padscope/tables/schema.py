"""Every column of every table, once: its name, type, unit and meaning, and where it is defined.

What builds a table takes its columns from here, what writes one to a run directory checks it
against this, and the dictionary of columns in the documentation and on the command line is printed
from it. Nothing but polars is imported, so that the dictionary can be had at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

# The stages whose tables these are, in order; the estimates are a part of the impact that may be
# missing from it.
SCAN, EXPLAIN, IMPACT, DEPTH = "scan", "explain", "impact", "depth"
ESTIMATES, COMPARE, SURVEYING = "estimates", "compare", "survey"
RETROFIT, SWAPS, SIZES, TILING = "retrofit", "swaps", "sizes", "tiles"

# Where columns are defined: pages and sections of the documentation.
CLAIMS, SCORE = "method.md#four-claims", "method.md#the-score"
COUNTERFACTUAL, ORIGIN = "method.md#the-counterfactual", "method.md#origin"
KINDS_AND_REACH, CHANCE = "method.md#labels-kinds-reach", "method.md#chance"
RECOGNITION, BASELINES = "method.md#recognition", "method.md#where-it-comes-from"
COUNTS = "method.md#how-counts-are-compared"
SETS, CONTROLS, EFFECT = "impact.md#sets", "impact.md#controls", "impact.md#effects"
SINGLE, DOSE, CLASS = "impact.md#single-filters", "impact.md#dose", "impact.md#classes"
POSITION, BORDERS = "impact.md#position", "impact.md#false-borders"
ARCHITECTURE, COMPARING, DENSE = "architecture.md", "howto/compare.md", "howto/dense.md"
SURVEYED = "howto/survey.md"
RETROFITTING = "howto/retrofit.md"
SWAPPING, SIZING = "howto/advice.md#other-padding", "howto/advice.md#the-input-size"
TILED, SHARED = "howto/dense.md#tiles", "howto/advice.md#why-tiles-differ"

STATISTICS_ADD = (
    "Every statistic that another package adds is a column of `sides` and, at the strongest side, "
    "of `filters`: a number called as the statistic; `causal_` and its name, with padding beside "
    "real surroundings, unless it is of the core alone; `_low` and `_high` behind its name if it "
    "has an interval."
)

TEXT, WHOLE, NUMBER, TRUTH = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
TEXTS, WHOLES, NUMBERS = pl.List(TEXT), pl.List(WHOLE), pl.List(NUMBER)
SHARE, PROBABILITY, OF_MEASURE = "0 to 1", "probability", "of the measure"


@dataclass(frozen=True)
class Column:
    """What one column of a table holds.

    Attributes
    ----------
    name : str
    dtype : polars.DataType
    unit : str
        "" where it has none.
    meaning : str
        One sentence.
    defined : str
        Page and section of the documentation; "" for that of its table.
    since : str
        What adds it; "" for the stage of its table.
    """

    name: str
    dtype: pl.DataType
    unit: str
    meaning: str
    defined: str = ""
    since: str = ""


@dataclass(frozen=True)
class Table:
    """What one table holds.

    Attributes
    ----------
    name : str
    rows : str
        What a row is.
    stage : str
        The stage that makes it.
    defined : str
        Page and section of the documentation.
    columns : tuple of Column
        Each has page and stage of its own.
    file : str
        Its name in a run directory.
    statistics : bool
        Whether statistics of other packages add columns; see `STATISTICS_ADD`.
    """

    name: str
    rows: str
    stage: str
    defined: str
    columns: tuple[Column, ...]
    file: str = ""
    statistics: bool = False

    def __post_init__(self) -> None:
        """Tell every column what it has of its table."""
        columns = tuple(
            replace(
                column, defined=column.defined or self.defined, since=column.since or self.stage
            )
            for column in self.columns
        )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "file", self.file or f"{self.name}.parquet")

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Types of all columns, in order."""
        return {column.name: column.dtype for column in self.columns}

    def described(self) -> dict[str, Any]:
        """Return all of this as plain values."""
        columns = [
            {
                "name": column.name, "type": str(column.dtype), "unit": column.unit,
                "meaning": column.meaning, "since": column.since, "defined": column.defined,
            }
            for column in self.columns
        ]  # fmt: skip
        about = {"name": self.name, "file": self.file, "stage": self.stage, "rows": self.rows}
        return {**about, "statistics": self.statistics, "columns": columns}

    def since(self, stage: str) -> list[str]:
        """Name the columns that a stage adds."""
        return [column.name for column in self.columns if column.since == stage]

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return pl.DataFrame(schema=self.dtypes)

    def frame(self, rows: Iterable[Mapping[str, Any] | tuple[Any, ...]]) -> pl.DataFrame:
        """Make the table of rows; NaN becomes null.

        Parameters
        ----------
        rows : iterable of mapping or tuple
            By the names of columns, where those left out are null; or all columns in order.

        Raises
        ------
        ValueError
            A row has a column that the table does not.
        """
        rows = list(rows)
        given = dict.fromkeys(name for row in rows if isinstance(row, Mapping) for name in row)
        if strange := [name for name in given if name not in self.dtypes]:
            raise ValueError(f"table {self.name!r}: column {strange[0]!r} is not in the schema")
        table = pl.DataFrame(rows, schema=self.dtypes, orient="row")
        return table.with_columns(pl.col(NUMBER).fill_nan(None))

    def check(self, table: pl.DataFrame, stages: Collection[str]) -> None:
        """Refuse a table that is not as described: that is a mistake of the program.

        Parameters
        ----------
        table : polars.DataFrame
        stages : collection of str
            Those that have been finished. What a stage adds is there as a whole; of one that is
            not among these, it may be missing as a whole.

        Raises
        ------
        ValueError
            A column is missing, is one too many, or has another type.
        """
        wrong = []
        for column in self.columns:
            there = any(name in table.columns for name in self.since(column.since))
            if column.name in table.columns:
                found = table.schema[column.name]
                if found != column.dtype:
                    wrong.append(f"column {column.name!r} is {found}, not {column.dtype}")
            elif there or column.since in stages:
                wrong.append(f"column {column.name!r} is missing")
        wrong += [
            f"column {name!r} is not in the schema"
            for name, dtype in table.schema.items()
            if name not in self.dtypes and not self._may_be_statistic(name, dtype)
        ]
        if wrong:
            raise ValueError(f"table {self.name!r}: {'; '.join(wrong)}")

    def _may_be_statistic(self, name: str, dtype: pl.DataType) -> bool:
        """Whether a column can be of a statistic of another package, installed any more or not."""
        return self.statistics and dtype == NUMBER and name.isidentifier()


SITE = Column("site", TEXT, "", "Name of the operation in the model.", ARCHITECTURE)
FILTER = Column("filter", WHOLE, "", "Number of the filter at its site, from 0.", ARCHITECTURE)
SIDE = Column("side", TEXT, "", "Side of the map.", SCORE)
SET = Column("set", TEXT, "", "Name of the set of filters.", SETS)
MEASURE = Column("measure", TEXT, "", "What is measured of the answer.", EFFECT)
IMAGES = Column("images", WHOLE, "images", "Images that it rests on.", EFFECT)
PHOTOGRAPHS = Column(
    "photographs",
    WHOLE,
    "images",
    "Independent ones of these: crops of a photograph count once.",
    EFFECT,
)


def _interval(
    low: str, high: str, unit: str, of: str, defined: str = "", since: str = ""
) -> tuple[Column, Column]:
    """Columns of an interval over images."""
    return (
        Column(low, NUMBER, unit, f"Lower end of the 95 % interval of {of}.", defined, since),
        Column(high, NUMBER, unit, f"Upper end of the 95 % interval of {of}.", defined, since),
    )


def _at(side: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Describe columns of the sides in the table of filters: values at one side."""
    return tuple(
        replace(column, meaning=f"{column.meaning.removesuffix('.')}, at `{side}`.")
        for column in columns
    )


_RESPONSES = (
    Column("ks", NUMBER, SHARE, "KS between line 0 of the side and the core.", SCORE),
    Column("ks_bound", NUMBER, SHARE, "How much larger the exact KS can be.", SCORE),
    Column("polarity", NUMBER, PROBABILITY, "P(border > core), ties by half.", SCORE),
    Column(
        "border_recall", NUMBER, SHARE,
        "Share of line 0 beyond the threshold that a given share of the core exceeds.",
        RECOGNITION,
    ),
    Column(
        "border_recall_bound", NUMBER, SHARE, "How far the exact recall can lie from it.",
        RECOGNITION,
    ),
    *_interval("ks_low", "ks_high", SHARE, "`ks`", CHANCE),
    *_interval("border_recall_low", "border_recall_high", SHARE, "`border_recall`", CHANCE),
)  # fmt: skip
_CAUSES = (
    Column(
        "causal_ks", NUMBER, SHARE, "KS between line 0 with padding and with real surroundings.",
        COUNTERFACTUAL, EXPLAIN,
    ),
    Column(
        "causal_ks_bound", NUMBER, SHARE, "How much larger the exact causal KS can be.", SCORE,
        EXPLAIN,
    ),
    Column(
        "causal_polarity", NUMBER, PROBABILITY, "P(padded > real) on line 0, ties by half.", SCORE,
        EXPLAIN,
    ),
    *_interval("causal_low", "causal_high", SHARE, "`causal_ks`", CHANCE, EXPLAIN),
)  # fmt: skip
_LINES = (1, 2, 3)
_REAL_CONTEXT = Column(
    "real_context", TRUTH, "", "Whether real surroundings stood beside the padding.",
    COUNTERFACTUAL, EXPLAIN,
)  # fmt: skip
_RECOGNISES = "confirmed, and `border_recall` is .5 or more"

SITES = Table(
    "sites",
    "One padded operation, in the order of the forward pass.",
    SCAN,
    ARCHITECTURE,
    (
        SITE,
        Column("op", TEXT, "", "Name of the operation in PyTorch."),
        Column("kernel", WHOLES, "positions", "Size of the kernel, per axis."),
        Column("stride", WHOLES, "positions", "Stride, per axis."),
        Column("dilation", WHOLES, "positions", "Dilation, per axis."),
        Column("groups", WHOLE, "groups", "Groups of channels."),
        Column("pad_before", WHOLES, "positions", "Padding before the first position, per axis."),
        Column("pad_after", WHOLES, "positions", "Padding behind the last position, per axis."),
        Column("fill", TEXT, "", "What the padding holds."),
        Column("input_size", WHOLES, "positions", "Size of the input without padding, per axis."),
        Column("map_size", WHOLES, "positions", "Size of the output map, per axis."),
        Column("contact_before", WHOLES, "lines", "First lines that touch padding, per axis."),
        Column("contact_after", WHOLES, "lines", "Last lines that touch padding, per axis."),
        Column("filters", WHOLE, "filters", "Number of filters; 0 for what has none."),
        Column("scored", TRUTH, "", "Whether its filters are scored."),
        Column("unscored", TEXT, "", 'Why they are not; "" if they are.'),
        Column("hidden", TRUTH, "", "Whether the operation is seen in scripted code only."),
        Column(
            "total_stride", NUMBERS, "input pixels", "Input pixels per position, per axis.",
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "no_context", TEXT, "", 'Why there is no real context; "" if there is.',
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "out_of_reach", WHOLE, "positions", "Positions of the map that no padding reaches.",
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "difference", NUMBER, "spreads",
            "Greatest difference between crop and canvas at positions out of reach.",
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "window_error", NUMBER, "spreads",
            "Greatest difference between the output and the kernel's sum over the input.",
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "margin_change", NUMBER, SHARE,
            "Mean change of a causal KS when the margin is doubled.", COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "margin_agreement", NUMBER, SHARE,
            "Jaccard index of the confirmed filter-sides before and after that.", COUNTERFACTUAL,
            EXPLAIN,
        ),
    ),
)  # fmt: skip

SIDES = Table(
    "sides",
    "One side of the map of one filter. A filter with one value everywhere has nulls.",
    SCAN,
    SCORE,
    (
        SITE, FILTER, SIDE,
        Column("contact", WHOLE, "lines", "Lines of the side that touch padding.", ARCHITECTURE),
        *_RESPONSES,
        Column("flagged", TRUTH, "", "Whether `ks_bound` is more than .01."),
        *(
            Column(f"ks_{d}", NUMBER, SHARE, f"KS of line {d}, from coarse bins.")
            for d in _LINES
        ),
        *(
            Column(
                f"border_recall_{d}", NUMBER, SHARE,
                f"Border recall of line {d}, from coarse bins.", RECOGNITION,
            )
            for d in _LINES
        ),
        Column("label", TEXT, "", "What its causes come to.", KINDS_AND_REACH, EXPLAIN),
        Column("recognises", TRUTH, "", f"Whether it is {_RECOGNISES}.", RECOGNITION, EXPLAIN),
        *_CAUSES,
        *(
            Column(
                f"causal_{d}", NUMBER, SHARE, f"Causal KS of line {d}, from coarse bins.",
                KINDS_AND_REACH, EXPLAIN,
            )
            for d in _LINES
        ),
        Column(
            "reach", WHOLE, "lines",
            "Last line, from the border on, up to which the causal KS is .3 or more.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "own_ks", NUMBER, SHARE, "KS that the site's own padding makes alone.", ORIGIN, EXPLAIN
        ),
        Column(
            "incoming_ks", NUMBER, SHARE, "KS that arrives with the site's input alone.", ORIGIN,
            EXPLAIN,
        ),
        Column(
            "origin", TEXT, "", "Where the difference is made: nascent, inherited, both, neither.",
            ORIGIN, EXPLAIN,
        ),
        Column("null_ks", NUMBER, SHARE, "KS at the same place without a border.", CHANCE, EXPLAIN),
        Column(
            "p", NUMBER, PROBABILITY, "Chance of so large a response where no border is.", CHANCE,
            EXPLAIN,
        ),
        Column(
            "q", NUMBER, SHARE, "False discovery rate, over all filters and sides.", CHANCE,
            EXPLAIN,
        ),
        _REAL_CONTEXT,
    ),
    statistics=True,
)  # fmt: skip

FILTERS = Table(
    "filters",
    "One filter of a scored site.",
    SCAN,
    SCORE,
    (
        SITE, FILTER,
        Column(
            "label", TEXT, "", "By its KS; once explained, by the causes at its strongest side.",
            KINDS_AND_REACH,
        ),
        Column("side", TEXT, "", "The side with the greatest KS."),
        *_at("side", _RESPONSES),
        Column("corner", TEXT, "", "The corner with the greatest KS; null in 1D."),
        Column("corner_ks", NUMBER, SHARE, "KS between that corner and the core."),
        Column("corner_recall", NUMBER, SHARE, "Border recall of that corner.", RECOGNITION),
        Column(
            "needs_counterfactual", TRUTH, "",
            "Whether the map is too small to trust the label before it is explained.",
        ),
        Column("nonfinite", WHOLE, "values", "NaN and infinite values among those drawn."),
        Column(
            "recognises", TRUTH, "", f"Whether one of its sides is {_RECOGNISES}.", RECOGNITION,
            EXPLAIN,
        ),
        *_at("causal_side", _CAUSES),
        Column(
            "causal_side", TEXT, "", "The side with the greatest causal KS.", COUNTERFACTUAL,
            EXPLAIN,
        ),
        Column("recall", NUMBER, SHARE, "Greatest border recall.", RECOGNITION, EXPLAIN),
        *_interval("recall_low", "recall_high", SHARE, "`recall`", CHANCE, EXPLAIN),
        Column("recall_side", TEXT, "", "The side of this recall.", RECOGNITION, EXPLAIN),
        Column(
            "origin", TEXT, "",
            "Where the difference is made, at `causal_side`: nascent, inherited, both, neither.",
            ORIGIN, EXPLAIN,
        ),
        Column(
            "kind", TEXT, "", "Which sides it tells apart; null without a kind.", KINDS_AND_REACH,
            EXPLAIN,
        ),
        Column("active", TEXTS, "", "The sides that it answers to.", KINDS_AND_REACH, EXPLAIN),
        Column(
            "sign", TEXT, "", "Whether padding excites or inhibits it there, or mixed.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "stability", NUMBER, SHARE, "Share of resamples of the images that agree on the kind.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "reach", WHOLE, "lines", "Deepest reach at its active sides.", KINDS_AND_REACH, EXPLAIN
        ),
        Column(
            "causal_corner", TEXT, "", "The corner with the greatest causal KS; null in 1D.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "causal_corner_ks", NUMBER, SHARE, "Causal KS of that corner.", KINDS_AND_REACH,
            EXPLAIN,
        ),
        Column(
            "core_causal_ks", NUMBER, SHARE, "Causal KS of the core, as a control.",
            COUNTERFACTUAL, EXPLAIN,
        ),
        Column(
            "p", NUMBER, PROBABILITY, "The p of its sides, combined into one.", CHANCE, EXPLAIN
        ),
        Column("q", NUMBER, SHARE, "False discovery rate, over all filters.", CHANCE, EXPLAIN),
        _REAL_CONTEXT,
        Column(
            "q_fresh", NUMBER, SHARE, "False discovery rate of its recall beside fresh weights.",
            COUNTS, EXPLAIN,
        ),
        Column(
            "q_matched", NUMBER, SHARE, "The same beside matched random kernels.", COUNTS, EXPLAIN
        ),
        Column(
            "impact", NUMBER, "nats, or of the answer",
            "Estimated size of the change of the answer when it alone is undone.", SINGLE,
            ESTIMATES,
        ),
        *_interval(
            "impact_low", "impact_high", "nats, or of the answer", "`impact`", SINGLE, ESTIMATES
        ),
        Column(
            "impact_signed", NUMBER, "nats",
            "Mean estimated change with its sign; null unless the answer is scores of classes.",
            SINGLE, ESTIMATES,
        ),
        Column(
            "impact_rank", WHOLE, "", "Rank of the impact: 1 is the greatest.", SINGLE, ESTIMATES
        ),
    ),
    statistics=True,
)  # fmt: skip

INHERITED = Table(
    "inherited",
    "One side of the map of one filter of a convolution without padding.",
    EXPLAIN,
    ORIGIN,
    (
        SITE,
        Column("op", TEXT, "", "Name of the operation in PyTorch.", ARCHITECTURE),
        Column("kernel", WHOLES, "positions", "Size of the kernel, per axis.", ARCHITECTURE),
        Column("map_size", WHOLES, "positions", "Size of the output map, per axis.", ARCHITECTURE),
        FILTER, SIDE,
        Column("causal_ks", NUMBER, SHARE, "Causal KS of what its input carries from padding."),
        Column("causal_polarity", NUMBER, PROBABILITY, "P(padded > real), ties by half."),
    ),
)  # fmt: skip

NETWORKS = Table(
    "networks",
    "One site of one network, given or baseline, all on the same crops.",
    EXPLAIN,
    BASELINES,
    (
        Column(
            "network", TEXT, "",
            "given, fresh 1 …, matched 1 …, shuffled, re-estimated (statistics of batch norm) or "
            "unshifted (and no shifts).",
        ),
        SITE,
        Column("images", WHOLE, "images", "Images looked at."),
        Column("core", WHOLE, "positions", "Positions of the core drawn in each image."),
        Column("filters", WHOLE, "filters", "Number of filters."),
        Column("unmeasured", WHOLE, "filters", "Filters with one value everywhere."),
        Column("candidates", WHOLE, "filters", "Filters with a KS of .5 or more.", CLAIMS),
        Column("strong", WHOLE, "filters", "Filters with a KS of .8 or more.", SCORE),
        Column("recalled", WHOLE, "filters", "Filters with a recall of .5 or more.", RECOGNITION),
        Column(
            "response_deciles", NUMBERS, SHARE,
            "KS of the filters' strongest sides: least, nine deciles, greatest.", SCORE,
        ),
        Column(
            "recall", NUMBERS, SHARE, "Greatest recall of each filter; null where unmeasured.",
            RECOGNITION,
        ),
        Column(
            "recalled_without", WHOLES, "filters",
            "`recalled` without each fold of the images in turn.", COUNTS,
        ),
        Column("note", TEXT, "", 'What could not be done for the network; "" if nothing.'),
    ),
)  # fmt: skip

_WITHOUT = "The same for the network whose batch norms shift nothing; null without one."
USUAL = Table(
    "usual",
    "One input channel of a site whose padding holds one value.",
    EXPLAIN,
    BASELINES,
    (
        SITE,
        Column("channel", WHOLE, "", "Number of the channel, from 0."),
        Column("fill", TEXT, "", "What the padding holds.", ARCHITECTURE),
        Column("below", WHOLE, "values", "Values of the content that are less than the fill."),
        Column("equal", WHOLE, "values", "Values of the content that equal the fill."),
        Column("above", WHOLE, "values", "Values of the content that are greater than the fill."),
        Column(
            "usual", NUMBER, "0 to 1",
            "Share of the content no nearer to the middle than the fill: 0 where none reaches it.",
        ),
        *(Column(f"{side}_without", WHOLE, "values", _WITHOUT)
          for side in ("below", "equal", "above")),
        Column("usual_without", NUMBER, "0 to 1", _WITHOUT),
    ),
)  # fmt: skip

_BESIDE_CONTROLS = (
    IMAGES, PHOTOGRAPHS,
    Column("effect", NUMBER, OF_MEASURE, "Mean change from the unchanged answer.", EFFECT),
    *_interval("low", "high", OF_MEASURE, "`effect`", EFFECT),
    Column("control", NUMBER, OF_MEASURE, "The same of controls, mean over draws.", CONTROLS),
    Column("control_low", NUMBER, OF_MEASURE, "Effect of the least draw of controls.", CONTROLS),
    Column("control_high", NUMBER, OF_MEASURE, "Effect of the greatest draw.", CONTROLS),
    Column("draws", WHOLE, "draws", "Draws of controls.", CONTROLS),
    Column(
        "control_images", WHOLE, "images", "Images that a draw is run on, rounded.", CONTROLS
    ),
    Column(
        "p", NUMBER, PROBABILITY, "Chance of an effect so far from zero among controls.", CONTROLS
    ),
)  # fmt: skip
_EXCESS = (
    Column(
        "excess",
        NUMBER,
        OF_MEASURE,
        "Effect of the filters that have controls less `control`, image by image.",
        EFFECT,
    ),
    *_interval("excess_low", "excess_high", OF_MEASURE, "`excess`", EFFECT),
)
_MATCHED = Column("matched", WHOLE, "filters", "Those of its filters that have controls.", CONTROLS)
EFFECTS = Table(
    "effects",
    "One set of filters, one change made to them and one measure, all differences from the "
    "unchanged answer. Null where there are no controls, disturbances or partners, or one "
    "photograph alone.",
    IMPACT,
    EFFECT,
    (
        SET,
        Column("change", TEXT, "", "How the filters are changed.", "impact.md#interventions"),
        Column("filters", WHOLE, "filters", "Filters that are changed."),
        Column("sites", WHOLE, "sites", "Sites of these filters."),
        _MATCHED, MEASURE,
        Column("unit", TEXT, "", "Unit of a metric of one's own; null for other measures."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether more of the measure is better; null where neither is, or it is not known.",
        ),
        *_BESIDE_CONTROLS,
        Column(
            "matched_effect", NUMBER, OF_MEASURE,
            "Effect of the filters that have controls, which p compares.", CONTROLS,
        ),
        *_EXCESS,
        Column(
            "disturbance", NUMBER, OF_MEASURE,
            "Mean effect of the same differences put into the core.", CONTROLS,
        ),
        Column("shared", NUMBER, SHARE, "Share of a draw's filters that another has.", CONTROLS),
        Column(
            "scale_error", NUMBER, "log",
            "Median distance of a filter's spread from that of its control.", CONTROLS,
        ),
        Column("paired", WHOLE, "filters", "Recognising filters that have a partner.", SETS),
        Column("paired_effect", NUMBER, OF_MEASURE, "Effect of these.", SETS),
        Column("partner", NUMBER, OF_MEASURE, "Effect of their partners.", SETS),
        Column("beyond", NUMBER, OF_MEASURE, "The difference of the two, image by image.", SETS),
        *_interval("beyond_low", "beyond_high", OF_MEASURE, "`beyond`", SETS),
    ),
    file="impact.parquet",
)  # fmt: skip

DOSES = Table(
    "doses",
    "One number of filters undone, the greatest recall first, and one measure.",
    IMPACT,
    DOSE,
    (
        Column("filters", WHOLE, "filters", "How many filters are undone."),
        _MATCHED, MEASURE, *_BESIDE_CONTROLS, *_EXCESS,
    ),
)  # fmt: skip

DISTANCES = Table(
    "distances",
    "One set of filters undone, and one distance from the border of a dense answer.",
    IMPACT,
    EFFECT,
    (
        SET,
        Column("distance", WHOLE, "output positions", "From the nearest end."),
        Column("change", NUMBER, "standard deviations", "Mean absolute change of the answer."),
        *_interval("low", "high", "standard deviations", "`change`"),
        Column(
            "control", NUMBER, "standard deviations", "The same of controls, mean over draws.",
            CONTROLS,
        ),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

CLASSES = Table(
    "classes",
    "One set of filters undone, and one class.",
    IMPACT,
    CLASS,
    (
        SET,
        Column("class", WHOLE, "", "Number of the class, from 0."),
        Column("name", TEXT, "", "Its name; null where unknown."),
        Column("change", NUMBER, PROBABILITY, "Mean change of the class's probability."),
        *_interval("low", "high", PROBABILITY, "`change`"),
        Column("control", NUMBER, PROBABILITY, "The same of controls.", CONTROLS),
        Column("excess", NUMBER, PROBABILITY, "`change` less `control`, image by image."),
        *_interval("excess_low", "excess_high", PROBABILITY, "`excess`"),
        Column("p", NUMBER, PROBABILITY, "Chance of such an excess if its signs meant nothing."),
        Column("q", NUMBER, SHARE, "False discovery rate, over the classes of the set."),
        IMAGES, PHOTOGRAPHS,
        Column(
            "images_needed", WHOLE, "images",
            "Images that would take the set's first class to q < .05; null if no number would.",
        ),
    ),
)  # fmt: skip

VIEWS = Table(
    "views",
    "One kind of view, one amount, one treatment and one measure.",
    IMPACT,
    POSITION,
    (
        Column("view", TEXT, "", "shift, size or crop."),
        Column(
            "amount", NUMBER, "pixels, or ratio",
            "Pixels of a shift, else the ratio to the crop's size; null for all views together.",
        ),
        Column("treatment", TEXT, "", "What is done to the network."),
        MEASURE, IMAGES, PHOTOGRAPHS,
        Column(
            "value", NUMBER, OF_MEASURE,
            "Mean change of the answer from that on the centre view, under the same treatment.",
        ),
        *_interval("low", "high", OF_MEASURE, "`value`"),
        Column("difference", NUMBER, OF_MEASURE, "From the network as it is, image by image."),
        *_interval("difference_low", "difference_high", OF_MEASURE, "`difference`"),
        Column("control_difference", NUMBER, OF_MEASURE, "The difference of controls."),
    ),
)  # fmt: skip

READOUT = Table(
    "readout",
    "One treatment, and one axis along which the position of the frame is read from the features.",
    IMPACT,
    POSITION,
    (
        Column("treatment", TEXT, "", "What is done to the network."),
        Column("axis", TEXT, "", "The axis, by the sides at its ends."),
        Column(
            "r2", NUMBER, "at most 1",
            "Share of the offsets' variance that is explained; below 0 for less than a constant.",
        ),
        *_interval("low", "high", "at most 1", "`r2`"),
        Column("chance", NUMBER, "at most 1", "Mean r2 with the offsets exchanged at random."),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

BANDS = Table(
    "bands",
    "One width of a band across the image, what it is filled with, and one measure.",
    IMPACT,
    BORDERS,
    (
        Column("width", WHOLE, "pixels", "Width of the band."),
        Column("band", TEXT, "", "What it is filled with: fill is the padding's value."),
        MEASURE, IMAGES, PHOTOGRAPHS,
        Column("value", NUMBER, OF_MEASURE, "Mean change of the answer from that without a band."),
        *_interval("low", "high", OF_MEASURE, "`value`"),
        Column(
            "excess", NUMBER, OF_MEASURE,
            "More than a band of the mean colour changes, image by image; null for that one.",
        ),
        *_interval("excess_low", "excess_high", OF_MEASURE, "`excess`"),
    ),
)  # fmt: skip

_OF_THE_BORDER = "of the border's answer"
FIRING = Table(
    "firing",
    "One site, one side and one width of a band.",
    IMPACT,
    BORDERS,
    (
        SITE, SIDE,
        Column("width", WHOLE, "pixels", "Width of the band."),
        Column("filters", WHOLE, "filters", "Those that answer to the border."),
        IMAGES, PHOTOGRAPHS,
        Column(
            "firing", NUMBER, _OF_THE_BORDER,
            "Median answer of the filters to a band of the padding's value: 1 as to the border.",
        ),
        Column("low", NUMBER, _OF_THE_BORDER, "Lower quartile of the filters."),
        Column("high", NUMBER, _OF_THE_BORDER, "Upper quartile of the filters."),
        Column("control", NUMBER, _OF_THE_BORDER, "The median where there is no band."),
        Column("mean_colour", NUMBER, _OF_THE_BORDER, "The median at a band of the mean colour."),
    ),
)  # fmt: skip

CHECKS = Table(
    "checks",
    "One filter whose estimated impact was checked.",
    IMPACT,
    SINGLE,
    (
        SITE, FILTER, IMAGES, PHOTOGRAPHS,
        Column("estimate", NUMBER, "nats, or of the answer", "Estimated impact on these images."),
        Column("exact", NUMBER, "nats, or of the answer", "The impact when it is really undone."),
        Column(
            "kl", NUMBER, "nats",
            "Divergence of the changed answer; null unless the answer is scores of classes.",
        ),
    ),
)  # fmt: skip

COSTS = Table(
    "costs",
    "One set of filters.",
    IMPACT,
    SETS,
    (
        SET,
        Column("filters", WHOLE, "filters", "Its filters."),
        Column("filters_share", NUMBER, SHARE, "Their share of all padded convolutions."),
        Column("parameters", WHOLE, "parameters", "Parameters of its filters."),
        Column("parameters_share", NUMBER, SHARE, "Their share of all padded convolutions."),
        Column("macs", WHOLE, "multiply-adds", "Multiply-adds of its filters, for one image."),
        Column("macs_share", NUMBER, SHARE, "Their share of all padded convolutions."),
    ),
)  # fmt: skip

DEPTHS = Table(
    "depth",
    "One side of one map, or of the answer. Depths are up to where the mean difference over images "
    "stays below the tolerance.",
    DEPTH,
    DENSE,
    (
        Column("map", TEXT, "", "Name of the operation that gives it; (output) for the answer."),
        SIDE,
        Column("stride", NUMBER, "input pixels", "Input pixels per position."),
        Column("lines", WHOLE, "lines", "Lines looked at from this side."),
        Column("depth", NUMBER, "input pixels", "How deep padding reaches from this side."),
        *_interval("low", "high", "input pixels", "`depth`"),
        Column(
            "within", TRUTH, "",
            "Whether the depth is less than all lines looked at; if not, it is a lower bound.",
        ),
        Column("largest", NUMBER, "input pixels", "The depth by the image that differs most."),
        Column(
            "bound", NUMBER, "input pixels",
            "How deep padding can reach; null if without end, or not known.",
        ),
        Column("status", TEXT, "", "Whether this bound is exact; null if not known."),
        Column("reason", TEXT, "", "What makes it larger, or endless."),
        Column("ratio", NUMBER, "", "`depth` over `bound`."),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

DEPTH_CURVES = Table(
    "depth_curves",
    "One line of one map, counted from one side.",
    DEPTH,
    DENSE,
    (
        Column("map", TEXT, "", "Name of the operation that gives it; (output) for the answer."),
        SIDE,
        Column("distance", NUMBER, "input pixels", "From this side to the line."),
        Column("mean", NUMBER, "spreads", "Mean difference that padding makes, over images."),
        Column("p95", NUMBER, "spreads", "95th percentile of this difference."),
        Column("largest", NUMBER, "spreads", "The greatest of this difference."),
    ),
)  # fmt: skip

RETROFITS = Table(
    "retrofit",
    "One network: the given one, the same with other padding, or with padding that is tuned.",
    RETROFIT,
    RETROFITTING,
    (
        Column("network", TEXT, "", "given, swapped (other padding) or tuned (padding tuned)."),
        Column("padding", TEXT, "", "What its convolutions pad with."),
        Column("error", NUMBER, "spreads",
               "Border error: how far its map is from that with real surroundings."),
        *_interval("low", "high", "spreads", "`error`"),
        Column("change", NUMBER, "spreads", "`error` less that of the given network."),
        *_interval("change_low", "change_high", "spreads", "`change`"),
        Column("behind", NUMBER, "spreads", "`error` less that of the retrofit."),
        *_interval("behind_low", "behind_high", "spreads", "`behind`"),
        Column("interior", NUMBER, "spreads",
               "How far tuning moves its map where padding does not reach; null if not tuned."),
        *_interval("interior_low", "interior_high", "spreads", "`interior`"),
        MEASURE,
        Column("answer", NUMBER, OF_MEASURE, "How far its answer is from the given network's."),
        *_interval("answer_low", "answer_high", OF_MEASURE, "`answer`"),
        Column("filters", WHOLE, "filters",
               "Filters that do not give one value everywhere; null if they were not counted."),
        Column("responds", WHOLE, "filters", "Those with a KS of .5 or more.", CLAIMS),
        Column("recalled", WHOLE, "filters", "Those with a recall of .5 or more.", RECOGNITION),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

SWAP_EFFECTS = Table(
    "swaps",
    "One padding in place of all that the network has, and one measure: the difference from the "
    "network as it is.",
    SWAPS,
    SWAPPING,
    (
        Column("swap", TEXT, "", "What comes in place of padding; partial: partial convolution."),
        MEASURE,
        Column("unit", TEXT, "", "Unit of a metric of one's own, or of the border's error."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether more of the measure is better; null where neither is, or it is not known.",
        ),
        Column("own", NUMBER, OF_MEASURE, "The measure as it is; null of changes of the answer."),
        Column("effect", NUMBER, OF_MEASURE, "By how much the swap changes it."),
        *_interval("low", "high", OF_MEASURE, "`effect`"),
        IMAGES, PHOTOGRAPHS,
        Column(
            "added", NUMBER, "per multiply-add",
            "Values that are written once more, over the multiply-adds of padded convolutions.",
        ),
    ),
)  # fmt: skip

BORDER_MAPS = Table(
    "border_maps",
    "One padding, or the network as it is: how far its map is from that with real surroundings, "
    "cell by cell. Lines near the sides are cells of their own, and those between are averaged.",
    SWAPS,
    SWAPPING,
    (
        Column("swap", TEXT, "", "What comes in place of padding; as it is: nothing does."),
        Column("rows", NUMBERS, "input pixels", "Where rows of cells begin, and the last ends."),
        Column("columns", NUMBERS, "input pixels",
               "The same of columns; of maps with one axis, these are all there is."),
        Column("error", NUMBERS, "spreads",
               "Mean difference over images, row by row from the first; of three axes, over the "
               "central half of the first."),
        IMAGES,
    ),
)  # fmt: skip

SIZE_EFFECTS = Table(
    "sizes",
    "One input size, or padding moved to the other end, and one measure: the difference from the "
    "network as it is, at the wanted size.",
    SIZES,
    SIZING,
    (
        Column("size", WHOLES, "pixels", "Of the input, per axis."),
        Column(
            "change", TEXT, "",
            "even: no stride is uneven at this size; control: as far off on the other side, and "
            "uneven; other end: the wanted size, uneven padding moved.",
        ),
        Column("uneven", WHOLE, "sites", "Sites with more padding at one end, by their stride."),
        Column("work", NUMBER, "ratio", "Pixels of the input, over those of the wanted size."),
        MEASURE,
        Column("unit", TEXT, "", "Unit of a metric of one's own; null for other measures."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether more of the measure is better; null where neither is, or it is not known.",
        ),
        Column("own", NUMBER, OF_MEASURE, "The measure as it is; null of changes of the answer."),
        Column("effect", NUMBER, OF_MEASURE, "By how much the change changes it."),
        *_interval("low", "high", OF_MEASURE, "`effect`"),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

PARITY = Table(
    "parity",
    "One site whose stride leaves more padding at one end than at the other, at the wanted size.",
    SIZES,
    SIZING,
    (
        SITE,
        Column("op", TEXT, "", "What it is.", ARCHITECTURE),
        Column("stride", WHOLES, "positions", "Its stride, per axis."),
        Column("before", WHOLES, "positions", "Padding that windows reach before the first one."),
        Column("after", WHOLES, "positions", "The same behind the last one."),
        Column(
            "steps", NUMBERS, "strides",
            "By how much windows stand farther on if the odd line is at the other end.",
        ),
        Column("movable", TRUTH, "", "Whether it was moved to measure what that does."),
    ),
)  # fmt: skip

TILE_COSTS = Table(
    "tiles",
    "One size of tiles, the same along every axis, with the halo that makes them equal to the "
    "whole.",
    TILING,
    TILED,
    (
        Column("tile", WHOLE, "pixels", "Of a tile's own, along every axis."),
        Column("run", WHOLE, "pixels", "That are run for it: with the halo at both ends."),
        Column("cost", NUMBER, "ratio", "Pixels that are run for each one of the image."),
        Column(
            "held", WHOLE, "bytes",
            "A forward pass of one holds no more at once, beside the weights; null if not known.",
        ),
        Column("best", TRUTH, "", "Whether it is the largest that keeps within the limit given."),
    ),
)  # fmt: skip

HALOS = Table(
    "halos",
    "One halo that was tried.",
    TILING,
    TILED,
    (
        Column("halo", WHOLE, "pixels", "At every end of a tile that is no border of the image."),
        Column(
            "error", NUMBER, "spreads",
            "Greatest difference of tiles from the whole; null if they lack positions of their "
            "own.",
        ),
        Column("cost", NUMBER, "ratio", "Pixels that are run for each one, by the tiles tried."),
    ),
)  # fmt: skip

TILE_SHARES = Table(
    "tile_shares",
    "One cause of the difference of a tile, without a halo, from the whole.",
    TILING,
    SHARED,
    (
        Column("cause", TEXT, "", "padding, normalisation (statistics over the tile) or phase."),
        Column("share", NUMBER, "ratio",
               "Of the mean squared difference; all add up to 1. Below 0 if it hides another's."),
        *_interval("low", "high", "ratio", "`share`"),
        IMAGES,
    ),
)  # fmt: skip

_OF_KIND = "Confirmed filters of the kind {}."
COMPARISON = Table(
    "comparison",
    "One run. Null is what it has not measured.",
    COMPARE,
    COMPARING,
    (
        Column("name", TEXT, "", "What tells the rows apart."),
        Column("run", TEXT, "", "The run's directory."),
        Column("model", TEXT, "", "The model, in a line for people."),
        Column("sites", WHOLE, "sites", "Scored sites."),
        Column("filters", WHOLE, "filters", "Filters of these."),
        Column("measured", WHOLE, "filters", "Those that do not give one value everywhere.",
               CLAIMS),
        Column("responds", WHOLE, "filters", "Filters with a KS of .5 or more.", CLAIMS),
        Column("responds_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("strong", WHOLE, "filters", "Filters with a KS of .8 or more.", SCORE),
        Column("caused", WHOLE, "filters", "Confirmed filters.", KINDS_AND_REACH),
        Column("caused_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("recognises", WHOLE, "filters", "Filters that recognise the border.", RECOGNITION),
        Column("recognises_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("recalled", WHOLE, "filters", "The same count, measured as that of baselines is.",
               BASELINES),
        Column("fresh_low", WHOLE, "filters", "Least count of a network with fresh weights.",
               BASELINES),
        Column("fresh_high", WHOLE, "filters", "Greatest count of such a network.", BASELINES),
        Column("training", TEXT, "", "What that says of training: more, as many, fewer.", COUNTS),
        Column("matched_low", WHOLE, "filters", "Least count of a network with matched kernels.",
               BASELINES),
        Column("matched_high", WHOLE, "filters", "Greatest count of such a network.", BASELINES),
        Column("kernels", TEXT, "", "What that says of the kernels: more, as many, fewer.",
               COUNTS),
        *(
            Column(kind, WHOLE, "filters", _OF_KIND.format(kind), KINDS_AND_REACH)
            for kind in ("single", "opposite-same", "opposite-opposed", "adjacent", "three",
                         "frame", "several")
        ),
        Column("corner", WHOLE, "filters", "Filters of the provisional kind corner.",
               KINDS_AND_REACH),
        MEASURE,
        Column("change", TEXT, "", "How the filters were undone.", "impact.md#interventions"),
        Column("used", NUMBER, OF_MEASURE, "Effect of undoing those that use is judged by.",
               EFFECT),
        *_interval("used_low", "used_high", OF_MEASURE, "`used`", EFFECT),
        _MATCHED,
        Column("matched_used", NUMBER, OF_MEASURE, "Effect of these, which p compares.", CONTROLS),
        *(column for column in _BESIDE_CONTROLS if column.name.startswith("control")),
        *(column for column in _BESIDE_CONTROLS if column.name in ("draws", "p")),
        Column("excess", NUMBER, OF_MEASURE, "`matched_used` less `control`, image by image.",
               EFFECT),
        *_interval("excess_low", "excess_high", OF_MEASURE, "`excess`", EFFECT),
        Column("beyond_controls", TRUTH, "",
               "Whether the effect goes beyond that of controls; null where they cannot show it.",
               CONTROLS),
        Column("scanned", WHOLE, "images", "Images of the scan."),
        Column("explained", WHOLE, "images", "Images of the explanation."),
        Column("tested", WHOLE, "images", "Images of the impact."),
    ),
    file="compare.parquet",
)  # fmt: skip

_SIDES = ("top", "bottom", "left", "right", "front", "back", "start", "end")
_AT_SIDES = tuple(
    Column(side, WHOLE, "filters", f"Filters that recognise this side, {side}.", RECOGNITION)
    for side in _SIDES
)
SURVEY = Table(
    "survey",
    "One model of a survey. Null is what was not measured of it.",
    SURVEYING,
    SURVEYED,
    (
        Column("name", TEXT, "", "What tells the rows apart."),
        Column("model", TEXT, "", "What was loaded."),
        Column("weights", TEXT, "", "What is known of its weights: given, random, unknown."),
        Column("state", TEXT, "", "What became of it: done, not fetched, failed, not tried."),
        Column("reason", TEXT, "", 'Why it was not measured to the end; "" if it was.'),
        Column("run", TEXT, "", "The run's directory, below that of the survey."),
        Column("year", WHOLE, "", "Of its publication, as the list of models says."),
        Column("accuracy", NUMBER, "percent", "As published, as the list of models says."),
        Column("parameters", WHOLE, "parameters", "Of the whole network."),
        Column("norms", TEXT, "", "Kinds of its normalisation layers."),
        Column("pixels", WHOLE, "pixels", "Of an image, all axes together."),
        Column("depthwise", WHOLE, "sites", "Scored sites with a filter for every channel alone."),
        Column("strided", WHOLE, "sites", "Scored sites with a stride above 1."),
        Column("uneven", WHOLE, "sites",
               "Of these, those that see more padding at one end of an axis."),
        *(
            replace(column, since="")
            for column in COMPARISON.columns
            if column.name not in ("name", "run", "model")
        ),
        Column("recognises_low", WHOLE, "filters",
               "Those that recognise by the lower ends of their intervals too.", CHANCE),
        Column("recognises_high", WHOLE, "filters",
               "Those that may, by the upper ends of their intervals.", CHANCE),
        *_AT_SIDES,
        *(
            Column(origin, WHOLE, "filters", f"Recognising filters of the origin {origin}.", ORIGIN)
            for origin in ("nascent", "inherited", "both", "neither")
        ),
        Column("verdict", TEXT, "", "What its page says first."),
        Column("seconds", NUMBER, "seconds", "Of a bare forward pass of one image."),
    ),
)  # fmt: skip

SURVEY_SITES = Table(
    "survey_sites",
    "One scored site of one explained model of a survey.",
    SURVEYING,
    SURVEYED,
    (
        Column("name", TEXT, "", "The model's name."),
        SITE,
        Column("depth", NUMBER, SHARE, "Its place among the scored sites: 0 first, 1 last."),
        Column("map", WHOLE, "positions", "Shortest axis of its map."),
        Column("depthwise", TRUTH, "", "Whether it has a filter for every channel alone."),
        Column("strided", TRUTH, "", "Whether its stride is above 1."),
        Column("uneven", TRUTH, "", "Whether it sees more padding at one end of an axis."),
        Column("measured", WHOLE, "filters", "Those that do not give one value everywhere.",
               CLAIMS),
        Column("recognises", WHOLE, "filters", "Filters that recognise the border.", RECOGNITION),
        *_AT_SIDES,
        Column("fuller", WHOLE, "filters",
               "Filters that recognise ends with more padding than the other end has."),
        Column("barer", WHOLE, "filters", "Filters that recognise those other ends."),
    ),
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SITES, FILTERS, SIDES, INHERITED, NETWORKS, USUAL, EFFECTS, DOSES, DISTANCES, CLASSES,
        VIEWS, READOUT, BANDS, FIRING, CHECKS, COSTS, DEPTHS, DEPTH_CURVES, RETROFITS,
        SWAP_EFFECTS, BORDER_MAPS, SIZE_EFFECTS, PARITY, TILE_COSTS, HALOS, TILE_SHARES,
        COMPARISON, SURVEY, SURVEY_SITES,
    )
}  # fmt: skip


def tables_of(stage: str) -> Sequence[Table]:
    """Give the tables that a stage makes."""
    return [table for table in TABLES.values() if table.stage == stage]
