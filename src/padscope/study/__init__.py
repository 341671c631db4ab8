"""The stages in order: `scan`, `explain`. Each adds to a `Study`, the frozen result."""

from padscope.study.explain import Explained, ExplainJournal, explain
from padscope.study.explanation import TRAINED, Explanation
from padscope.study.impacted import IMPACT_TABLES, Impact
from padscope.study.inputs import as_images, as_loaded, make_probe
from padscope.study.result import Portrait, Study
from padscope.study.scan import scan
from padscope.study.watch import Interrupted, Journal, Progress

__all__ = [
    "IMPACT_TABLES",
    "TRAINED",
    "ExplainJournal",
    "Explained",
    "Explanation",
    "Impact",
    "Interrupted",
    "Journal",
    "Portrait",
    "Progress",
    "Study",
    "as_images",
    "as_loaded",
    "explain",
    "make_probe",
    "scan",
]
