"""How a model is asked for its answer: what is taken, what is refused, and answers at random."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects import Unchanged, read_answer
from padscope.errors import PadscopeError
from padscope.running.asking import learn_to_ask
from padscope.running.model import Asking

CLASSES = 3
Output = namedtuple("Output", ["logits", "features"])


@dataclass
class Answer:
    logits: Tensor
    features: Tensor | None = None


class Net(nn.Module):
    """A classifier that answers in some form."""

    def __init__(self, form: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.form = form
        self.conv = nn.Conv2d(1, CLASSES, 3, padding=1, bias=False)
        nn.init.normal_(self.conv.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, x: Tensor) -> Any:
        return self.form(self.conv(x).mean(dim=(2, 3)))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def learn(
    form: Callable[[Tensor], Any], output: str | None = None, count: int = 4
) -> tuple[Asking, Tensor, tuple[str, ...]]:
    net = Net(form).eval()
    return learn_to_ask(net, images(count), tuple(range(count)), output, None, 0)


PLAIN = learn(lambda scores: scores)[1]


@pytest.mark.parametrize(
    ("form", "named"),
    [
        (lambda scores: {"logits": scores}, "logits"),
        (lambda scores: {"logits": scores, "class": scores.argmax(1), "loss": None}, "logits"),
        (lambda scores: (scores,), "0"),
        (lambda scores: Output(scores, None), "logits"),
        (Answer, "logits"),
    ],
)
def test_the_only_scores_are_the_answer_and_it_is_said(form: Any, named: str) -> None:
    asking, answer, (note,) = learn(form)
    assert torch.equal(answer, PLAIN)
    assert asking.key == named
    assert f"'{named}', the only tensor of scores" in note


def test_named_tuples_are_taken_by_name_and_by_place() -> None:
    output = Output(torch.ones(2, 3), torch.zeros(2, 5))
    assert read_answer(output, "features").shape == (2, 5)
    assert read_answer(output, "1").shape == (2, 5)
    with pytest.raises(PadscopeError, match=r"which entry .* --output: logits, features"):
        read_answer(output)
    with pytest.raises(PadscopeError, match=r"there is no 'scores' .*: logits, features"):
        read_answer(output, "scores")


def test_dataclasses_are_taken_by_name() -> None:
    answer = Answer(torch.ones(2, 3), torch.zeros(2, 5))
    assert read_answer(answer, "features").shape == (2, 5)
    with pytest.raises(PadscopeError, match=r"returns a Answer, .* --output: logits, features"):
        read_answer(answer)


@pytest.mark.parametrize(
    "form",
    [
        lambda scores: scores.T,
        lambda scores: scores.T[:2],  # of two images it looks like one row for each
        lambda scores: scores.mean(dim=0),
        lambda scores: scores.mean(dim=0, keepdim=True),
        lambda scores: scores.repeat(2, 1),
        lambda scores: {"logits": scores.T},
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_answers_that_are_not_one_row_an_image_are_refused(form: Any, count: int) -> None:
    with pytest.raises(PadscopeError, match="need one row per image"):
        learn(form, count=count)


def test_an_empty_answer_is_refused() -> None:
    with pytest.raises(PadscopeError, match=r"the model's answer is empty: .* shape \(2, 0\)"):
        learn(lambda scores: scores[:, :0], count=2)


def test_a_masked_class_has_no_probability_and_changes_nothing() -> None:
    def masked(scores: Tensor) -> Tensor:
        return F.pad(scores, (0, 1), value=-torch.inf)

    _, answer, notes = learn(masked)
    assert answer.isfinite().all() and not notes
    changes = Unchanged(answer, range(4), torch.arange(4)).compare(answer.roll(1, 0))
    plain = Unchanged(PLAIN, range(4), torch.arange(4).clamp_max(2)).compare(PLAIN.roll(1, 0))
    for measure, values in changes.items():
        assert values.isfinite().all(), measure
        torch.testing.assert_close(values[:3], plain[measure][:3])
    with pytest.raises(PadscopeError, match="NaN or infinity to 1 of 4 images"):
        Unchanged(answer.index_fill(0, torch.tensor(2), -torch.inf), range(4)).own()


def map_with_masked(*channels: int) -> Callable[[Tensor], Tensor]:
    def form(scores: Tensor) -> Tensor:
        maps = scores[:, :, None, None] * torch.arange(1.0, 10.0).view(3, 3)
        return maps.index_fill(1, torch.tensor(channels, dtype=torch.int64), -torch.inf)

    return form


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (map_with_masked(1), "with infinity in channel 1 to every image"),
        (map_with_masked(0, 2), "with infinity in channel 0, 2 to every image"),
        (map_with_masked(0, 1, 2), "channel 0, 1, 2 to"),
        (lambda scores: scores - torch.inf, "with infinity to every image"),
        (lambda scores: scores[:, 0] + torch.inf, "with infinity to every image"),
    ],
)
def test_infinite_answers_are_refused_when_the_model_is_first_asked(form: Any, told: str) -> None:
    with pytest.raises(PadscopeError, match=f"{told}.*effects need finite scores"):
        learn(form)


def test_dropout_left_on_is_named_and_is_in_no_effect() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    asking, answer, (note,) = learn(lambda scores: F.dropout(scores, 0.5, training=True), count=8)
    assert "answers differently when it is asked again, unchanged (kl " in note
    assert "same random numbers" in note
    net = Net(lambda scores: F.dropout(scores, 0.5, training=True)).eval()
    state = torch.get_rng_state()
    for _ in range(2):
        assert torch.equal(asking.ask(net, images(8), range(8)), answer)
    assert torch.equal(torch.get_rng_state(), state)  # whose numbers they are
    assert not torch.equal(before, state)


def test_a_model_that_answers_the_same_keeps_its_random_numbers() -> None:
    asking, _, notes = learn(lambda scores: scores)
    assert asking.seed is None and not notes


def test_answers_that_differ_with_the_same_random_numbers_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(PadscopeError, match=r"differently when .* asked again .* same each time"):
        learn(lambda scores: scores + rng.random())
