"""What is measured on every batch, and the states that come of it."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.measurements.content_around_fill import ContentAroundFill
    from padscope.measurements.contrast import Contrast, contrast_units, contrasting
    from padscope.measurements.contrast_plan import (
        ContrastPlan,
        find_margin,
        plan_contrast,
        plan_scan,
    )
    from padscope.measurements.counts import Counts
    from padscope.measurements.effects import TreatmentMeasurement
    from padscope.measurements.estimates import EstimateMeasurement, ExactMeasurement
    from padscope.measurements.first_images import FirstImages
    from padscope.measurements.site_plan import SitePlan
    from padscope.measurements.verification import Verification, verify_alignment

__all__ = [
    "ContentAroundFill",
    "Contrast",
    "ContrastPlan",
    "Counts",
    "EstimateMeasurement",
    "ExactMeasurement",
    "FirstImages",
    "SitePlan",
    "TreatmentMeasurement",
    "Verification",
    "contrast_units",
    "contrasting",
    "find_margin",
    "plan_contrast",
    "plan_scan",
    "verify_alignment",
]

__getattr__, __dir__ = lazily(__name__)
