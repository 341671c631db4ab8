"""Ask a model for its answers, batch by batch, and compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from padscope.effects.answers import kind_of_answer, read_answer
from padscope.effects.comparison import Unchanged
from padscope.engines.local import run_batch


@dataclass(frozen=True)
class Asking:
    """How a model is run, and which of its outputs is the answer.

    Attributes
    ----------
    key : str or None
        See `padscope.effects.read_answer`.
    static_batch : int or None
        The only number of images the model takes at once, if there is one.
    """

    key: str | None = None
    static_batch: int | None = None

    def ask(self, model: nn.Module, pixels: Tensor, images: Sequence[int]) -> Tensor:
        """Run a model on a batch and read its answer, one row per image.

        Raises
        ------
        PadscopeError
            The model fails, or its answer cannot be read.
        """
        answer = read_answer(run_batch(model, pixels, images, self.static_batch), self.key)
        return answer[: len(images)]

    def numbered(self, images: Sequence[int]) -> tuple[int, ...]:
        """Give every row of a batch its image, rows that fill the batch up the last one.

        Random draws of an `Intervention` are then the same in a batch that was filled up.

        Examples
        --------
        >>> Asking(static_batch=4).numbered([7, 9])
        (7, 9, 9, 9)
        """
        surplus = max(0, (self.static_batch or 0) - len(images))
        return (*images, *[images[-1]] * surplus)


def compare(unchanged: Unchanged, answers: Tensor) -> dict[str, Tensor]:
    """Compare answers by what tells most in one number: measure → (N,) float64 Tensor.

    The measures are those of `measures_of`; see `padscope.effects.comparison`.
    """
    found = unchanged.compare(answers.cpu())
    return {measure: found[measure] for measure in measures_of(unchanged.answers)}


def measures_of(answers: Tensor) -> tuple[str, ...]:
    """Name the measures by which `compare` compares such answers."""
    return ("kl", "flip") if kind_of_answer(answers) == "classes" else ("change",)
