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
IMAGES = Column("images", WHOLE, "images", "Number of images behind the row.", EFFECT)
PHOTOGRAPHS = Column(
    "photographs",
    WHOLE,
    "images",
    "Independent images among these: all crops of a photograph count as one.",
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
    Column("polarity", NUMBER, PROBABILITY, "P(border > core) + P(equal) / 2.", SCORE),
    Column(
        "border_recall", NUMBER, SHARE,
        "Share of line 0 beyond the threshold that a given share of the core exceeds.",
        RECOGNITION,
    ),
    Column(
        "border_recall_bound", NUMBER, SHARE,
        "How far the exact recall can be from `border_recall`.",
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
        "causal_polarity", NUMBER, PROBABILITY,
        "P(padded > real) + P(equal) / 2, on line 0.", SCORE,
        EXPLAIN,
    ),
    *_interval("causal_low", "causal_high", SHARE, "`causal_ks`", CHANCE, EXPLAIN),
)  # fmt: skip
_LINES = (1, 2, 3)
_REAL_CONTEXT = Column(
    "real_context", TRUTH, "", "Whether padding was compared with real surroundings.",
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
        Column("pad_after", WHOLES, "positions", "Padding after the last position, per axis."),
        Column("fill", TEXT, "", "What the padding holds."),
        Column("input_size", WHOLES, "positions", "Size of the input without padding, per axis."),
        Column("map_size", WHOLES, "positions", "Size of the output map, per axis."),
        Column("contact_before", WHOLES, "lines", "First lines that touch padding, per axis."),
        Column("contact_after", WHOLES, "lines", "Last lines that touch padding, per axis."),
        Column("filters", WHOLE, "filters", "Number of filters; 0 if it has none."),
        Column("scored", TRUTH, "", "Whether its filters are scored."),
        Column("unscored", TEXT, "", 'Why its filters are not scored; "" if they are.'),
        Column("hidden", TRUTH, "", "Whether the operation can be seen in scripted code only."),
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
            "Jaccard index of the confirmed filter-sides before and after doubling the margin.",
            COUNTERFACTUAL,
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
        Column(
            "label", TEXT, "",
            "The verdict on its cause: confirmed, grey, rejected or quiet.",
            KINDS_AND_REACH, EXPLAIN,
        ),
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
            "Last line, counted from the border, up to which the causal KS is .3 or more.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "own_ks", NUMBER, SHARE, "KS caused by the site's own padding alone.", ORIGIN, EXPLAIN
        ),
        Column(
            "incoming_ks", NUMBER, SHARE,
            "KS caused by what arrives with the site's input alone.", ORIGIN,
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
            "label", TEXT, "", "By its KS; once explained, the label of its strongest side.",
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
            "kind", TEXT, "",
            "Which sides it answers to, as a kind; null if it has none.", KINDS_AND_REACH,
            EXPLAIN,
        ),
        Column("active", TEXTS, "", "The sides that it answers to.", KINDS_AND_REACH, EXPLAIN),
        Column(
            "sign", TEXT, "",
            "Whether padding excites or inhibits it at these sides: excited, inhibited or mixed.",
            KINDS_AND_REACH, EXPLAIN,
        ),
        Column(
            "stability", NUMBER, SHARE, "Share of resamples of the images that give the same kind.",
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
            "p", NUMBER, PROBABILITY,
            "The p-values of its sides, combined into one.", CHANCE, EXPLAIN
        ),
        Column("q", NUMBER, SHARE, "False discovery rate, over all filters.", CHANCE, EXPLAIN),
        _REAL_CONTEXT,
        Column(
            "q_fresh", NUMBER, SHARE,
            "False discovery rate of its recall, compared with fresh weights.",
            COUNTS, EXPLAIN,
        ),
        Column(
            "q_matched", NUMBER, SHARE,
            "The same, compared with matched random kernels.", COUNTS, EXPLAIN
        ),
        Column(
            "impact", NUMBER, "nats, or of the answer",
            "Estimated change of the answer when this filter alone is undone.", SINGLE,
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
        Column(
            "causal_ks", NUMBER, SHARE,
            "Causal KS of the effect of padding that arrives with its input.",
        ),
        Column("causal_polarity", NUMBER, PROBABILITY, "P(padded > real) + P(equal) / 2."),
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
            "given, fresh 1 …, matched 1 …, shuffled, re-estimated (batch norm statistics) or "
            "unshifted (these, without shifts).",
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
            "KS of the filters' strongest sides: lowest, nine deciles, highest.", SCORE,
        ),
        Column(
            "recall", NUMBERS, SHARE, "Greatest recall of each filter; null where unmeasured.",
            RECOGNITION,
        ),
        Column(
            "recalled_without", WHOLES, "filters",
            "`recalled` without each fold of the images in turn.", COUNTS,
        ),
        Column("note", TEXT, "", 'What could not be done for the network; "" if all was done.'),
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
            "Share of the content at or beyond the fill, on its rarer side; 0 if the fill is "
            "beyond all content.",
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
    Column("control", NUMBER, OF_MEASURE, "The same for controls, mean over draws.", CONTROLS),
    Column(
        "control_low", NUMBER, OF_MEASURE,
        "Effect of the control draw with the smallest effect.", CONTROLS,
    ),
    Column(
        "control_high", NUMBER, OF_MEASURE,
        "Effect of the control draw with the largest effect.", CONTROLS,
    ),
    Column("draws", WHOLE, "draws", "Number of control draws.", CONTROLS),
    Column(
        "control_images", WHOLE, "images", "Images on which each draw is run, rounded.", CONTROLS
    ),
    Column(
        "p", NUMBER, PROBABILITY,
        "Probability of an effect this far from zero among controls.", CONTROLS
    ),
)  # fmt: skip
_EXCESS = (
    Column(
        "excess",
        NUMBER,
        OF_MEASURE,
        "Effect of the filters that have controls minus `control`, image by image.",
        EFFECT,
    ),
    *_interval("excess_low", "excess_high", OF_MEASURE, "`excess`", EFFECT),
)
_MATCHED = Column("matched", WHOLE, "filters", "Its filters that have controls.", CONTROLS)
EFFECTS = Table(
    "effects",
    "One set of filters, one change made to them and one measure, all differences from the "
    "unchanged answer. Null without controls, disturbances or partners, or with a single "
    "photograph.",
    IMPACT,
    EFFECT,
    (
        SET,
        Column("change", TEXT, "", "How the filters are changed.", "impact.md#interventions"),
        Column("filters", WHOLE, "filters", "Filters that are changed."),
        Column("sites", WHOLE, "sites", "Sites of these filters."),
        _MATCHED, MEASURE,
        Column("unit", TEXT, "", "Unit of your own metric; null for other measures."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether a higher value is better; null if neither is, or if it is not known.",
        ),
        *_BESIDE_CONTROLS,
        Column(
            "matched_effect", NUMBER, OF_MEASURE,
            "Effect of the filters that have controls; p refers to it.", CONTROLS,
        ),
        *_EXCESS,
        Column(
            "disturbance", NUMBER, OF_MEASURE,
            "Mean effect of adding the same differences to the core.", CONTROLS,
        ),
        Column(
            "shared", NUMBER, SHARE,
            "Share of a draw's filters that another draw has too.", CONTROLS,
        ),
        Column(
            "scale_error", NUMBER, "log",
            "Median difference between a filter's spread and that of its control.", CONTROLS,
        ),
        Column("paired", WHOLE, "filters", "Recognising filters that have a partner.", SETS),
        Column("paired_effect", NUMBER, OF_MEASURE, "Effect of the paired filters.", SETS),
        Column("partner", NUMBER, OF_MEASURE, "Effect of their partners.", SETS),
        Column(
            "beyond", NUMBER, OF_MEASURE,
            "`paired_effect` minus `partner`, image by image.", SETS,
        ),
        *_interval("beyond_low", "beyond_high", OF_MEASURE, "`beyond`", SETS),
    ),
    file="impact.parquet",
)  # fmt: skip

