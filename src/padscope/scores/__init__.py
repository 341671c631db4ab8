"""How different two distributions are, how well that is resolved, and how sure it is."""

from padscope.scores.causal import (
    BorderScores,
    CausalScores,
    coarse_counts,
    contrast_lines,
    score_borders,
    score_contrast,
)
from padscope.scores.chance import q_values, tail_probability
from padscope.scores.distance import Distance, compare
from padscope.scores.interval import Interval, jackknife
from padscope.scores.sides import Scores, score_site

__all__ = [
    "BorderScores",
    "CausalScores",
    "Distance",
    "Interval",
    "Scores",
    "coarse_counts",
    "compare",
    "contrast_lines",
    "jackknife",
    "q_values",
    "score_borders",
    "score_contrast",
    "score_site",
    "tail_probability",
]
