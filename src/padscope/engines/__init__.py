"""Where the work runs: units of images through a model in this process, or in several."""

from padscope.engines.allocator import keep_freed_memory
from padscope.engines.answering import Asking
from padscope.engines.contrast import contrast_units
from padscope.engines.contrast_plan import (
    ContrastPlan,
    find_margin,
    observe_crop,
    plan_contrast,
)
from padscope.engines.contrasted import Contrasted
from padscope.engines.estimates import EstimateMeasurement, ExactMeasurement
from padscope.engines.first_images import FirstImages
from padscope.engines.local import Counted, Watch, count_units, no_counts
from padscope.engines.measuring import Findings, Measured, Measurement, measure_units
from padscope.engines.plan import Plan, make_plan
from padscope.engines.processes import Processes
from padscope.engines.site_plan import SitePlan
from padscope.engines.treatments import TreatmentMeasurement
from padscope.engines.verification import Verification, verify_alignment

__all__ = [
    "Asking",
    "ContrastPlan",
    "Contrasted",
    "Counted",
    "EstimateMeasurement",
    "ExactMeasurement",
    "Findings",
    "FirstImages",
    "Measured",
    "Measurement",
    "Plan",
    "Processes",
    "SitePlan",
    "TreatmentMeasurement",
    "Verification",
    "Watch",
    "contrast_units",
    "count_units",
    "find_margin",
    "keep_freed_memory",
    "make_plan",
    "measure_units",
    "no_counts",
    "observe_crop",
    "plan_contrast",
    "verify_alignment",
]