DOSES = Table(
    "doses",
    "One number of filters undone, those with the highest recall first, and one measure.",
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
        Column("distance", WHOLE, "output positions", "Distance from the nearest end."),
        Column("change", NUMBER, "standard deviations", "Mean absolute change of the answer."),
        *_interval("low", "high", "standard deviations", "`change`"),
        Column(
            "control", NUMBER, "standard deviations", "The same for controls, mean over draws.",
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
        Column("name", TEXT, "", "Name of the class; null if unknown."),
        Column("change", NUMBER, PROBABILITY, "Mean change of the class's probability."),
        *_interval("low", "high", PROBABILITY, "`change`"),
        Column("control", NUMBER, PROBABILITY, "The same for controls.", CONTROLS),
        Column("excess", NUMBER, PROBABILITY, "`change` minus `control`, image by image."),
        *_interval("excess_low", "excess_high", PROBABILITY, "`excess`"),
        Column("p", NUMBER, PROBABILITY, "Probability of such an excess if its signs were random."),
        Column("q", NUMBER, SHARE, "False discovery rate, over the classes of the set."),
        IMAGES, PHOTOGRAPHS,
        Column(
            "images_needed", WHOLE, "images",
            "Images needed for q < .05 of the set's first class; null if no number is enough.",
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
            "Pixels of a shift, otherwise the ratio to the crop's size; null for all views "
            "together.",
        ),
        Column("treatment", TEXT, "", "What is done to the network."),
        MEASURE, IMAGES, PHOTOGRAPHS,
        Column(
            "value", NUMBER, OF_MEASURE,
            "Mean change of the answer from that for the centred image, under the same treatment.",
        ),
        *_interval("low", "high", OF_MEASURE, "`value`"),
        Column(
            "difference", NUMBER, OF_MEASURE,
            "`value` minus that of the network as it is, image by image.",
        ),
        *_interval("difference_low", "difference_high", OF_MEASURE, "`difference`"),
        Column("control_difference", NUMBER, OF_MEASURE, "`difference` of controls."),
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
            "Share of the offsets' variance that is explained; below 0 if a constant explains "
            "more.",
        ),
        *_interval("low", "high", "at most 1", "`r2`"),
        Column("chance", NUMBER, "at most 1", "Mean r2 with the offsets permuted at random."),
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
        Column("band", TEXT, "", "What it is filled with; fill: the padding's value."),
        MEASURE, IMAGES, PHOTOGRAPHS,
        Column("value", NUMBER, OF_MEASURE, "Mean change of the answer from that without a band."),
        *_interval("low", "high", OF_MEASURE, "`value`"),
        Column(
            "excess", NUMBER, OF_MEASURE,
            "`value` minus that of a band of the mean colour, image by image; null for that band.",
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
        Column("filters", WHOLE, "filters", "Filters that answer to the border."),
        IMAGES, PHOTOGRAPHS,
        Column(
            "firing", NUMBER, _OF_THE_BORDER,
            "Median answer of the filters to a band of the padding's value; 1: as to the border.",
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
        Column(
            "exact", NUMBER, "nats, or of the answer",
            "Measured impact when the filter is undone.",
        ),
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
        Column("filters", WHOLE, "filters", "Number of filters in the set."),
        Column("filters_share", NUMBER, SHARE, "The same as a share of all padded convolutions."),
        Column("parameters", WHOLE, "parameters", "Parameters of its filters."),
        Column(
            "parameters_share", NUMBER, SHARE,
            "The same as a share of all padded convolutions.",
        ),
        Column("macs", WHOLE, "multiply-adds", "Multiply-adds of its filters, for one image."),
        Column("macs_share", NUMBER, SHARE, "The same as a share of all padded convolutions."),
    ),
)  # fmt: skip

DEPTHS = Table(
    "depth",
    "One side of one map, or of the answer. The depth ends where the mean difference over "
    "images stays below the tolerance.",
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
            "Whether the depth ends within the lines looked at; if not, it is a lower bound.",
        ),
        Column("largest", NUMBER, "input pixels", "The depth for the image that differs most."),
        Column(
            "bound", NUMBER, "input pixels",
            "How deep padding can reach; null if there is no limit, or if it is not known.",
        ),
        Column("status", TEXT, "", "Whether this bound is exact; null if not known."),
        Column("reason", TEXT, "", "Why the bound is larger, or why there is none."),
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
        Column("distance", NUMBER, "input pixels", "Distance from this side to the line."),
        Column("mean", NUMBER, "spreads", "Mean difference that padding makes, over images."),
        Column("p95", NUMBER, "spreads", "95th percentile of this difference."),
        Column("largest", NUMBER, "spreads", "Largest difference."),
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
               "Border error: difference of its map from the map with real surroundings."),
        *_interval("low", "high", "spreads", "`error`"),
        Column("change", NUMBER, "spreads", "`error` minus that of the given network."),
        *_interval("change_low", "change_high", "spreads", "`change`"),
        Column("behind", NUMBER, "spreads", "`error` minus that of the retrofit."),
        *_interval("behind_low", "behind_high", "spreads", "`behind`"),
        Column("interior", NUMBER, "spreads",
               "How much tuning changes its map where padding does not reach; null if not tuned."),
        *_interval("interior_low", "interior_high", "spreads", "`interior`"),
        MEASURE,
        Column(
            "answer", NUMBER, OF_MEASURE,
            "Difference of its answer from that of the given network.",
        ),
        *_interval("answer_low", "answer_high", OF_MEASURE, "`answer`"),
        Column("filters", WHOLE, "filters",
               "Filters that do not give the same value everywhere; null if they were not counted.",
               ),
        Column("responds", WHOLE, "filters", "Filters with a KS of .5 or more.", CLAIMS),
        Column("recalled", WHOLE, "filters", "Filters with a recall of .5 or more.", RECOGNITION),
        IMAGES, PHOTOGRAPHS,
    ),
)  # fmt: skip

