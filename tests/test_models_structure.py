"""What a module's structure and weights alone tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from padscope.errors import PadscopeError
from padscope.models import as_found, spatial_dims
from padscope.models.loaded import hash_weights, same_weights


@pytest.mark.parametrize(
    ("build", "dims"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Conv1d(1, 1, 3)), 1),
        (lambda: nn.ConvTranspose2d(1, 1, 3), 2),
        (lambda: nn.Conv3d(1, 1, 3), 3),
        (lambda: nn.Linear(2, 2), 2),
        (lambda: nn.ParameterList([torch.zeros(1, 9, 4), torch.zeros(1, 1, 3, 3)]), 2),
        (lambda: torch.export.export(nn.Conv1d(1, 1, 3), (torch.zeros(1, 1, 9),)).module(), 1),
    ],
)
def test_spatial_dims(build: Callable[[], nn.Module], dims: int) -> None:
    assert spatial_dims(build()) == dims


def test_the_hash_is_of_the_weights_and_nothing_else() -> None:
    def make() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    reference = hash_weights(make())
    assert hash_weights(make().eval().to(memory_format=torch.channels_last)) == reference
    renamed = nn.Sequential(nn.Identity(), *make())
    other = make()
    with torch.no_grad():
        next(other.parameters())[0, 0, 0, 0] += 1e-6
    cast = make().to(torch.bfloat16)
    assert len({reference, *map(hash_weights, (renamed, other, cast))}) == 4


@pytest.mark.filterwarnings("ignore")
def test_buffers_of_every_layout_have_a_hash() -> None:
    def make(value: float) -> nn.Module:
        module = nn.Module()
        dense = torch.tensor([[value, 0.0], [0.0, 1.0]])
        module.register_buffer("sparse", dense.to_sparse())
        module.register_buffer("rows", dense.to_sparse_csr())
        module.register_buffer("quantised", torch.quantize_per_tensor(dense, 0.5, 0, torch.qint8))
        module.register_buffer("empty", torch.zeros(0, 3))
        return module

    assert hash_weights(make(1)) == hash_weights(make(1)) != hash_weights(make(2))
    assert same_weights(make(1), make(1))
    assert not same_weights(make(1), make(2))
    with as_found(make(1)) as module:
        module.get_buffer("sparse").mul_(2)
    assert hash_weights(module) == hash_weights(make(1))


def test_weights_without_values_are_named() -> None:
    with pytest.raises(PadscopeError, match=r"0\.weight of Sequential is on the meta device"):
        hash_weights(nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")))
