"""What is measured stays on the model's device until a buffer is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from padscope.images import Batch
from padscope.measurements import (
    ContrastPlan,
    Counts,
    contrast_units,
    contrasting,
    plan_contrast,
    plan_scan,
)
from padscope.regions import SampleSize
from padscope.running.model import find_device, observe_first
from padscope.sites import observe
from padscope.tallies import contrast as counted_by

# What copies a value to the CPU, or waits for one.
WAITING = ("cpu", "item", "numpy", "tolist", "__bool__", "__int__", "__float__", "nonzero")
SIZE, MARGIN, UNITS = 12, 8, 12


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1, stride=2),
        nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"),
    ).eval()  # fmt: skip


def batches(size: int) -> list[Batch]:
    pixels = torch.rand(2 * UNITS, 1, size, size, generator=torch.Generator().manual_seed(0))
    return [Batch(u, (2 * u, 2 * u + 1), pixels[2 * u : 2 * u + 2]) for u in range(UNITS)]


def plan_of(model: nn.Module, stage: str) -> tuple[ContrastPlan, list[Batch]]:
    sample = SampleSize(0, 2 * UNITS)
    if stage == "scan":
        units = batches(SIZE)
        return plan_scan(observe_first(model, units[0].pixels[:1]), (SIZE,) * 2, sample), units
    units = batches(SIZE + 2 * MARGIN)
    canvas = units[0].pixels
    crop = observe_first(model, canvas[:1, :, MARGIN:-MARGIN, MARGIN:-MARGIN])
    seen = observe(model, canvas)
    return plan_contrast(crop, seen, (SIZE,) * 2, (MARGIN,) * 2, sample, {}), units


@contextmanager
def forbidden_within(model: nn.Module, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note what waits for the device within a forward pass."""
    waited: list[str] = []
    within = False

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            if within:
                waited.append(name)
            return method(tensor, *args, **kwargs)

        return noted

    def switch(to: bool) -> Callable[..., None]:
        def hook(*_: object) -> None:
            nonlocal within
            within = to

        return hook

    for name in WAITING:
        patch.setattr(Tensor, name, noting(name, getattr(Tensor, name)))
    handles = [
        model.register_forward_pre_hook(switch(True)), model.register_forward_hook(switch(False))
    ]  # fmt: skip
    yield waited
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("stage", ["scan", "explain"])
def test_nothing_waits_for_the_device_within_a_pass(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net()
    plan, units = plan_of(model, stage)
    head = contrast_units(model, units[:4], plan, calibrate=4)
    with contrasting(model, plan, calibrate=4) as contrast:
        contrast.load(head)
        # What is worked out once, such as which taps lie in padding, is so by then.
        contrast.update(units[4])
        with monkeypatch.context() as patch, forbidden_within(model, patch) as waited:
            for unit in units[5:]:
                contrast.update(unit)
    assert not waited


@pytest.mark.parametrize("stage", ["scan", "explain"])
def test_values_come_to_the_cpu_when_a_buffer_is_full(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, copies = net(), 0

    def counted(tensor: Tensor) -> Tensor:
        nonlocal copies
        copies += 1
        return tensor.cpu()

    monkeypatch.setattr(counted_by, "to_host", counted)
    plan, units = plan_of(model, stage)
    found: Counts = contrast_units(model, units, plan, calibrate=4)
    buffers = len({(name, key.split("/")[0]) for name, key in found.tallies}) * 2
    # Once to fit the bins, once when they are fitted, once at the end: not once a batch and site.
    assert copies <= 4 * buffers


def test_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert find_device("auto") == torch.device("cuda", 1)