SWAP_EFFECTS = Table(
    "swaps",
    "One kind of padding in place of all padding of the network, and one measure: the difference "
    "from the network as it is.",
    SWAPS,
    SWAPPING,
    (
        Column("swap", TEXT, "", "What replaces the padding; partial: partial convolution."),
        MEASURE,
        Column("unit", TEXT, "", "Unit of your own metric, or of the border error."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether a higher value is better; null if neither is, or if it is not known.",
        ),
        Column(
            "own", NUMBER, OF_MEASURE,
            "The measure without any change; null for changes of the answer.",
        ),
        Column("effect", NUMBER, OF_MEASURE, "How much the swap changes the measure."),
        *_interval("low", "high", OF_MEASURE, "`effect`"),
        IMAGES, PHOTOGRAPHS,
        Column(
            "added", NUMBER, "per multiply-add",
            "Values written in addition, per multiply-add of the padded convolutions.",
        ),
    ),
)  # fmt: skip

BORDER_MAPS = Table(
    "border_maps",
    "One kind of padding, or the network as it is: the difference of its map from the map with "
    "real surroundings, cell by cell. Lines near the sides have cells of their own; those between "
    "are averaged.",
    SWAPS,
    SWAPPING,
    (
        Column("swap", TEXT, "", "What replaces the padding; as it is: the network's own."),
        Column("rows", NUMBERS, "input pixels", "Where rows of cells begin, and the last ends."),
        Column("columns", NUMBERS, "input pixels",
               "The same for columns; maps with one axis have columns only."),
        Column("error", NUMBERS, "spreads",
               "Mean difference over images, row by row from the first; with three axes, over the "
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
        Column("size", WHOLES, "pixels", "Size of the input, per axis."),
        Column(
            "change", TEXT, "",
            "even: no stride is uneven at this size; control: a size as far from the wanted one, "
            "on the other side, and uneven; other end: the wanted size, uneven padding moved.",
        ),
        Column("uneven", WHOLE, "sites", "Sites whose stride leaves more padding at one end."),
        Column(
            "work", NUMBER, "ratio",
            "Pixels of the input, divided by those of the wanted size.",
        ),
        MEASURE,
        Column("unit", TEXT, "", "Unit of your own metric; null for other measures."),
        Column(
            "higher_is_better", TRUTH, "",
            "Whether a higher value is better; null if neither is, or if it is not known.",
        ),
        Column(
            "own", NUMBER, OF_MEASURE,
            "The measure without any change; null for changes of the answer.",
        ),
        Column("effect", NUMBER, OF_MEASURE, "How much the change alters the measure."),
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
        Column("op", TEXT, "", "Name of the operation in PyTorch.", ARCHITECTURE),
        Column("stride", WHOLES, "positions", "Its stride, per axis."),
        Column(
            "before", WHOLES, "positions",
            "Padding that windows read before the first position.",
        ),
        Column("after", WHOLES, "positions", "Padding that windows read after the last position."),
        Column(
            "steps", NUMBERS, "strides",
            "How far windows move if the odd line of padding is at the other end.",
        ),
        Column("movable", TRUTH, "", "Whether its padding was moved to measure the effect."),
    ),
)  # fmt: skip

TILE_COSTS = Table(
    "tiles",
    "One size of tiles, the same along every axis, with the halo that makes them equal to the "
    "whole.",
    TILING,
    TILED,
    (
        Column("tile", WHOLE, "pixels", "Size of a tile without its halo, along every axis."),
        Column("run", WHOLE, "pixels", "Size that is run: with the halo at both ends."),
        Column("cost", NUMBER, "ratio", "Pixels run per pixel of the image."),
        Column(
            "held", WHOLE, "bytes",
            "Upper bound of the memory of a forward pass, without the weights; null if not known.",
        ),
        Column("best", TRUTH, "", "Whether it is the largest within the given limit."),
    ),
)  # fmt: skip

HALOS = Table(
    "halos",
    "One halo that was tried.",
    TILING,
    TILED,
    (
        Column(
            "halo", WHOLE, "pixels",
            "Halo at every end of a tile that is not a border of the image.",
        ),
        Column(
            "error", NUMBER, "spreads",
            "Largest difference between tiles and the whole; null if tiles lack positions of "
            "their own.",
        ),
        Column("cost", NUMBER, "ratio", "Pixels run per pixel of the image, with the tiles tried."),
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
               "Share of the mean squared difference; all add up to 1. Negative if it hides "
               "another."),
        *_interval("low", "high", "ratio", "`share`"),
        IMAGES,
    ),
)  # fmt: skip

