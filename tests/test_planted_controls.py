"""Networks trained for the border, and for what has no place."""

from __future__ import annotations

from pathlib import Path

import benchmarks.controls
import pytest
import torch
from torch import Tensor, nn

from padscope import explain, scan
from padscope.errors import PadscopeError
from padscope.findings.recognition import Origin, Recognition, recognition
from padscope.images import Images, TensorImages
from padscope.models import reestimate_batchnorm, wrap_module
from padscope.planted import (
    control_accuracy,
    control_photographs,
    controls,
    raw_recalls,
    train_control,
)
from padscope.planted.canvases import MEAN, canvases
from padscope.scores import Comparison
from padscope.settings import ExplainSettings

SHORT = 16


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer and smaller crops."""
    monkeypatch.setattr(controls, "SIZE", (32, 32))
    monkeypatch.setattr(controls, "BATCH", 8)


@pytest.fixture(scope="module")
def photographs() -> TensorImages:
    return TensorImages((canvases(64, 3, (48, 48), seed=0) - MEAN) / 0.25, dims=2)


def recognising(module: nn.Module, images: Tensor) -> int:
    recalls = raw_recalls(module, images)
    return len({(site, n) for (site, n, _), recall in recalls.items() if recall >= 0.5})


def first_weight(module: nn.Module) -> Tensor:
    return next(module.parameters())


@pytest.mark.usefixtures("small")
def test_who_is_trained_for_the_border_recognises_it(photographs: TensorImages) -> None:
    """By brute force, and by all that is measured, beside what is untrained or random."""
    canvases = torch.stack([photographs.tensor(n) for n in range(16)])
    crops, settings = canvases[..., 8:40, 8:40], ExplainSettings(check=0, resamples=1, baselines=2)
    found, truth = {}, {}
    for task in ("border", "local"):
        module = train_control(task, norm=True, seed=0, photographs=photographs, steps=SHORT)
        assert control_accuracy(module, task, seed=1, photographs=photographs) > 0.75
        reestimate_batchnorm(module, [crops])  # so few steps have not settled the statistics
        truth[task] = recognising(module, crops)
        study = explain(scan(module, crops), module, canvases, settings)
        assert study.explanation is not None
        found[task] = recognition(study.filters, study.explanation)
    assert truth["border"] >= 12
    assert found["border"].recognising >= 12
    for origin in found["border"].origins:
        assert origin.comparison.answer == "more" and origin.apart >= 12
    assert truth["local"] == found["local"].recognising == 0
    assert not any(origin.apart for origin in found["local"].origins)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("norm", [True, False])
def test_seeds_alone_decide(photographs: TensorImages, norm: bool) -> None:
    before = torch.get_rng_state()
    one, again, other = (
        train_control("border", norm=norm, seed=seed, photographs=photographs, steps=2)
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert one.state_dict().keys() == other.state_dict().keys()
    assert any(name.startswith("norm") for name in one.state_dict()) == norm
    for name, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first_weight(one), first_weight(other))
    assert not any(part.training for part in one.modules())
    assert not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.usefixtures("small")
def test_training_goes_on_where_gradients_are_off(photographs: TensorImages) -> None:
    with torch.inference_mode():
        module = train_control("local", norm=True, seed=0, photographs=photographs, steps=1)
    untrained = train_control("local", norm=True, seed=0, photographs=photographs, steps=0)
    assert not torch.equal(first_weight(module), first_weight(untrained))
    assert not first_weight(module).is_inference()


def test_controls_are_made_of_five_layers_and_a_head() -> None:
    module = train_control("border", norm=True, seed=0, steps=0)
    layers = [layer for layer in module if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [24] * 5 + [4]
    assert [layer.padding for layer in layers] == [(1, 1)] * 5 + [(0, 0)]
    assert [type(layer).__name__ for layer in list(module)[:3]] == ["Conv2d", "BatchNorm2d", "ReLU"]


def test_a_control_says_what_it_takes() -> None:
    preprocessing = wrap_module(train_control("local", norm=False, seed=0, steps=0)).preprocessing
    assert preprocessing is not None
    probe = control_photographs().probe
    assert (preprocessing.size, preprocessing.mean) == ((48, 48), probe.mean)


@pytest.mark.usefixtures("small")
def test_answers_that_depend_on_nothing_are_right_by_half(photographs: TensorImages) -> None:
    class Always(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(len(x), 4, *x.shape[2:])

    assert control_accuracy(Always(), "border", seed=0, photographs=photographs) == 0.5


def test_questions_are_about_the_four_nearest_lines_and_about_real_gradients() -> None:
    ramp = torch.arange(10.0).view(1, 1, 10, 1).expand(1, 3, 10, 12) - 4.5
    top, bottom, left, right = controls._near_sides(ramp)[0]
    assert top.sum(dim=0).tolist() == [4] * 10
    assert bottom.sum(dim=0).tolist() == [4] * 10
    assert (left[:, :4].all(), left.sum().item()) == (True, 32)
    assert (right[:, -4:].all(), right.sum().item()) == (True, 32)
    assert top[:4].all()
    assert bottom[-4:].all()
    bright, down, across = controls._local_signs(ramp)[0]
    assert bright.sum(dim=0).tolist() == [4] * 10
    assert down.all()
    assert not across.any()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 49, 80), r"shape \(2, 3, 49, 80\); .* 3 channels and at least 50 × 50"),
        (torch.zeros(2, 1, 80, 80), r"shape \(2, 1, 80, 80\)"),
        (torch.zeros(0, 3, 80, 80), "at least 50"),
    ],
)
def test_photographs_that_do_not_do_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        train_control("local", norm=True, seed=0, photographs=TensorImages(images, dims=2))


def test_another_task_is_refused() -> None:
    with pytest.raises(PadscopeError, match="no control task colour; take border or local"):
        train_control("colour", norm=True, seed=0)  # type: ignore[arg-type]  # wrong on purpose


# The benchmark


@pytest.mark.usefixtures("small")
def test_controls_are_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks.controls, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(controls, "STEPS", 1)
    weights = []

    def judged(module: nn.Module, images: Images) -> Recognition:
        assert images.tensor(0).shape == (3, 32, 32)
        weights.append(first_weight(module).clone())
        questions = module.get_submodule("head").get_parameter("bias")
        count = 40 if len(questions) == 4 else 0  # one a side
        same = Comparison("more" if count else "as many", "", count, (0, 1))
        origins = tuple(Origin(kind, same, count, on="") for kind in ("fresh", "matched"))
        return Recognition(120, count, 0, 0.01, 0, origins, usual="", warnings=())

    monkeypatch.setattr(benchmarks.controls, "judged", judged)
    printed = []
    for _ in range(2):
        benchmarks.controls.describe_controls(1)
        printed.append(capsys.readouterr().out)
    assert len(list((tmp_path / "kept").iterdir())) == 4
    assert all(torch.equal(*pair) for pair in zip(weights[:4], weights[4:], strict=True))
    assert "| border | batch | 1 | 40 | 0–1 | 0–1 | 1 | 1 | 40 | 1 |" in printed[0]
    assert printed[1].count("0 s)") == 4
