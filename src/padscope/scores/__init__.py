"""How different two distributions are, how well that is resolved, and how sure it is."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.scores.causal import (
        CausalScores,
        causal_distances,
        coarse_counts,
        contrast_lines,
        recall_of,
        score_contrast,
    )
    from padscope.scores.chance import q_values, simes, tail_probability
    from padscope.scores.comparison import Comparison, NetworkCount, compare_counts, images_needed
    from padscope.scores.decoys import decoy_q, told_apart
    from padscope.scores.distance import CONTENT, Counts
    from padscope.scores.interval import Interval, jackknife
    from padscope.scores.recall import CONTENTS, LEAST_SHIFT, border_recall, recall_curve
    from padscope.scores.sides import Scores, recall_curves, score_site
    from padscope.scores.statistics import (
        STATISTICS,
        Statistic,
        Values,
        known_statistics,
        listed_statistics,
    )

__all__ = [
    "CONTENT",
    "CONTENTS",
    "LEAST_SHIFT",
    "STATISTICS",
    "CausalScores",
    "Comparison",
    "Counts",
    "Interval",
    "NetworkCount",
    "Scores",
    "Statistic",
    "Values",
    "border_recall",
    "causal_distances",
    "coarse_counts",
    "compare_counts",
    "contrast_lines",
    "decoy_q",
    "images_needed",
    "jackknife",
    "known_statistics",
    "listed_statistics",
    "q_values",
    "recall_curve",
    "recall_curves",
    "recall_of",
    "score_contrast",
    "score_site",
    "simes",
    "tail_probability",
    "told_apart",
]

__getattr__, __dir__ = lazily(__name__)
