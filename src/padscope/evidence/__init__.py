"""What a filter may be called, on the evidence there is."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.evidence.causes import (
        CONFIRMED,
        GREY,
        LADDER,
        label_causes,
        reach_of,
        strongest_label,
    )
    from padscope.evidence.kind import ACTIVE_SHARE, KINDS, Kinds, classify
    from padscope.evidence.labels import (
        CANDIDATE,
        SMALL_MAP,
        STRONG,
        UNDECIDED_BAND,
        label_responses,
    )
    from padscope.evidence.origin import label_origins, label_refilled
    from padscope.evidence.recognition import RECOGNISED, STRONGLY_RECOGNISED, recognises
    from padscope.evidence.stability import kind_stability

__all__ = [
    "ACTIVE_SHARE",
    "CANDIDATE",
    "CONFIRMED",
    "GREY",
    "KINDS",
    "LADDER",
    "RECOGNISED",
    "SMALL_MAP",
    "STRONG",
    "STRONGLY_RECOGNISED",
    "UNDECIDED_BAND",
    "Kinds",
    "classify",
    "kind_stability",
    "label_causes",
    "label_origins",
    "label_refilled",
    "label_responses",
    "reach_of",
    "recognises",
    "strongest_label",
]

__getattr__, __dir__ = lazily(__name__)
