"""How far what was found can be trusted: counts left open, checks of the explanation, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from padscope.counts import plural
from padscope.evidence import CANDIDATE, CONFIRMED, GREY, SMALL_MAP, UNDECIDED_BAND
from padscope.findings.once import once
from padscope.findings.words import share, size
from padscope.images import Skipped
from padscope.images.element import elements
from padscope.regions import FOLDS
from padscope.study import Explanation, Study
from padscope.tables import MEASURED, RESOLUTION
from padscope.tables.comparison import response_columns

CHANCE = 0.05  # false discovery rate
NAMED = 5  # skipped images, or sites, named in a sentence
FEW = 48  # images below which counts are visibly inflated
BUILTIN = re.compile(
    r"(?:[\d,]+ of )?[\d,]+ random crops? of (\d+) built-in photographs(?: \(seed \d+\))?"
)


@dataclass(frozen=True)
class Counted:
    """What was counted, and what of it is open.

    Attributes
    ----------
    filters, measured, sites : int
        Scored filters, those with more than one value, and scored sites.
    respond, strong : int
        Measured filters that respond, and that do so strongly.
    undecided, far : int
        Filters that the images leave on either side of the cut, and those of them beyond
        `UNDECIDED_BAND`.
    coarse, filter_sides : int
        Filter-sides resolved worse than `RESOLUTION`, and all.
    small : int
        Responding filters on maps under `SMALL_MAP`.
    elsewhere : int
        Responding filters whose strongest side has no padding of the site's own.
    nonfinite : int
        Filters with NaN or infinite values.
    caused, grey, rejected : int
        Measured filters with these labels; 0 if the study is not explained.
    apart : int
        Measured filters explained without real context.
    images, skipped : int
        That the scores rest on, and that could not be used.
    builtin : int
        Independent photographs of the built-in set; 0 for other images.
    """

    filters: int
    measured: int
    sites: int
    respond: int
    strong: int
    undecided: int
    far: int
    coarse: int
    filter_sides: int
    small: int
    elsewhere: int
    nonfinite: int
    caused: int
    grey: int
    rejected: int
    apart: int
    images: int
    skipped: int
    builtin: int

    @property
    def unmeasured(self) -> int:
        """Filters with one value everywhere."""
        return self.filters - self.measured


@once
def count(study: Study) -> Counted:
    """Count what a study found, and what of it is open."""
    filters, found = study.filters, response_columns(study.filters)
    measured = filters.filter(MEASURED)
    responding = pl.col("ks") >= CANDIDATE
    elsewhere = study.sides.filter(pl.col("contact") == 0).select("site", "filter", "side")
    far, undecided = study.undecided()
    builtin = BUILTIN.fullmatch(study.images)
    explained = study.explanation is not None
    counts = study.explanation.counts if study.explanation else study.counted

    def of(condition: pl.Expr) -> int:
        return measured.filter(condition).height

    return Counted(
        filters=filters.height,
        measured=found["measured"],
        sites=int(study.sites["scored"].sum()),
        respond=found["responds"],
        strong=found["strong"],
        undecided=undecided,
        far=far,
        coarse=int(study.sides["flagged"].sum()),
        filter_sides=study.sides.height,
        small=of(responding & pl.col("needs_counterfactual")),
        elsewhere=measured.filter(responding)
        .join(elsewhere, on=["site", "filter", "side"], how="semi")
        .height,
        nonfinite=filters.filter(pl.col("nonfinite") > 0).height,
        caused=of(pl.col("label") == "confirmed"),
        grey=of(pl.col("label") == "grey"),
        rejected=of(pl.col("label") == "rejected"),
        apart=of(~pl.col("real_context")) if explained else 0,
        images=counts.images,
        skipped=len(counts.skipped),
        builtin=int(builtin[1]) if builtin else 0,
    )


@once
def limits(study: Study) -> list[str]:
    """Say what limits a study's counts, in sentences."""
    found = count(study)
    told = _explained(study, study.explanation) if study.explanation else _scanned(found)
    lines = [*told, *_unscored(study.sites)]
    if found.builtin:
        lines.append(
            f"There are {plural(found.builtin, 'photograph')} behind these crops: a demonstration."
        )
    if found.nonfinite:
        lines.append(
            f"{plural(found.nonfinite, 'filter')} gave NaN or infinite values, which were left out."
        )
    if study.explanation:
        lines += study.explanation.notes
        return [*lines, *skipped_lines("could not be explained", study.explanation.counts.skipped)]
    return [*lines, *skipped_lines("could not be read", study.counted.skipped)]


