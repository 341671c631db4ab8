"""The stages in order: `scan` so far. Each adds to a `Study`, the frozen result."""

from padscope.study.inputs import as_images, as_loaded, make_probe
from padscope.study.result import Portrait, Study
from padscope.study.scan import scan
from padscope.study.watch import Interrupted, Journal, Progress

__all__ = [
    "Interrupted",
    "Journal",
    "Portrait",
    "Progress",
    "Study",
    "as_images",
    "as_loaded",
    "make_probe",
    "scan",
]
