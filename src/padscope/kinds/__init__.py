"""What a filter may be called, on the evidence there is."""

from padscope.kinds.causes import (
    CONFIRMED,
    GREY,
    LADDER,
    label_causes,
    reach_of,
    strongest_label,
)
from padscope.kinds.kind import ACTIVE_SHARE, KINDS, Kinds, classify
from padscope.kinds.labels import CANDIDATE, MARGIN, SMALL_MAP, STRONG, label_responses
from padscope.kinds.origin import label_origins, label_refilled
from padscope.kinds.stability import kind_stability

__all__ = [
    "ACTIVE_SHARE",
    "CANDIDATE",
    "CONFIRMED",
    "GREY",
    "KINDS",
    "LADDER",
    "MARGIN",
    "SMALL_MAP",
    "STRONG",
    "Kinds",
    "classify",
    "kind_stability",
    "label_causes",
    "label_origins",
    "label_refilled",
    "label_responses",
    "reach_of",
    "strongest_label",
]
