"""An explained study of many filters, made of few: for what shows a gallery of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import polars as pl
from tests.test_report import network, noise
from tests.test_report_explained import explained
from torch import nn

from padscope.measurements import FirstImages
from padscope.study import Study

Kept = TypeVar("Kept")


IMAGES = noise(24, 3, 64, 56)


def small_network() -> nn.Sequential:
    """Two padded convolutions, of 48 and 40 filters."""
    return network(
        nn.Conv2d(3, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(48, 40, 3, padding=1)
    )


def small_study() -> Study:
    """Those convolutions explained, with made-up impacts."""
    return with_impacts(explained(small_network(), IMAGES))


def with_impacts(study: Study) -> Study:
    """Add the columns that the third rung adds to the table of filters."""
    impact = np.random.default_rng(0).gamma(0.5, 0.01, study.filters.height)
    impact[3] = np.nan
    filters = study.filters.with_columns(
        impact=pl.Series(impact, nan_to_null=True),
        impact_low=pl.Series(0.8 * impact, nan_to_null=True),
        impact_high=pl.Series(1.3 * impact, nan_to_null=True),
        impact_signed=pl.Series(-impact, nan_to_null=True),
    )
    rank = pl.col("impact").rank("min", descending=True).cast(pl.Int64)
    return replace(study, filters=filters.with_columns(impact_rank=rank))


def many_filters() -> Study:
    """Give a study of 20,000 filters."""
    net = network(nn.Conv2d(3, 500, 3, padding=1))
    return tiled(with_impacts(explained(net, noise(8, 3, 64, 56), resamples=2)), 40)


def tiled(study: Study, copies: int) -> Study:
    """Repeat every site of an explained study under other names."""
    explanation = study.explanation
    assert explanation is not None
    counts = explanation.counts

    def name(site: str, copy: int) -> str:
        return f"copy{copy}.{site}"

    def table(frame: pl.DataFrame) -> pl.DataFrame:
        parts = [
            frame.with_columns(site=pl.lit(f"copy{copy}.") + pl.col("site"))
            for copy in range(copies)
        ]
        return pl.concat(parts)

    def sites(kept: Mapping[str, Kept]) -> dict[str, Kept]:
        return {name(s, copy): each for copy in range(copies) for s, each in kept.items()}

    def pairs(kept: Mapping[tuple[str, str], Kept]) -> dict[tuple[str, str], Kept]:
        return {
            (name(site, copy), key): each
            for copy in range(copies)
            for (site, key), each in kept.items()
        }

    first, scanned = counts.first, study.counted.first
    assert first is not None and scanned is not None
    return replace(
        study,
        sites=table(study.sites), filters=table(study.filters), sides=table(study.sides),
        counted=replace(
            study.counted,
            bins=sites(study.counted.bins), tallies=pairs(study.counted.tallies),
            first=replace(scanned, maps=pairs(scanned.maps)),
        ),
        kernels=sites(study.kernels), portraits=(),
        explanation=replace(
            explanation, networks=table(explanation.networks),
            inherited=table(explanation.inherited),
            counts=replace(
                counts, bins=sites(counts.bins), tallies=pairs(counts.tallies),
                first=FirstImages(pairs(first.maps), sites(first.borders), first.photos),
            ),
        ),
    )  # fmt: skip
