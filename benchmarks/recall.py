"""Border recall from tallies beside that of the raw values at the same positions."""

from __future__ import annotations

import numpy as np
import polars as pl
from tests.test_agreement import beside_raw

from padscope.evidence import RECOGNISED
from padscope.images import open_images
from padscope.models import load_model
from padscope.settings import ScanSettings
from padscope.study import make_probe


def describe_recall(source: str | None = None) -> None:
    """Print how far they lie apart, of every filter."""
    print("border recall beside that of raw values (targets: median ≤ .01, 99 % ≤ .05)")
    loaded, settings = load_model("lite0"), ScanSettings(limit=96, crops=96)
    images = open_images(source, make_probe(loaded, 0), settings.limit, crops=settings.crops)
    sides = beside_raw(loaded.module, images, settings).drop_nulls("border_recall")
    filters = sides.group_by("site", "filter").agg(pl.col("exact_recall", "border_recall").max())
    for name, table in (("filter-sides", sides), ("filters", filters)):
        exact, found = (table[name].to_numpy() for name in ("exact_recall", "border_recall"))
        error = np.abs(exact - found)
        for which, errors in (("", error), (" of recall > 0", error[(exact > 0) | (found > 0)])):
            ends = ", ".join(f"{q:.0%} ≤ {np.quantile(errors, q):.3f}" for q in (0.5, 0.99))
            print(f"  {len(errors):,} {name}{which}: {ends}, greatest {errors.max():.3f}")
    hidden = (pl.col("exact_recall") - pl.col("border_recall")).abs()
    beyond = sides.filter(hidden > pl.col("border_recall_bound") + 1e-9).height
    print(f"  filter-sides beyond the bound: {beyond}")
    raw, told = exact >= RECOGNISED, found >= RECOGNISED
    print(
        f"  filters of recall ≥ {RECOGNISED}: {told.sum()}, by raw values {raw.sum()}, "
        f"Jaccard {(raw & told).sum() / (raw | told).sum():.3f}"
    )
