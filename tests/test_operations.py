"""The table of operations: one entry has an operation seen, scored, explained and refilled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import wrap_torch_function

from padscope import PadscopeError, cli, find_sites, repad
from padscope.settings import ExplainSettings, ScanSettings
from padscope.sites import OPERATIONS, Signature, Site
from padscope.sites.operations import added_operations
from padscope.study import explain, scan


@torch.library.custom_op("padscope_tests::grouped", mutates_args=())
def grouped(kernels: Tensor, maps: Tensor, edge: int = 1) -> Tensor:
    return F.conv2d(maps, kernels, padding=edge, groups=len(kernels) // 2)


@torch.library.custom_op("padscope_tests::framed", mutates_args=())
def framed(maps: Tensor, by: int) -> Tensor:
    return F.pad(maps, (by, by, by, by), value=0.5)


@torch.library.custom_op("padscope_tests::largest", mutates_args=())
def largest(maps: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(maps, weight, padding=1).relu()


@wrap_torch_function(lambda maps, kernels, edge=1: (maps, kernels))
def by_function(maps: Tensor, kernels: Tensor, edge: int = 1) -> Tensor:
    return F.conv2d(maps, kernels, padding=edge, groups=len(kernels) // 2)


GROUPED = Signature(
    ("weight", "input", "padding"), read=lambda given: {"groups": len(given["weight"]) // 2}
)


@pytest.fixture(autouse=True)
def entries() -> Iterator[None]:
    with patch.dict(OPERATIONS):
        OPERATIONS["padscope_tests::grouped"] = GROUPED
        yield


class Using(nn.Module):
    """One layer whose kernels are whole numbers, so that sums are exact in any order."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        kernels = torch.randint(-3, 4, (6, 2, 3, 3), generator=torch.manual_seed(0))
        self.kernels = nn.Parameter(kernels.float())

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.kernels)


def by_torch(x: Tensor, kernels: Tensor) -> Tensor:
    return F.conv2d(x, kernels, padding=1, groups=3)


def net(function: Callable[[Tensor, Tensor], Tensor]) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(Using(function), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)).eval()


def images(count: int, size: int) -> Tensor:
    numbers = torch.randint(-4, 5, (count, 6, size, size), generator=torch.manual_seed(2))
    return numbers.float()


def first_site(function: Callable[[Tensor, Tensor], Tensor]) -> Site:
    return find_sites(net(function), images(2, 12))[0]


CALLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "operator": lambda x, kernels: torch.ops.padscope_tests.grouped.default(kernels, x, 1),
    "packet": lambda x, kernels: torch.ops.padscope_tests.grouped(kernels, x),
    "by name": lambda x, kernels: torch.ops.padscope_tests.grouped(maps=x, kernels=kernels),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_operation_of_an_entry_is_a_site_however_it_is_called(call: str) -> None:
    site, own = first_site(CALLS[call]), first_site(by_torch)
    assert (site.name, site.op) == ("0", "padscope_tests::grouped")
    assert (site.window, site.groups, site.filters, site.fill) == (own.window, 3, 6, "zeros")
    assert site.scored
    assert site.refillable


def test_a_function_that_torch_lets_be_overridden_is_a_site() -> None:
    OPERATIONS["by_function"] = Signature(("input", "weight", "padding"), read=GROUPED.read)
    site = first_site(lambda x, kernels: by_function(x, kernels))
    assert (site.op, site.groups, site.scored) == ("by_function", 3, True)


def test_what_is_added_while_others_look_is_seen_by_the_next() -> None:
    del OPERATIONS["padscope_tests::grouped"]
    assert first_site(CALLS["operator"]).op == "conv2d"  # the one inside
    OPERATIONS["padscope_tests::grouped"] = GROUPED
    assert first_site(CALLS["operator"]).op == "padscope_tests::grouped"


def test_it_is_scored_and_explained_as_the_same_convolution_of_torch() -> None:
    settings = ExplainSettings(baselines=0, check=0, resamples=1)
    studies = []
    for function in (by_torch, CALLS["operator"]):
        model = net(function)
        study = scan(model, images(40, 12), ScanSettings(batch_size=8))
        studies.append(explain(study, model, images(16, 140), settings))
    own, added = studies
    assert added.sites["op"].to_list() == ["padscope_tests::grouped", "conv2d"]
    assert added.sides.equals(own.sides)
    assert added.filters.equals(own.filters)
    assert added.filters["real_context"].all()


def test_it_is_refilled_as_the_same_convolution_of_torch() -> None:
    outputs = []
    for function in (by_torch, CALLS["operator"]):
        model = net(function)
        with torch.no_grad(), repad(model, fill="reflect"):
            outputs.append(model(images(2, 12)))
    assert torch.equal(*outputs)


