"""Find, explain and test padding-aware neurons in convolutional networks."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope import planted
    from padscope.errors import PadscopeError
    from padscope.images import open_images
    from padscope.interventions import repad
    from padscope.models import load_model
    from padscope.report import render_report
    from padscope.running.streaming import stream_of
    from padscope.running.tile_shares import tile_shares
    from padscope.running.tiled import halo_of, tiled
    from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
    from padscope.sites import Interception
    from padscope.store import RunDirectory, load_study
    from padscope.study import (
        Study,
        TrainingWatch,
        depth,
        explain,
        find_sites,
        impact,
        measure_depth,
        measure_sizes,
        measure_swaps,
        measure_tiles,
        retrofit,
        scan,
        sizes,
        swaps,
        tiles,
    )

__version__ = "0.1.0"
__all__ = [
    "ExplainSettings",
    "ImpactSettings",
    "Interception",
    "PadscopeError",
    "RunDirectory",
    "ScanSettings",
    "Study",
    "TrainingWatch",
    "depth",
    "explain",
    "find_sites",
    "halo_of",
    "impact",
    "load_model",
    "load_study",
    "measure_depth",
    "measure_sizes",
    "measure_swaps",
    "measure_tiles",
    "open_images",
    "planted",
    "render_report",
    "repad",
    "retrofit",
    "scan",
    "sizes",
    "stream_of",
    "swaps",
    "tile_shares",
    "tiled",
    "tiles",
]

__getattr__, __dir__ = lazily(__name__)
