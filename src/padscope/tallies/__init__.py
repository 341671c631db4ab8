"""What streams: integer histograms per filter, region and image fold. Merging is adding.

`bins` turns activations into small integers, `calibration` fits the bins to a filter's first
activations, `tally` holds the counts of a site, `gathering` copies values out of maps, and what
fills the tallies with them is `collector` for a scan and `contrast` for an explanation.
"""

from padscope.tallies.bins import BINS, HOLE, Bins
from padscope.tallies.calibration import SiteCalibration
from padscope.tallies.collector import Calibrator, Collector
from padscope.tallies.contrast import (
    CORNERS,
    DEEP,
    LINES,
    NEAR,
    OWN,
    ContrastCounter,
    Sheet,
    Stream,
    border_streams,
    no_contrast,
    streams_of,
)
from padscope.tallies.gathering import gather_all
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
    "Calibrator",
    "Collector",
    "ContrastCounter",
    "Sheet",
    "SiteCalibration",
    "Stream",
    "Tally",
    "border_streams",
    "gather_all",
    "no_contrast",
    "streams_of",
]