def test_an_operation_with_a_pad_is_followed_as_padding() -> None:
    OPERATIONS["padscope_tests::framed"] = Signature(
        ("input", "amount"), read=lambda given: {"pad": [given["amount"]] * 4, "value": 0.5}
    )
    model = nn.Sequential(Using(lambda x, _: torch.ops.padscope_tests.framed(x, 2)),
                          nn.Conv2d(6, 4, 3)).eval()  # fmt: skip
    (site,) = find_sites(model, images(2, 12))
    assert (site.name, site.window.before, site.fill) == ("1", (2, 2), "constant 0.5")


@pytest.mark.parametrize(
    ("pads", "said"),
    [([1, 1, 1, 1], r"makes \[2, 6, 14, 14\]"), ([2], "list of ends"), (2, "list")],
)
def test_an_entry_that_tells_of_another_padding_is_named(pads: object, said: str) -> None:
    OPERATIONS["padscope_tests::framed"] = Signature(("input",), read=lambda _: {"pad": pads})
    model = nn.Sequential(Using(lambda x, _: torch.ops.padscope_tests.framed(x, 2)))
    with pytest.raises(PadscopeError, match=f"'padscope_tests::framed' cannot be read.*{said}"):
        find_sites(model.eval(), images(2, 12))


def test_an_entry_in_place_of_torchs_own_is_tried_as_well() -> None:
    OPERATIONS["conv2d"] = replace(OPERATIONS["conv2d"], read=lambda _: {"groups": 1})
    site = first_site(by_torch)
    assert site.unscored.startswith("conv2d is no convolution, as its entry says: RuntimeError")


def test_one_that_is_no_convolution_is_listed_with_its_reason() -> None:
    OPERATIONS["padscope_tests::largest"] = Signature(
        ("input", "weight"), "its largest value is no sum", lambda _: {"padding": 1}
    )
    model = nn.Sequential(Using(lambda x, k: torch.ops.padscope_tests.largest(x[:, :2], k))).eval()
    (site,) = find_sites(model, images(2, 12))
    assert site.unscored == "its largest value is no sum"
    with torch.no_grad(), repad(model) as running:
        model(images(2, 12))
    assert list(running.skipped) == ["0"]


def test_the_command_line_knows_what_an_installed_package_adds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "net_of_another.py").write_text(
        "import torch\nfrom torch import nn\nfrom padscope.sites import Signature\n\n\n"
        "class Framed(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.ops.padscope_tests.framed(x, 2)\n\n\n"
        "def net():\n    return nn.Sequential(Framed(), nn.Conv2d(3, 4, 5))\n\n\n"
        "FRAMED = Signature(('input', 'by'), read=lambda g: {'pad': [g['by']] * 4, 'value': .5})\n"
    )
    point = metadata.EntryPoint(
        "padscope_tests::framed", "net_of_another:FRAMED", "padscope.operations"
    )
    points = metadata.EntryPoints([point])
    monkeypatch.setattr(metadata, "entry_points", lambda **which: points.select(**which))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["padscope", "sites", "net_of_another:net", "--size", "12"])
    added_operations.cache_clear()
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        added_operations.cache_clear()
    assert not ended.value.code
    assert "1 scored site, 4 filters; 0 listed only." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda _: {"padding": 1}, r"differs from its window's by .* spreads"),
        (lambda _: {"padding": 1, "groups": 2}, "RuntimeError"),
    ],
)
def test_one_that_is_called_a_convolution_and_is_none_is_listed(
    read: Callable[[object], dict[str, int]], reason: str
) -> None:
    OPERATIONS["padscope_tests::largest"] = Signature(("input", "weight"), read=read)
    model = nn.Sequential(Using(lambda x, k: torch.ops.padscope_tests.largest(x[:, :2], k))).eval()
    (site,) = find_sites(model, images(2, 12))
    assert site.unscored.startswith("padscope_tests::largest is no convolution, as its entry says")
    assert re.search(reason, site.unscored)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (("input", "weight"), "is tuple: give a padscope.sites.Signature"),
        (Signature(("weight",)), "no argument is the input; fix its entry"),
        (Signature(("input",)), "neither a weight nor a kernel_size"),
        (Signature(("weight", "input"), read=lambda given: given["nothing"]), "failed with KeyErr"),
        (Signature(("weight", "input"), read=lambda _: {"weight": torch.ones(6, 18)}), "0 axes"),
        (Signature(("weight", "input"), read=lambda _: {"weight": 3}), "does not describe the cal"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(entry: Any, said: str) -> None:
    OPERATIONS["padscope_tests::grouped"] = entry
    with pytest.raises(PadscopeError, match=f"'padscope_tests::grouped'.*{said}"):
        first_site(CALLS["operator"])
