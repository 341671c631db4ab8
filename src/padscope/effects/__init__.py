"""What changes in a model's answers, and how sure that is."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.effects.answers import AnswerKind, kind_of_answer, read_answer
    from padscope.effects.comparison import LabelsOf, Unchanged
    from padscope.effects.metric import Metric, load_metric
    from padscope.effects.objective import Objective
    from padscope.effects.resampling import Bootstrap, empirical_p, mean_interval

__all__ = [
    "AnswerKind",
    "Bootstrap",
    "LabelsOf",
    "Metric",
    "Objective",
    "Unchanged",
    "empirical_p",
    "kind_of_answer",
    "load_metric",
    "mean_interval",
    "read_answer",
]

__getattr__, __dir__ = lazily(__name__)
