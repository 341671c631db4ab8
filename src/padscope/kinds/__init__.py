"""What a filter may be called, on the evidence there is."""

from padscope.kinds.labels import CANDIDATE, MARGIN, SMALL_MAP, STRONG, label_responses

__all__ = ["CANDIDATE", "MARGIN", "SMALL_MAP", "STRONG", "label_responses"]
