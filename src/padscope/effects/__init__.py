"""What changes in a model's answers, and how sure that is."""

from padscope.effects.answers import AnswerKind, kind_of_answer, read_answer

__all__ = ["AnswerKind", "kind_of_answer", "read_answer"]
