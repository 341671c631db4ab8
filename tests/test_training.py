"""Counts while a network is trained, in a plain loop and by callbacks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tests.test_report import noise
from tests.test_report_explained import SETTINGS, two_layers
from torch import nn

from padscope import scan
from padscope.errors import PadscopeError
from padscope.study import TrainingWatch


def probe() -> torch.Tensor:
    return noise(8, 3, 32, 24)


def test_a_plain_loop_is_watched_and_not_disturbed() -> None:
    watch, alone, model = TrainingWatch(probe(), 2, SETTINGS), two_layers(), two_layers()
    alone.load_state_dict(model.state_dict())
    for net, seen in ((alone, False), (model, True)):
        torch.manual_seed(0)
        net.train()
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(4):
            optimiser.zero_grad()
            net(torch.randn(2, 3, 16, 16)).square().mean().backward()
            optimiser.step()
            if seen:
                watch(net, step)
    assert watch.table()["step"].to_list() == [0, 2]
    assert model.training
    for mine, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        assert mine.equal(theirs)


def test_counts_are_those_of_a_scan() -> None:
    watch, model = TrainingWatch(probe(), 1, SETTINGS), two_layers()
    watch(model, 7)
    (row,) = watch.rows
    found = scan(model, probe(), SETTINGS)
    assert row["candidates"] == found.pans(label="candidate").height > 0
    assert row["strong"] == found.pans(label="strong").height


class Lightning:
    """Calls what Lightning calls."""

    def fit(self, model: nn.Module, watch: object) -> None:
        self.global_step = 0
        for name in ("setup", "on_fit_start", "on_train_start"):
            getattr(watch, name)(self, model)
        for number in range(3):
            self.global_step += 1
            getattr(watch, "on_train_batch_end")(self, model, None, None, number)  # noqa: B009 - as those who call it look it up
        getattr(watch, "teardown")(self, model, stage="fit")  # noqa: B009 - as those who call it look it up


def test_frameworks_call_it() -> None:
    model = two_layers()
    watch = TrainingWatch(probe(), 2, SETTINGS)
    Lightning().fit(model, watch)
    assert watch.table()["step"].to_list() == [2]
    watch = TrainingWatch(probe(), 2, SETTINGS)
    state = SimpleNamespace(global_step=0)
    watch.on_train_begin(None, state, None, model=model)
    for step in (1, 2, 2):  # transformers may end a step twice
        state.global_step = step
        watch.on_step_end(None, state, None, model=model, optimizer=None)
    watch.on_train_end(None, state, None, model=model)
    assert watch.table()["step"].to_list() == [2]


def test_transformers_calls_it() -> None:
    trainer = pytest.importorskip("transformers.trainer_callback", reason="needs the extra hf")
    model, state, control = two_layers(), trainer.TrainerState(), trainer.TrainerControl()
    watch = TrainingWatch(probe(), 2, SETTINGS)
    flow = trainer.DefaultFlowCallback()
    handler = trainer.CallbackHandler([flow, watch], model, None, None, None)
    arguments = SimpleNamespace(
        logging_first_step=False, logging_strategy="no", eval_strategy="no", save_strategy="no"
    )
    handler.on_train_begin(arguments, state, control)
    for step in (1, 2, 3):
        state.global_step = step
        handler.on_step_end(arguments, state, control)
    handler.on_train_end(arguments, state, control)
    assert watch.table()["step"].to_list() == [2]


def test_every_is_at_least_one() -> None:
    with pytest.raises(PadscopeError, match="give 1 or more"):
        TrainingWatch(probe(), 0)
    with pytest.raises(AttributeError):
        getattr(TrainingWatch(probe(), 1), "nothing_like_it")  # noqa: B009 - as those who call it look it up