_OF_KIND = "Confirmed filters of the kind {}."
COMPARISON = Table(
    "comparison",
    "One run. Null: not measured.",
    COMPARE,
    COMPARING,
    (
        Column("name", TEXT, "", "Name of the row."),
        Column("run", TEXT, "", "The run's directory."),
        Column("model", TEXT, "", "Description of the model."),
        Column("sites", WHOLE, "sites", "Scored sites."),
        Column("filters", WHOLE, "filters", "Filters of the scored sites."),
        Column("measured", WHOLE, "filters", "Filters that do not give the same value everywhere.",
               CLAIMS),
        Column("responds", WHOLE, "filters", "Filters with a KS of .5 or more.", CLAIMS),
        Column("responds_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("strong", WHOLE, "filters", "Filters with a KS of .8 or more.", SCORE),
        Column("caused", WHOLE, "filters", "Confirmed filters.", KINDS_AND_REACH),
        Column("caused_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("recognises", WHOLE, "filters", "Filters that recognise the border.", RECOGNITION),
        Column("recognises_share", NUMBER, SHARE, "Their share of the measured ones.", CLAIMS),
        Column("recalled", WHOLE, "filters",
        "Filters that recognise the border, counted as in baselines.",
               BASELINES),
        Column("fresh_low", WHOLE, "filters", "Lowest count of a network with fresh weights.",
               BASELINES),
        Column("fresh_high", WHOLE, "filters", "Highest count of such a network.", BASELINES),
        Column(
            "training", TEXT, "",
            "What this says about training: more, as many, fewer.", COUNTS,
        ),
        Column("matched_low", WHOLE, "filters", "Lowest count of a network with matched kernels.",
               BASELINES),
        Column("matched_high", WHOLE, "filters", "Highest count of such a network.", BASELINES),
        Column("kernels", TEXT, "", "What this says about the kernels: more, as many, fewer.",
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
        Column("used", NUMBER, OF_MEASURE, "Effect of undoing the filters that use is judged by.",
               EFFECT),
        *_interval("used_low", "used_high", OF_MEASURE, "`used`", EFFECT),
        _MATCHED,
        Column(
            "matched_used", NUMBER, OF_MEASURE,
            "Effect of the matched filters; p refers to it.", CONTROLS,
        ),
        *(column for column in _BESIDE_CONTROLS if column.name.startswith("control")),
        *(column for column in _BESIDE_CONTROLS if column.name in ("draws", "p")),
        Column("excess", NUMBER, OF_MEASURE, "`matched_used` minus `control`, image by image.",
               EFFECT),
        *_interval("excess_low", "excess_high", OF_MEASURE, "`excess`", EFFECT),
        Column("beyond_controls", TRUTH, "",
               "Whether the effect goes beyond that of controls; null if they cannot show it.",
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
    "One model of a survey. Null: not measured.",
    SURVEYING,
    SURVEYED,
    (
        Column("name", TEXT, "", "Name of the row."),
        Column("model", TEXT, "", "What was loaded."),
        Column("weights", TEXT, "", "What is known about its weights: given, random, unknown."),
        Column("state", TEXT, "", "done, not fetched, failed or not tried."),
        Column("reason", TEXT, "", 'Why it was not measured to the end; "" if it was.'),
        Column("run", TEXT, "", "The run's directory, inside that of the survey."),
        Column("year", WHOLE, "", "Year of publication, from the list of models."),
        Column("accuracy", NUMBER, "percent", "Published accuracy, from the list of models."),
        Column("parameters", WHOLE, "parameters", "Parameters of the whole network."),
        Column("norms", TEXT, "", "Kinds of its normalisation layers."),
        Column("pixels", WHOLE, "pixels", "Pixels of an image, all axes together."),
        Column("depthwise", WHOLE, "sites", "Scored sites with one filter per channel."),
        Column("strided", WHOLE, "sites", "Scored sites with a stride above 1."),
        Column("uneven", WHOLE, "sites",
               "Strided sites with more padding at one end of an axis."),
        *(
            replace(column, since="")
            for column in COMPARISON.columns
            if column.name not in ("name", "run", "model")
        ),
        Column("recognises_low", WHOLE, "filters",
               "Filters that recognise the border even by the lower ends of their intervals.",
               CHANCE),
        Column("recognises_high", WHOLE, "filters",
               "Filters that may recognise it, by the upper ends of their intervals.", CHANCE),
        *_AT_SIDES,
        *(
            Column(origin, WHOLE, "filters", f"Recognising filters of the origin {origin}.", ORIGIN)
            for origin in ("nascent", "inherited", "both", "neither")
        ),
        Column("verdict", TEXT, "", "Headline of its page."),
        Column("seconds", NUMBER, "seconds", "Time of a bare forward pass of one image."),
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
        Column("depth", NUMBER, SHARE, "Position among the scored sites: 0 first, 1 last."),
        Column("map", WHOLE, "positions", "Length of the shortest axis of its map."),
        Column("depthwise", TRUTH, "", "Whether it has one filter per channel."),
        Column("strided", TRUTH, "", "Whether its stride is above 1."),
        Column("uneven", TRUTH, "", "Whether it has more padding at one end of an axis."),
        Column("measured", WHOLE, "filters", "Filters that do not give the same value everywhere.",
               CLAIMS),
        Column("recognises", WHOLE, "filters", "Filters that recognise the border.", RECOGNITION),
        *_AT_SIDES,
        Column("fuller", WHOLE, "filters",
               "Filters that recognise the end that has more padding."),
        Column("barer", WHOLE, "filters", "Filters that recognise the end that has less."),
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
