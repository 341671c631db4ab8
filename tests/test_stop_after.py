"""Passes that end behind the last call which is awaited."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from torch import Tensor, nn

from padscope.images import Batch
from padscope.measurements import ContrastPlan, contrast_units, plan_contrast
from padscope.measurements.shortened import shortened
from padscope.models import reestimate_batchnorm
from padscope.regions import SampleSize
from padscope.running.model import observe_first
from padscope.sites import Call, Interception, StopAfter, StopForward, observe


class Net(nn.Module):
    """Two padded convolutions, and a head that counts how often it runs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.last = nn.BatchNorm2d(5)
        self.heads = 0

    def forward(self, x: Tensor) -> Tensor:
        with suppress(Exception):  # as somebody's own code may do
            x = torch.relu(self.norm(self.first(x)))
            x = self.last(self.second(x))
        self.heads += 1
        return x.mean(dim=(2, 3))


def plan_for(net: nn.Module) -> tuple[Tensor, ContrastPlan]:
    canvases = torch.rand(8, 3, 24, 24)
    crop = observe_first(net, canvases[:1, :, 8:16, 8:16], None)
    plan = plan_contrast(crop, observe(net, canvases[:2]), (8, 8), (8, 8), SampleSize(0, 8), {})
    return canvases, plan


def run_until(
    net: nn.Module, names: set[str], *, below_autograd: bool = False
) -> tuple[list[str], bool]:
    """Names of the calls that a pass showed, and whether it ended early."""
    stop = StopAfter()
    stop.expect(names)
    seen: list[str] = []

    def look(call: Call) -> None:
        seen.append(call.name)
        stop.see(call)

    with Interception(net, look, below_autograd=below_autograd):
        try:
            net(torch.rand(1, 3, 8, 8))
        except StopForward:
            return seen, True
    return seen, False


def test_nothing_runs_behind_the_last_awaited_call() -> None:
    net = Net().eval()
    assert run_until(net, {"first"}) == (["first"], True)
    assert run_until(net, {"second", "first"}) == (["first", "second"], True)
    assert net.heads == 0
    assert run_until(net, {"second", "elsewhere"}) == (["first", "second"], False)
    assert net.heads == 1


def test_within_scripted_code_a_pass_goes_on() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 3))))
    seen, ended = run_until(net, {"0", "1.0"}, below_autograd=True)
    assert seen == ["0", "1.0"] and not ended
    assert run_until(net, {"0"}, below_autograd=True) == (["0"], True)


def test_contrasting_stops_at_the_last_site_and_counts_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = Net().eval()
    canvases, plan = plan_for(net)
    batches = [Batch(unit, tuple(range(4 * unit, 4 * unit + 4)), canvases[4 * unit : 4 * unit + 4])
               for unit in range(2)]  # fmt: skip
    net.heads = 0
    short = contrast_units(net, batches, plan, 1)
    assert net.heads == 0

    class Patient(StopAfter):
        def see(self, call: Call) -> None:
            self.missing.discard(call.name)

    monkeypatch.setattr("padscope.measurements.contrast.StopAfter", Patient)
    whole = contrast_units(net, batches, plan, 1)
    assert net.heads == 4  # of both units the crop and the canvas
    assert short.tallies and whole.tallies and short.tallies.keys() == whole.tallies.keys()
    for key, tally in short.tallies.items():
        assert tally.fine.sum() + tally.folds.sum() > 0
        assert torch.equal(tally.fine, whole.tallies[key].fine)
        assert torch.equal(tally.folds, whole.tallies[key].folds)


def test_batch_norms_as_far_as_a_plan_looks_are_estimated_as_by_whole_passes() -> None:
    net, whole = Net().eval(), Net().eval()
    canvases, plan = plan_for(net)
    net.heads = 0
    with shortened(net, plan) as run:
        reestimate_batchnorm(net, torch.split(canvases, 4), run)
    assert net.heads == 0
    reestimate_batchnorm(whole, torch.split(canvases, 4))
    buffers, expected = dict(net.named_buffers()), dict(whole.named_buffers())
    for name in ("norm.running_mean", "norm.running_var"):
        assert torch.equal(buffers[name], expected[name])
    assert not torch.equal(buffers["norm.running_mean"], torch.zeros(4))
    assert torch.equal(buffers["last.running_mean"], torch.zeros(5))
    assert torch.equal(buffers["last.running_var"], torch.ones(5))
