"""The same photograph through other windows, against plain slices and networks built that way."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.interventions import repad
from padscope.measurements.features import MOST_FEATURES, PooledFeatures, find_features, projection
from padscope.measurements.overlap import Overlap, find_overlap, output_stride
from padscope.measurements.view_measurement import (
    AS_IS,
    Make,
    ViewMeasurement,
    ViewPlan,
    plan_views,
)
from padscope.measurements.views import View, Views, choose_views
from padscope.running.model import Asking
from padscope.tables.views import view_table

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
SIZE, MARGIN = (18, 14), (8, 8)
CANVAS = (34, 30)


def canvases(count: int = 5, size: tuple[int, ...] = CANVAS, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, channels, *size, generator=generator)


def batch(pixels: Tensor, first: int = 0) -> Batch:
    return Batch(0, tuple(range(first, first + len(pixels))), pixels)


def net(
    mode: Literal["zeros", "reflect", "replicate"] = "zeros", *, channels: int = 3
) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1, padding_mode=mode), nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1, padding_mode=mode), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


def refill(fill: str, **chosen: Any) -> Make:
    return lambda model: repad(model, fill=fill, **chosen)


def measure(
    model: nn.Module,
    pixels: Tensor,
    plan: ViewPlan,
    treatments: dict[str, list[Make]] | None = None,
    **options: Any,
) -> dict[str, NDArray[Any]]:
    asking = options.pop("asking", Asking())
    measurement = ViewMeasurement(model, plan, treatments or {}, asking, **options)
    found = measurement(batch(pixels, options.get("first", 0)))
    return {name: rows.numpy() for name, rows in found.rows.items()}


def planned(model: nn.Module, pixels: Tensor, step: int = 2, **asking: Any) -> ViewPlan:
    return plan_views(model, choose_views(SIZE, MARGIN, step), pixels, Asking(**asking))


def of_kind(plan: ViewPlan | Views, kind: str) -> list[int]:
    return [at for at, view in enumerate(plan.others) if view.kind == kind]


# Windows


def test_views_are_slices_of_the_canvas() -> None:
    canvas, views = canvases(), choose_views(SIZE, MARGIN, 2)
    assert torch.equal(views.centre.cut(canvas), central(canvas, SIZE, "it"))
    for view in views.others:
        if view.kind == "crop":
            continue
        (top, left), (height, width) = view.start, view.extent
        assert torch.equal(view.cut(canvas), canvas[:, :, top : top + height, left : left + width])
        assert view.size == view.extent
        if view.kind == "shift":
            assert view.extent == SIZE
            assert view.amount == max(abs(top - MARGIN[0]), abs(left - MARGIN[1]))
        else:  # around the same centre
            assert (top + height / 2, left + width / 2) == (CANVAS[0] / 2, CANVAS[1] / 2)


def enlarged(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """Linear interpolation along the last axis; pixel i covers i to i + 1, ends go on."""
    at = (np.arange(size) + 0.5) * rows.shape[-1] / size - 0.5
    return np.apply_along_axis(lambda row: np.interp(at, np.arange(len(row)), row), -1, rows)


def test_crops_are_enlarged_linearly_and_lie_inside_the_centre_view() -> None:
    canvas, views = canvases(), choose_views(SIZE, MARGIN, 2)
    crops = [views.others[at] for at in of_kind(views, "crop")]
    assert [(crop.extent, crop.start) for crop in crops] == [
        ((16, 12), (9, 9)), ((14, 10), (10, 10)), ((14, 10), (8, 8)), ((14, 10), (12, 12)),
    ]  # fmt: skip
    for view in crops:
        (top, left), (height, width) = view.start, view.extent
        window = canvas[:, :, top : top + height, left : left + width].double().numpy()
        across = enlarged(window, SIZE[1])
        expected = enlarged(across.swapaxes(2, 3), SIZE[0]).swapaxes(2, 3)
        np.testing.assert_allclose(view.cut(canvas).numpy(), expected, atol=1e-5)


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(4, 260), st.integers(0, 140)), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4, 8, 32]),
)
def test_views_lie_on_the_canvas_and_shifts_are_balanced(
    axes: list[tuple[int, int]], step: int
) -> None:
    size, margin = zip(*axes, strict=True)
    views = choose_views(size, margin, step)
    for view in views.others:
        ends = zip(view.start, view.extent, size, margin, strict=True)
        assert all(a >= 0 and a + n <= s + 2 * m for a, n, s, m in ends)
        assert view.kind != "size" or all(
            (n - s) % (2 * step) == 0 for n, s in zip(view.extent, size, strict=True)
        )
    shifts = [view for view in views.others if view.kind == "shift"]
    moved = np.array([np.subtract(view.start, margin) for view in shifts]).reshape(-1, len(size))
    assert (moved.sum(axis=0) == 0).all()
    assert bool(shifts) == any(margin)
    assert ("shift" in views.left_out) == (not shifts)
    assert len(shifts) <= 16
    assert len(set(views.others)) == len(views.others)
    known = sum(view.kind == "size" for view in views.others)
    assert known + sum(name.startswith("size") for name in views.left_out) == 3


def test_a_photograph_of_imagenet_size_has_a_dozen_shifts() -> None:
    views = choose_views((224, 224), (128, 128), 32)
    shifts = [view for view in views.others if view.kind == "shift"]
    assert sorted({view.amount for view in shifts}) == [8, 32, 64]
    assert len(shifts) == 12
    sizes = [views.others[at].extent for at in of_kind(views, "size")]
    assert sizes == [(160, 160), (288, 288), (352, 352)]
    assert not views.left_out


def test_sizes_that_do_not_fit_are_left_out_with_the_reason() -> None:
    assert choose_views((32,), (4,), 4).left_out == {"size 1.5": "the canvas is too small for it"}
    assert choose_views((16,), (8,), 32).left_out == dict.fromkeys(
        ("size 0.75", "size 1.25", "size 1.5"),
        "it would differ from the crop by less than the network's stride of 32",
    )


# Answers


def kl(base: NDArray[Any], changed: NDArray[Any]) -> NDArray[Any]:
    p, q = (np.exp(x - x.max(axis=1, keepdims=True)) for x in (base, changed))
    p, q = (x / x.sum(axis=1, keepdims=True) for x in (p, q))
    return np.asarray((p * np.log(p / q)).sum(axis=1))


def answers(model: nn.Module, pixels: Tensor) -> NDArray[Any]:
    with torch.no_grad():
        return np.asarray(model(pixels).double())


def test_answers_are_compared_under_the_same_treatment() -> None:
    model, canvas = net(), canvases()
    twins = [net(), net("reflect"), net("replicate")]
    for twin in twins:
        twin.load_state_dict(model.state_dict())
    plan = planned(model, canvas)
    treatments = {"reflected": [refill("reflect")], "replicated": [refill("replicate")]}
    found = measure(model, canvas, plan, treatments)
    assert found["kl"].shape == (5, len(plan.others), 3)
    assert {view.kind for view in plan.others} == {"shift", "size", "crop"}
    for t, twin in enumerate(twins):
        base = answers(twin, plan.centre.cut(canvas))
        for v, view in enumerate(plan.others):
            changed = answers(twin, view.cut(canvas))
            np.testing.assert_allclose(found["kl"][:, v, t], kl(base, changed), atol=1e-6)
            flipped = base.argmax(axis=1) != changed.argmax(axis=1)
            np.testing.assert_array_equal(found["flip"][:, v, t], flipped)
    assert found["kl"].min(axis=(0, 1)).max() > 0


def test_several_draws_of_a_treatment_are_averaged() -> None:
    model, canvas = net(), canvases()
    plan = planned(model, canvas)
    one, other = refill("reflect", filters={"0": [1]}), refill("reflect", filters={"2": [0, 5]})
    both = measure(model, canvas, plan, {"controls": [one, other]})
    parts = [measure(model, canvas, plan, {"controls": [draw]}) for draw in (one, other)]
    for name in ("kl", "flip"):
        mean = (parts[0][name] + parts[1][name]) / 2
        np.testing.assert_allclose(both[name][..., 1], mean[..., 1], atol=1e-12)


class Brightest(nn.Module):
    """Answers by the brightest point of each map, wherever it is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.conv(x).amax(dim=(2, 3)))


