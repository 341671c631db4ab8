"""How different two distributions are, how well that is resolved, and how sure it is."""

from padscope.scores.distance import Distance, compare
from padscope.scores.interval import Interval, jackknife
from padscope.scores.sides import Scores, score_site

__all__ = ["Distance", "Interval", "Scores", "compare", "jackknife", "score_site"]