def _unscored(sites: pl.DataFrame) -> Iterator[str]:
    """Name the sites that have no scores, and say why."""
    lacking = sites.filter(~pl.col("scored")).group_by("unscored", maintain_order=True)
    for reason, names in lacking.agg("site").iter_rows():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"Not scored: {', '.join(names[:NAMED])}{more} ({reason})."


def _scanned(found: Counted) -> Iterator[str]:
    yield (
        "Responding is a first hint, not proof: images differ from side to side, and untrained "
        "networks respond too."
    )
    if found.undecided:
        yield (
            f"{plural(found.undecided, 'filter')} whose 95 % interval spans {CANDIDATE:g}, on "
            f"{plural(found.images, 'image')}; {found.far:,} of them farther than "
            f"{UNDECIDED_BAND:g} from it."
        )
    if found.coarse:
        yield (
            f"{found.coarse:,} of {plural(found.filter_sides, 'filter-side')} with a KS that bins "
            f"blur by more than {RESOLUTION:g}: the bounds are in sides.parquet."
        )
    if found.small:
        yield (
            f"* Of those that respond, {plural(found.small, 'filter')} on maps under {SMALL_MAP} "
            "positions, whose core is close to the border: not to be trusted before an explanation."
        )


def _explained(study: Study, explanation: Explanation) -> Iterator[str]:
    images = explanation.counts.images
    if images < FEW:
        yield (
            f"Only {plural(images, 'image')}: distances from so few come out too large, and kinds "
            f"change with the sample; give {FEW} or more."
        )
    small = study.filters.filter((pl.col("label") == "confirmed") & pl.col("needs_counterfactual"))
    if small.height:
        yield (
            f"* Of those that respond because of padding, {plural(small.height, 'filter')} on maps "
            f"under {SMALL_MAP} positions, where real context is less settled: see the change when "
            "the margin is doubled."
        )
    yield from _labels(study)
    q = study.sides["q"].drop_nulls()
    yield (
        f"{int((q <= CHANCE).sum()):,} of {plural(len(q), 'filter-side')} respond more than lines "
        f"where no border is (false discovery rate {CHANCE:g})."
    )
    inherited = explanation.inherited.group_by("site", "filter").agg(pl.col("causal_ks").max())
    if inherited.height:
        strong = inherited.filter(pl.col("causal_ks") >= CONFIRMED).height
        grey = inherited.filter(pl.col("causal_ks").is_between(GREY, CONFIRMED, closed="left"))
        yield (
            f"Of {plural(inherited.height, 'filter')} of convolutions without padding, {strong:,} "
            f"inherit a signal of {CONFIRMED:g} or more, {grey.height:,} one of {GREY:g} to "
            f"{CONFIRMED:g}."
        )


def _labels(study: Study) -> Iterator[str]:
    """Say what becomes of the filter-sides that respond, small maps apart."""
    small = pl.col("map_size").list.min() < SMALL_MAP
    sizes = study.sites.select("site", small=small)
    responding = study.sides.filter(pl.col("ks") >= CANDIDATE).join(sizes, on="site")
    for below, where in ((False, f"on maps of {SMALL_MAP} and more"), (True, "on smaller maps")):
        found = responding.filter(pl.col("small") == below)
        if found.height:
            parts = ", ".join(
                f"{share(found.filter(pl.col('label') == label).height / found.height)} {label}"
                for label in ("confirmed", "grey", "rejected")
            )
            sides = plural(found.height, "filter-side")
            yield f"Of {sides} with KS ≥ {CANDIDATE:g} {where}: {parts}."


