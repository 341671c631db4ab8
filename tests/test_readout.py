"""Reading position from features: by a ridge regression written out, and of planted networks."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects import readout
from padscope.effects.readout import FOLDS, Readout, read_position
from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.interventions import repad
from padscope.measurements.features import find_features
from padscope.measurements.view_measurement import AS_IS, ViewMeasurement, plan_views
from padscope.measurements.views import choose_views
from padscope.running.model import Asking
from padscope.tables.views import readout_table

OFFSETS = np.array([(0, 0), (-4, 0), (4, 0), (0, -4), (0, 4), (2, 2), (-2, -2), (2, -2), (-2, 2)])


def noise(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def along(features: NDArray[np.float64], **options: Any) -> list[Readout]:
    return read_position(features, OFFSETS, resamples=200, **options)


def test_position_that_is_there_is_read_and_other_is_not() -> None:
    features = noise(24, len(OFFSETS), 6)
    features[..., 2] += 3 * OFFSETS[:, 1]  # left-right alone
    down, across = along(features)
    assert (down.axis, across.axis, down.images) == (0, 1, 24)
    assert across.r2 > 0.95
    assert across.low <= across.r2 <= across.high
    assert down.r2 < 0.1
    assert max(down.chance, across.chance) < 0.1


def test_the_reader_is_a_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    penalty = 10.0
    monkeypatch.setattr(readout, "PENALTIES", (penalty,))
    x = noise(20, len(OFFSETS), 5)
    x[..., :2] += 0.3 * OFFSETS
    owner = np.repeat(np.arange(20), len(OFFSETS))
    flat, y = x.reshape(-1, 5), np.tile(OFFSETS, (20, 1)).astype(float)
    read = np.empty_like(y)
    for part in np.array_split(np.arange(20), FOLDS):
        test = np.isin(owner, part)
        mean, spread = flat[~test].mean(axis=0), flat[~test].std(axis=0)
        a, b = (flat[~test] - mean) / spread, y[~test] - y[~test].mean(axis=0)
        weights = np.linalg.solve(a.T @ a + penalty * np.eye(5), a.T @ b)
        read[test] = (flat[test] - mean) / spread @ weights + y[~test].mean(axis=0)
    r2 = 1 - ((read - y) ** 2).sum(axis=0) / (y**2).sum(axis=0)
    assert [found.r2 for found in along(x)] == pytest.approx(r2.tolist(), abs=1e-6)


def test_views_of_one_photograph_are_never_on_both_sides() -> None:
    # Each photograph's features say which photograph and view it is, and nothing else.
    once = noise(12, len(OFFSETS), 400)
    features = np.repeat(once, 3, axis=0) + 0.01 * noise(36, len(OFFSETS), 400, seed=1)
    owners = [f"photo {number // 3}" for number in range(36)]
    mixed = [owners[at] for at in np.random.default_rng(0).permutation(36)]
    apart, leaked = along(features, groups=owners), along(features, groups=mixed)
    assert max(found.r2 for found in apart) < 0.1
    assert min(found.r2 for found in leaked) > 0.3


def test_axes_without_shifts_are_left_out() -> None:
    found = read_position(noise(8, 3, 2), [(0, 0), (0, 5), (0, -5)], resamples=10)
    assert [one.axis for one in found] == [1]
    assert read_position(noise(8, 1, 2), [(0, 0)]) == []


def test_the_same_seed_reads_the_same() -> None:
    features = noise(12, len(OFFSETS), 4) + OFFSETS[:, :1] / 8
    assert along(features, seed=3) == along(features, seed=3)
    assert along(features, seed=3)[0].chance != along(features, seed=4)[0].chance


def test_a_constant_feature_is_no_position() -> None:
    (down, across) = along(np.ones((10, len(OFFSETS), 3)))
    assert down.r2 == across.r2 == 0


def test_bad_input_is_refused() -> None:
    features = noise(12, len(OFFSETS), 4)
    with pytest.raises(PadscopeError, match="3 independent images; reading"):
        along(features, groups=[number % 3 for number in range(12)])
    features[3, 2, 1] = np.inf
    with pytest.raises(PadscopeError, match="features are not all finite"):
        along(features)
    with pytest.raises(ValueError, match="2 groups for 12 images"):
        along(features, groups=[0, 1])


def test_the_extra_is_named_where_scikit_learn_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(PadscopeError, match=r'pip install "padscope\[demo\]"'):
        along(noise(12, len(OFFSETS), 4))


SIDE, AROUND = 16, 6


class Compass(nn.Module):
    """Counts, at every place, what stands above it and to its left: means tell where things are.

    Only because of padding: with as much around the frame as inside, all places count the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 1, (SIDE, 1), bias=False)
        self.across = nn.Conv2d(1, 1, (1, SIDE), bias=False)
        self.head = nn.Linear(2, 3)
        for conv in (self.down, self.across):
            nn.init.constant_(conv.weight, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        down = self.down(F.pad(x, (0, 0, SIDE - 1, 0)))
        across = self.across(F.pad(x, (SIDE - 1, 0, 0, 0)))
        pooled = torch.cat([down.mean(dim=(2, 3)), across.mean(dim=(2, 3))], dim=1)
        return torch.as_tensor(self.head(pooled))


def test_a_planted_compass_is_read_until_its_padding_is_undone() -> None:
    torch.manual_seed(0)
    model, count, middle = Compass().eval(), 16, AROUND + SIDE // 2
    canvas = 1e-3 * torch.rand(count, 1, SIDE + 2 * AROUND, SIDE + 2 * AROUND)
    canvas[:, :, middle, middle] = 1
    views = choose_views((SIDE, SIDE), (AROUND, AROUND), 1)
    plan = plan_views(model, views, canvas, Asking())
    features = find_features(model, plan.centre.cut(canvas))
    measurement = ViewMeasurement(
        model, plan, {"undone": [lambda module: repad(module, fill="circular")]}, Asking(),
        features, (AS_IS, "undone"),
    )  # fmt: skip
    found = measurement(Batch(0, tuple(range(count)), canvas)).rows["features"].numpy()
    as_is, undone = (read_position(found[:, :, t], plan.offsets) for t in (0, 1))
    for before, after in zip(as_is, undone, strict=True):
        assert before.r2 > 0.99
        assert after.r2 < 0.1
        assert abs(after.r2 - after.chance) < 0.2
    table = readout_table({AS_IS: as_is, "undone": undone}, dims=2)
    assert table["axis"].to_list() == ["top-bottom", "left-right"] * 2
    assert table["treatment"].to_list() == [AS_IS] * 2 + ["undone"] * 2
    assert table.select("images", "photographs").unique().rows() == [(count, count)]
    assert table["r2"].to_list() == [one.r2 for one in (*as_is, *undone)]
    assert readout_table({}, dims=3).columns == table.columns