def test_a_model_that_ignores_position_does_not_depend_on_the_view() -> None:
    torch.manual_seed(0)
    model, canvas = Brightest().eval(), torch.zeros(4, 3, *CANVAS)
    canvas[:, :, 14:20, 14:16] = canvases(4, (6, 2))  # seen from every window, far from its ends
    plan = planned(model, canvas)
    found = measure(model, canvas, plan, {"refilled": [refill("reflect")]})
    here = [at for at, view in enumerate(plan.others) if view.kind != "crop"]
    assert here
    assert np.abs(found["kl"][:, here]).max() < 1e-12
    assert found["flip"][:, here].max() == 0
    assert found["kl"][:, of_kind(plan, "crop")].min() > 0


def test_a_model_for_one_size_is_not_asked_about_others() -> None:
    torch.manual_seed(0)
    flat = nn.Linear(4 * SIZE[0] * SIZE[1], 3)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), flat).eval()
    plan = planned(model, canvases())
    assert {view.kind for view in plan.others} == {"shift", "crop"}
    assert len(plan.left_out) == 3
    for name, reason in plan.left_out.items():
        assert name.startswith("size: ")
        assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in reason
    assert measure(model, canvases(), plan)["kl"].shape == (5, len(plan.others), 1)


def test_a_model_that_refuses_the_crop_is_an_error() -> None:
    with pytest.raises(PadscopeError, match="the model failed on images 0 to 0"):
        planned(net(channels=2), canvases())


