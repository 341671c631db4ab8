"""How different two distributions are, how well that is resolved, and how sure it is."""

from padscope.scores.causal import (
    BorderScores,
    CausalScores,
    coarse_counts,
    contrast_lines,
    score_borders,
    score_contrast,
)
from padscope.scores.chance import q_values, simes, tail_probability
from padscope.scores.distance import Counts
from padscope.scores.interval import Interval, jackknife
from padscope.scores.sides import Scores, score_site
from padscope.scores.statistics import (
    STATISTICS,
    Statistic,
    Values,
    known_statistics,
    listed_statistics,
)

__all__ = [
    "STATISTICS",
    "BorderScores",
    "CausalScores",
    "Counts",
    "Interval",
    "Scores",
    "Statistic",
    "Values",
    "coarse_counts",
    "contrast_lines",
    "jackknife",
    "known_statistics",
    "listed_statistics",
    "q_values",
    "score_borders",
    "score_contrast",
    "score_site",
    "simes",
    "tail_probability",
]
