"""The stages in order: `scan`, `explain`, `impact`. Each adds to a `Study`, the frozen result."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.study.depth import depth, measure_depth
    from padscope.study.depth_result import Depth
    from padscope.study.explain import explain
    from padscope.study.explanation import CONTRASTED, GIVEN, Explanation
    from padscope.study.impact import impact
    from padscope.study.impact_result import IMPACT_TABLES, Impact
    from padscope.study.inputs import as_images, as_loaded, make_probe
    from padscope.study.kernels import Kernels
    from padscope.study.listing import find_sites
    from padscope.study.result import Portrait, Study
    from padscope.study.retrofit import retrofit
    from padscope.study.retrofit_result import Retrofit
    from padscope.study.scan import scan
    from padscope.study.sizes import measure_sizes, sizes
    from padscope.study.sizes_result import Sizes
    from padscope.study.stage import Journal, Kept
    from padscope.study.stages import DEPTH, EXPLAIN, IMPACT, SCAN, Progress
    from padscope.study.subject import check_answer
    from padscope.study.swaps import measure_swaps, swaps
    from padscope.study.swaps_result import Swaps
    from padscope.study.tiles import measure_tiles, tiles
    from padscope.study.tiles_result import Tiles
    from padscope.study.training import TrainingWatch

__all__ = [
    "CONTRASTED",
    "DEPTH",
    "EXPLAIN",
    "GIVEN",
    "IMPACT",
    "IMPACT_TABLES",
    "SCAN",
    "Depth",
    "Explanation",
    "Impact",
    "Journal",
    "Kept",
    "Kernels",
    "Portrait",
    "Progress",
    "Retrofit",
    "Sizes",
    "Study",
    "Swaps",
    "Tiles",
    "TrainingWatch",
    "as_images",
    "as_loaded",
    "check_answer",
    "depth",
    "explain",
    "find_sites",
    "impact",
    "make_probe",
    "measure_depth",
    "measure_sizes",
    "measure_swaps",
    "measure_tiles",
    "retrofit",
    "scan",
    "sizes",
    "swaps",
    "tiles",
]

__getattr__, __dir__ = lazily(__name__)