def test_an_answer_that_is_not_finite_is_refused_with_its_treatment() -> None:
    model, canvas = net(), canvases()
    plan = planned(model, canvas)
    canvas[2, 0, 9, 9] = torch.inf
    with pytest.raises(PadscopeError, match="as is: the model answers with NaN or infinity to 1"):
        measure(model, canvas, plan)


class Counted(nn.Sequential):
    """Takes four images at once, and nothing else."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) != 4:
            raise ValueError("four, please")
        for module in self:
            x = module(x)
        return x


@pytest.mark.parametrize("fill", ["reflect", "core"])
def test_what_is_found_does_not_depend_on_the_batches(fill: str) -> None:
    canvas, model, fixed = canvases(7), net(), Counted(*net()).eval()
    plan = planned(model, canvas)
    features = find_features(model, plan.centre.cut(canvas))
    treatments = {"refilled": [refill(fill)]}

    def run(module: nn.Module, parts: list[int], **asking: Any) -> list[dict[str, Tensor]]:
        measurement = ViewMeasurement(
            module, plan, treatments, Asking(**asking), features, (AS_IS, "refilled")
        )
        found, first = [], 0
        for count in parts:
            found.append(measurement(batch(canvas[first : first + count], first)).rows)
            first += count
        return [dict(rows) for rows in found]

    (whole,) = run(model, [7])
    assert planned(fixed, canvas, static_batch=4) == plan
    for pieces in (run(model, [3, 1, 3]), run(fixed, [4, 3], static_batch=4)):
        for name, rows in whole.items():
            joined = torch.cat([piece[name] for piece in pieces])
            torch.testing.assert_close(joined, rows, atol=1e-6, rtol=1e-4)


def test_the_model_is_left_as_it_was() -> None:
    model, canvas = net(), canvases()
    before = copy.deepcopy(model.state_dict())
    plan = planned(model, canvas)
    features = find_features(model, plan.centre.cut(canvas))
    measure(model, canvas, plan, {"refilled": [refill("reflect")]}, features=features)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())

    def broken(module: nn.Module) -> Any:
        raise ValueError("no such luck")

    with pytest.raises(ValueError, match="no such luck"):
        measure(model, canvas, plan, {"broken": [broken]}, features=features)
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())


# Dense answers and values


def dense(padding: int, stride: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=padding, stride=stride), nn.ReLU(),
        nn.Conv2d(4, 2, 3, padding=padding),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("stride", [1, 2])
def test_an_unpadded_map_does_not_depend_on_the_view(stride: int) -> None:
    model, canvas = dense(0, stride), canvases()
    plan = planned(model, canvas)
    assert len(of_kind(plan, "shift")) == (12 if stride == 1 else 8)  # one of a pixel, out of step
    assert len(of_kind(plan, "size")) == 3
    assert not of_kind(plan, "crop")
    found = measure(model, canvas, plan)
    assert found["change"].shape == (5, len(plan.others), 1)
    assert found["change"].max() < 1e-5


def test_dense_answers_are_compared_where_the_windows_overlap() -> None:
    model, canvas = dense(1), canvases()
    plan = planned(model, canvas)
    (found,) = measure(model, canvas, plan).values()
    base = answers(model, plan.centre.cut(canvas))
    seen = np.full((5, 2, *CANVAS), np.nan)
    seen[:, :, 8:26, 8:22] = base
    for v, view in enumerate(plan.others):
        other = np.full_like(seen, np.nan)
        (top, left), (height, width) = view.start, view.extent
        other[:, :, top : top + height, left : left + width] = answers(model, view.cut(canvas))
        shared = ~np.isnan(seen + other)
        for image in range(5):
            ours, theirs = seen[image][shared[image]], other[image][shared[image]]
            change = np.sqrt(np.mean((ours - theirs) ** 2)) / ours.std()
            assert found[image, v, 0] == pytest.approx(change, rel=1e-5)
    assert found.min() > 0


def test_dense_answers_out_of_step_are_left_out_with_the_reason() -> None:
    plan = planned(dense(1, 2), canvases())
    reasons = set(plan.left_out.values())
    assert "it is out of step with the answer's positions, one every 2" in reasons
    assert "the maps of enlarged windows lie on no positions of the centre's map" in reasons
    assert len(plan.left_out) == 4 + 4


class Tokens(nn.Module):
    """Answers with a sequence, or with maps of several frames."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.net, self.axes = dense(1), axes

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x)
        return found.flatten(2) if self.axes == 1 else found[:, :, None]


