"""Whether networks exported to ONNX score as their originals."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision import models

from padscope import ScanSettings, scan
from padscope.errors import PadscopeError
from padscope.models import load_model

SIZE = 64
IMAGES = 32
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{
        name: lambda name=name: models.get_model(name, weights=None)  # type: ignore[misc]  # a default binds the name
        for name in (
            "resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5",
            "regnet_y_400mf",
        )
    },
    **{
        name: lambda name=name: timm.create_model(name)  # type: ignore[misc]  # a default binds the name
        for name in (
            "tf_efficientnet_lite0", "tf_mobilenetv3_small_minimal_100", "mobilevit_xxs",
            "resnetv2_50x1_bit",
        )
    },
}  # fmt: skip


def describe_onnx() -> None:
    """Say how far the scores of each network's ONNX file lie from its own, or why there are none.

    Filters are matched by the order in which their convolutions run.
    """
    images = torch.rand(IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, build in NETWORKS.items():
            torch.manual_seed(0)
            module, path = build().eval(), Path(folder) / f"{name}.onnx"
            torch.onnx.export(module, (images[:2],), str(path), dynamo=False)
            try:
                loaded = load_model(str(path))
            except PadscopeError as refused:
                print(f"{name}: {refused}")
                continue
            own, found = (_scores(each, images) for each in (module, loaded))
            # Filters that are constant have no score, in either.
            same = np.isnan(own) == np.isnan(found)
            apart = np.abs(own - found)[~np.isnan(own) & same]
            print(
                f"{name}: {len(own)} filters and sides ({(~same).sum()} with a score in one only), "
                f"KS apart by {apart.mean():.1e} on average, "
                f"{apart.max():.1e} at most",
                flush=True,
            )


def _scores(model: object, images: torch.Tensor) -> NDArray[np.float64]:
    """KS of every filter and side, in the order of the network."""
    study = scan(model, images, ScanSettings(batch_size=16))  # type: ignore[arg-type]  # any iterable of tensors
    return study.sides["ks"].to_numpy()
