"""What streams: integer histograms per filter, region and image fold. Merging is adding.

`bins` turns activations into small integers, `calibration` fits the bins to a filter's first
activations, `tally` holds the counts of a site, and `contrast` keeps the values of many images and
fills the tallies with them, condition by condition.
"""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.tallies.bins import Bins
    from padscope.tallies.calibration import fit_bins
    from padscope.tallies.contrast import (
        ContrastCounter,
        PositionColumns,
        Stream,
        border_streams,
        streams_of,
        streams_under,
    )
    from padscope.tallies.edges import bin_middles
    from padscope.tallies.names import BINS, CORNERS, DEEP, HOLE, LINES, NEAR, OWN
    from padscope.tallies.tally import Tally

__all__ = [
    "BINS",
    "CORNERS",
    "DEEP",
    "HOLE",
    "LINES",
    "NEAR",
    "OWN",
    "Bins",
    "ContrastCounter",
    "PositionColumns",
    "Stream",
    "Tally",
    "bin_middles",
    "border_streams",
    "fit_bins",
    "streams_of",
    "streams_under",
]

__getattr__, __dir__ = lazily(__name__)