def skipped_lines(what: str, skipped: Sequence[Skipped]) -> list[str]:
    """Count and name images that were skipped; nothing if there are none."""
    if not skipped:
        return []
    named = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[:NAMED])
    more = f"; and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    return [f"Images that {what}, and were skipped: {len(skipped):,} ({named}{more})."]


def check_facts(study: Study, explanation: Explanation) -> list[tuple[str, str]]:
    """Say how the explanation was checked: what, and how."""
    counts, settings = explanation.counts, explanation.identity["settings"]
    explained = study.sites.filter(pl.col("no_context").is_not_null())
    facts = [
        (
            "Images",
            f"{explanation.images}; {plural(counts.images, 'image')} counted. Images, not "
            "positions, are the unit: intervals are 95 % by jackknife over "
            f"{plural(min(FOLDS, counts.images), 'fold')} of images, stability by resampling the "
            "folds.",
        )
    ]
    if not any(explanation.margin):
        facts.append(("Margin", "None: there are no real surroundings."))
        return [*facts, ("Chance", "What lines inside the core do, where no border is.")]
    # Of one axis, unless the axes differ.
    unit = elements(len(study.size))
    margin = f"{size(dict.fromkeys(explanation.margin))} {unit} of real surroundings at each end."
    if explained["margin_agreement"].count():
        margin += (
            f" With twice the margin, on up to {plural(settings['check'], 'image')}, the sides at "
            f"causal KS ≥ {CONFIRMED:g} were compared (agreement: Jaccard index): "
            f"{describe_doubling(explained)}."
        )
    else:
        why = "no image is large enough" if settings["check"] else "the check was off"
        margin += f" Twice the margin was not tried: {why}."
    return [
        *facts,
        ("Margin", margin),
        (
            "Alignment",
            "Crop and surroundings are aligned position by position. Where no padding reaches, "
            "both must give the same activations: the greatest difference is listed, in spreads "
            "of the filter. Where it reaches everywhere, single windows are compared instead.",
        ),
        ("Chance", "What the same positions do on the canvas, where no border is."),
        (
            "Control",
            "The core, padded against real, should hardly differ on large maps: its median causal "
            "KS is listed.",
        ),
    ]


def describe_doubling(sites: pl.DataFrame) -> str:
    """Say what doubling the margin changed, on small maps and on others.

    Parameters
    ----------
    sites : polars.DataFrame
        Columns ``map_size`` and ``margin_agreement``.

    Examples
    --------
    >>> sites = {"map_size": [[28, 28], [7, 7]], "margin_agreement": [0.996, 0.75]}
    >>> describe_doubling(pl.DataFrame(sites))[:55]
    'on maps of 14 and more the agreement is 0.99 or better;'
    """
    least: dict[bool, float] = {}
    for shape, agreement in sites.select("map_size", "margin_agreement").iter_rows():
        if agreement is not None:
            small = min(shape) < SMALL_MAP
            least[small] = min(agreement, least.get(small, 1.0))
    # Rounded down: "or better" must hold of what is written.
    words = {small: f"{int(value * 100 + 1e-9) / 100:.2f}" for small, value in least.items()}
    parts = []
    if False in least:
        parts.append(f"on maps of {SMALL_MAP} and more the agreement is {words[False]} or better")
    if True in least:
        parts.append(f"on maps under {SMALL_MAP} it is {words[True]} or better")
    if len(least) == 2 and least[True] < least[False]:
        parts[1] += ", so those are less settled"
    return "; ".join(parts)