@pytest.mark.parametrize("axes", [1, 3])
def test_answers_with_other_axes_than_the_image_have_no_position_to_compare(axes: int) -> None:
    plan = planned(Tokens(axes), canvases())
    assert not plan.others
    assert "the positions of the model's answer are not those of the image" in set(
        plan.left_out.values()
    )


def test_maps_that_share_no_position_do_not_overlap() -> None:
    centre = View("shift", 0, (8,), (8,), (8,))
    away = View("shift", 8, (16,), (8,), (8,))
    reason = find_overlap(centre, away, [Fraction(1)], [8], [8])
    assert reason == "it shares no position with the centre's map"


def test_maps_may_be_finer_than_the_image() -> None:
    centre = View("shift", 0, (4,), (8,), (8,))
    view, wider = View("shift", 1, (5,), (8,), (8,)), View("size", 1.5, (2,), (12,), (12,))
    assert output_stride(centre, [16], wider, [24]) == (Fraction(1, 2),)
    assert output_stride(centre, [16], None, []) == (Fraction(1, 2),)
    found = find_overlap(centre, view, [Fraction(1, 2)], [16], [16])
    assert found == Overlap((slice(2, 16),), (slice(0, 14),))


def test_values_change_by_their_difference() -> None:
    model, canvas = nn.Sequential(*net()[:-1], nn.Linear(8, 1)).eval(), canvases()
    plan = planned(model, canvas)
    (found,) = measure(model, canvas, plan).values()
    base = answers(model, plan.centre.cut(canvas))
    for v, view in enumerate(plan.others):
        change = np.abs(answers(model, view.cut(canvas)) - base)
        np.testing.assert_allclose(found[:, v], change, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 3])
