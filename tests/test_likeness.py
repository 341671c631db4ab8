"""Networks that were never trained are called so, whatever their norms hold."""

from __future__ import annotations

import torch
import torchvision
from benchmarks.nulls import unet_instance

from padscope import explain, scan
from padscope.findings.recognition import recognition
from padscope.images import BuiltinPhotos, Probe, central, stream
from padscope.models import load_model, reestimate_batchnorm, wrap_module
from padscope.settings import ExplainSettings
from padscope.study.likeness import RANDOM, UNTRAINED, find_likeness

SIZE, MARGIN = (24, 24), 8
PROBE = Probe((40, 40), mean=(0.5,) * 3, std=(0.25,) * 3, channels=3)
CANVASES = next(stream(BuiltinPhotos(PROBE, 32), [0], 32)).pixels
CROPS = [central(CANVASES, SIZE, "the canvases")]


def test_resnet18_with_the_statistics_that_it_starts_with() -> None:
    loaded = wrap_module(torchvision.models.resnet18().eval())
    found = find_likeness(loaded, loaded.module, CROPS, seed=1)
    (warning,) = found.warnings
    assert "All batch norms hold the statistics that they start with" in warning
    assert found.fits is False and found.open_training


def test_resnet18_with_statistics_of_the_images() -> None:
    loaded = wrap_module(torchvision.models.resnet18().eval())
    reestimate_batchnorm(loaded.module, CROPS)
    found = find_likeness(loaded, loaded.module, CROPS, seed=1)
    assert found.warnings == (UNTRAINED,)
    assert found.fits and not found.open_training


def test_random_weights_that_were_asked_for() -> None:
    loaded = load_model("torchvision:resnet18", weights="random")
    found = find_likeness(loaded, loaded.module, CROPS, seed=1)
    assert found.warnings[-1] == RANDOM and len(found.warnings) == 2


def test_an_explained_unet_with_instance_norm() -> None:
    torch.manual_seed(0)
    settings = ExplainSettings(margin=MARGIN, baselines=2, check=0, resamples=2)
    module = unet_instance(width=4).eval()
    study = explain(scan(module, CROPS[0]), module, CANVASES, settings)
    assert study.explanation
    found = recognition(study.filters, study.explanation)
    assert found.warnings == (UNTRAINED,)
    answers = {origin.kind: origin.comparison.answer for origin in found.origins}
    assert answers == {"fresh": "as many", "matched": "as many"}