def test_signals_and_volumes_have_views_too(dims: int) -> None:
    torch.manual_seed(0)
    kind: Any = {1: nn.Conv1d, 3: nn.Conv3d}[dims]
    model = nn.Sequential(kind(1, 5, 3, padding=1), nn.ReLU(), nn.Flatten(2)).eval()
    model = nn.Sequential(model, nn.AdaptiveAvgPool1d(1), nn.Flatten()).eval()
    canvas = canvases(3, (20,) * dims, channels=1)
    views = choose_views((12,) * dims, (4,) * dims, 1)
    plan = plan_views(model, views, canvas, Asking())
    assert {view.kind for view in plan.others} == {"shift", "size", "crop"}
    found = measure(model, canvas, plan)
    view = plan.others[0]
    base, window = canvas, canvas
    for axis, first in enumerate(view.start, start=2):
        base, window = base.narrow(axis, 4, 12), window.narrow(axis, first, 12)
    expected = kl(answers(model, base), answers(model, window))
    np.testing.assert_allclose(found["kl"][:, 0, 0], expected, atol=1e-6)


# Pooled features


def test_features_are_what_the_last_linear_layer_is_given() -> None:
    model = nn.Sequential(*net()[:-1], nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    x = canvases(3, SIZE)
    features = find_features(model, x)
    assert features == PooledFeatures("8", linear=True, width=5)
    with torch.no_grad(), features.watching(model) as seen:
        model(x)
        assert seen.pooled is not None
        torch.testing.assert_close(seen.pooled, model[:8](x))


def test_features_without_a_linear_layer_are_the_last_maps_means() -> None:
    model, x = dense(1), canvases(3, SIZE)
    features = find_features(model, x)
    assert features == PooledFeatures("2", linear=False, width=2)
    with torch.no_grad(), features.watching(model) as seen:
        torch.testing.assert_close(model(x).mean(dim=(2, 3)), seen.pooled)


def test_a_model_without_either_has_no_features() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.Linear(SIZE[0] * SIZE[1], 4)).eval()
    with pytest.raises(PadscopeError, match="has no pooled features"):
        find_features(model, canvases(3, SIZE))


def test_features_of_a_model_that_insists_on_its_batch() -> None:
    fixed = Counted(*net()).eval()
    found = find_features(fixed, canvases(1, SIZE), static_batch=4)
    assert found == find_features(net(), canvases(1, SIZE))
    with pytest.raises(PadscopeError, match="ValueError: four, please"):
        find_features(fixed, canvases(1, SIZE))


@pytest.mark.parametrize("with_head", [True, False])
def test_features_are_those_of_the_treated_network(with_head: bool) -> None:
    model = net() if with_head else dense(1)
    twin = copy.deepcopy(model)
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"
    canvas = canvases()
    plan = planned(model, canvas)
    features = find_features(model, plan.centre.cut(canvas))
    treatments = {"other": [refill("reflect")], "refilled": [refill("replicate")]}
    found = measure(
        model, canvas, plan, treatments, features=features, featured=("refilled", AS_IS)
    )["features"]
    assert found.shape == (5, 13, 2, features.width)
    assert found.dtype == np.float32
    for place, view in enumerate(plan.looked_at):
        for t, module in enumerate((model, twin)):
            head: nn.Module = module[:-1] if with_head else module
            with torch.no_grad():
                expected = head(view.cut(canvas))
            expected = expected if with_head else expected.mean(dim=(2, 3))
            np.testing.assert_allclose(found[:, place, t], expected, atol=1e-5)


def test_shifts_and_offsets_belong_together() -> None:
    plan = planned(net(), canvases())
    assert plan.offsets[0] == (0, 0)
    for view, offset in zip(plan.looked_at, plan.offsets, strict=True):
        assert view.kind == "shift"
        assert view.start == (MARGIN[0] + offset[0], MARGIN[1] + offset[1])


def test_many_features_are_projected() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 300, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(300, 2)
    ).eval()
    canvas = canvases()
    plan = planned(model, canvas)
    features = find_features(model, plan.centre.cut(canvas))
    found = measure(model, canvas, plan, features=features, seed=7)["features"]
    drawn = projection(300, 7)
    assert drawn is not None
    with torch.no_grad():
        expected = model[:3](plan.centre.cut(canvas)) @ drawn
    np.testing.assert_allclose(found[:, 0, 0], expected, atol=1e-5)
    assert projection(MOST_FEATURES, 7) is None
    vectors = torch.randn(40, 1280, generator=torch.Generator().manual_seed(0))
    drawn = projection(1280, 0)
    assert drawn is not None
    ratio = F.pdist(vectors @ drawn) / F.pdist(vectors)
    assert ratio.min() > 0.75
    assert ratio.max() < 1.25


# The table


def test_the_table_averages_views_of_one_amount_and_pairs_images() -> None:
    rng = np.random.default_rng(0)
    views = [("shift", 8.0), ("shift", 8.0), ("shift", 64.0), ("size", 0.75)]
    rows = {"kl": rng.random((12, 4, 3)), "flip": rng.integers(0, 2, (12, 4, 3))}
    names = ("as is", "undone", "controls")
    table = view_table(views, names, rows, {"undone": "controls"}, resamples=200)
    assert table.height == 2 * 5 * 3
    assert table["images"].unique().to_list() == [12]
    sets = {("shift", None): [0, 1, 2], ("shift", 8.0): [0, 1], ("size", 0.75): [3]}
    for (kind, amount), members in sets.items():
        mean = rows["kl"][:, members].mean(axis=1)
        for t, name in enumerate(names):
            (row,) = table.filter(
                (pl.col("view") == kind)
                & pl.col("amount").eq_missing(amount)
                & (pl.col("treatment") == name)
                & (pl.col("measure") == "kl")
            ).to_dicts()
            assert row["value"] == pytest.approx(mean[:, t].mean())
            assert row["low"] < row["value"] < row["high"]
            if not t:
                assert row["difference"] is row["difference_low"] is None
            else:
                difference = mean[:, t] - mean[:, 0]
                assert row["difference"] == pytest.approx(difference.mean())
                # Paired, so narrower than what the spread of either alone would give.
                assert row["difference_high"] - row["difference_low"] < 6 * difference.std() / 3.4
            control = (mean[:, 2] - mean[:, 0]).mean() if name == "undone" else None
            assert row["control_difference"] == (control if control is None else
                                                 pytest.approx(control))  # fmt: skip


def test_a_table_of_no_views_is_empty() -> None:
    table = view_table([], ("as is",), {"kl": np.zeros((4, 0, 1))})
    assert table.height == 0
    assert "control_difference" in table.columns


def test_an_image_whose_change_is_not_defined_is_left_out_of_its_row_alone() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((32, 2, 3))
    values[5, 1, 0] = np.nan  # a flat answer, seen in one view under one treatment
    names, views = ("as is", "undone", "controls"), [("shift", 1.0), ("shift", 2.0)]
    table = view_table(views, names, {"change": values}, {"undone": "controls"}, resamples=50)
    assert not table.drop("amount", "control_difference").filter(
        pl.col("treatment") != "as is"
    ).null_count().sum_horizontal().item()  # fmt: skip
    of = {(row["amount"], row["treatment"]): row for row in table.to_dicts()}
    assert {key: row["images"] for key, row in of.items() if key[1] == "undone"} == {
        (None, "undone"): 31, (1.0, "undone"): 32, (2.0, "undone"): 31,
    }  # fmt: skip
    kept = np.delete(values, 5, axis=0)
    assert of[2.0, "undone"]["difference"] == pytest.approx((kept[:, 1, 1] - kept[:, 1, 0]).mean())


def test_a_change_that_no_image_defines_has_no_row() -> None:
    rows = {"change": np.full((4, 1, 1), np.nan), "kl": np.ones((4, 1, 1))}
    table = view_table([("shift", 1.0)], ("as is",), rows, resamples=10)
    assert table["measure"].unique().to_list() == ["kl"]
