"""Which sites a network has, against expectations written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import polars as pl
import pytest
import torch
import torch.nn.modules.module as torch_modules
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from timm.layers.std_conv import StdConv2d
from torch import Tensor, nn
from torch.ao import quantization as untyped_quantization
from torch.nn import functional as F
from torchvision.ops import DeformConv2d

from padscope import ScanSettings, scan
from padscope.errors import PadscopeError
from padscope.findings.sites import site_listing
from padscope.interventions import repad
from padscope.sites import Call, Interception, Site, discovery, find_sites, observe
from padscope.sites.passes import watching_passes
from padscope.tables import site_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Using .torch.compile:UserWarning"),
]

quantization: Any = untyped_quantization

Ends = tuple[tuple[int, ...], tuple[int, ...]]  # per axis
Contact = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # per axis, from both ends


class Forward(nn.Module):
    """A forward pass written as a function of the module and its input."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **children: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


def images(*size: int, channels: int = 4) -> Tensor:
    return torch.randn(2, channels, *size)


def sites_of(model: nn.Module, *size: int) -> list[Site]:
    return find_sites(model, images(*(size or (8, 9))))


def only_site(model: nn.Module, *size: int) -> Site:
    (site,) = sites_of(model, *size)
    return site


def padding(site: Site) -> Ends:
    return site.window.before, site.window.after


@pytest.mark.parametrize(
    ("model", "before", "after", "map_size"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), (1, 1), (1, 1), (8, 9)),
        (nn.Conv2d(4, 6, 3, padding=(0, 2)), (0, 2), (0, 2), (6, 11)),
        (nn.Conv2d(4, 6, (3, 5), padding=(1, 2), stride=(2, 1)), (1, 2), (1, 2), (4, 9)),
        (nn.Conv2d(4, 6, 3, padding="same"), (1, 1), (1, 1), (8, 9)),
        (nn.Conv2d(4, 6, 4, padding="same"), (1, 1), (2, 2), (8, 9)),
        (nn.Conv2d(4, 6, (2, 3), padding="same", dilation=(3, 2)), (1, 2), (2, 2), (8, 9)),
        (nn.Conv2d(4, 6, 3, padding=2, dilation=2), (2, 2), (2, 2), (8, 9)),
        (nn.Conv2d(4, 6, 1, padding=1), (1, 1), (1, 1), (10, 11)),
        (nn.Conv2d(4, 6, 2, padding=1, groups=2), (1, 1), (1, 1), (9, 10)),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 6, 3)), (1, 1), (1, 1), (8, 9)),
        (nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(4, 6, 3)), (2, 1), (0, 0), (8, 8)),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 6, 3, padding=1)), (2, 2), (2, 2), (10, 11)),
        (Conv2dSame(4, 6, 3, stride=2), (0, 1), (1, 1), (4, 5)),
        (Conv2dSame(4, 6, 5, stride=2), (1, 2), (2, 2), (4, 5)),
        (Conv2dSame(4, 6, 3, stride=1), (1, 1), (1, 1), (8, 9)),
        (StdConv2d(4, 6, 3, padding=1), (1, 1), (1, 1), (8, 9)),
    ],
)
def test_the_padding_of_every_end_is_seen(
    model: nn.Module, before: tuple[int, ...], after: tuple[int, ...], map_size: tuple[int, ...]
) -> None:
    site = only_site(model)
    assert (site.op, site.filters, site.fill) == ("conv2d", 6, "zeros")
    assert padding(site) == (before, after)
    assert site.window.size == (8, 9)
    assert site.map_size == map_size
    assert site.scored
    assert not site.below_autograd


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv2d(4, 6, 3),
        nn.Conv2d(4, 6, 3, padding="valid"),
        nn.Conv2d(4, 6, 3, padding="valid", padding_mode="reflect"),
        nn.Conv2d(4, 6, 1, padding="same"),
        nn.Sequential(nn.ZeroPad2d(0), nn.Conv2d(4, 6, 3)),
        nn.Sequential(nn.ZeroPad2d(-1), nn.Conv2d(4, 6, 3)),
        nn.Sequential(nn.ZeroPad2d(1), nn.ZeroPad2d(-1), nn.Conv2d(4, 6, 3)),
        Forward(lambda m, x: F.pad(x, (-1, -1, -1, -1))),
        Forward(lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))),
        Forward(lambda m, x: m.conv(F.pad(x, (0, 0, 0, 0, 1, 1))), conv=nn.Conv2d(6, 6, 3)),
        Forward(lambda m, x: x.unfold(2, 3, 1).unfold(3, 3, 1)),
        Forward(lambda m, x: x.flatten().unfold(0, 2, 2)),
        nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Conv2d(4, 4, 1)),
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 9, 3)),
    ],
)
def test_where_nothing_is_padded_there_is_no_site(model: nn.Module) -> None:
    assert sites_of(model) == []


@pytest.mark.parametrize(
    ("model", "fill"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="zeros"), "zeros"),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), "reflect"),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"), "replicate"),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), "circular"),
        (nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 6, 3)), "reflect"),
        (nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(4, 6, 3)), "replicate"),
        (nn.Sequential(nn.CircularPad2d(1), nn.Conv2d(4, 6, 3)), "circular"),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(4, 6, 3)), "zeros"),
        (nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(4, 6, 3)), "constant 0.5"),
        (nn.Sequential(nn.ConstantPad2d(1, 0.0), nn.Conv2d(4, 6, 3)), "zeros"),
    ],
)
def test_the_fill_is_named(model: nn.Module, fill: str) -> None:
    site = only_site(model)
    assert site.fill == fill
    assert padding(site) == ((1, 1), (1, 1))
    assert site.scored


def test_even_same_padding_keeps_its_fill() -> None:
    site = only_site(nn.Conv2d(4, 6, 4, padding="same", padding_mode="reflect"))
    assert (site.fill, padding(site)) == ("reflect", ((1, 1), (2, 2)))


def test_nested_pads_add_up_and_name_every_fill() -> None:
    pads = (nn.ZeroPad2d((1, 0, 0, 2)), nn.ReflectionPad2d(2), nn.ConstantPad2d((0, 1, 0, 0), 0.5))
    site = only_site(nn.Sequential(*pads, nn.Conv2d(4, 6, 3)))
    assert padding(site) == ((2, 3), (4, 3))
    assert site.window.size == (8, 9)
    assert site.fill == "zeros + reflect + constant 0.5"


def test_a_pad_before_a_padded_convolution_names_both_fills() -> None:
    site = only_site(nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 6, 3, padding=1)))
    assert (padding(site), site.fill) == (((2, 2), (2, 2)), "reflect + zeros")


def test_a_negative_pad_crops_the_image_first_behind_padding() -> None:
    model = nn.Sequential(nn.ZeroPad2d(2), nn.ConstantPad2d((-1, -3, 0, 1), 0), nn.Conv2d(4, 6, 3))
    site = only_site(model)
    # Left: one of two padded columns is left. Right: both are gone, and a column of the image.
    assert padding(site) == ((2, 1), (3, 0))
    assert site.window.size == (8, 8)


def test_a_crop_adds_no_fill_of_its_own() -> None:
    model = nn.Sequential(nn.ZeroPad2d(-1), nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"))
    site = only_site(model)
    assert (site.fill, site.window.size) == ("reflect", (6, 7))


def test_asymmetric_functional_pad_touches_one_side_only() -> None:
    model = Forward(lambda m, x: m.conv(F.pad(x, (2, 0))), conv=nn.Conv2d(4, 6, (1, 3)))
    site = only_site(model)
    assert (site.name, padding(site)) == ("conv", ((0, 2), (0, 0)))
    assert site.contact == (((), ()), ((0, 1), ()))


@pytest.mark.parametrize(
    ("size", "contact"),
    [
        ((8, 8), (((), (0,)), ((), (0,)))),
        ((9, 9), (((0,), (0,)), ((0,), (0,)))),
        ((8, 9), (((), (0,)), ((0,), (0,)))),
    ],
)
def test_same_padding_under_stride_depends_on_the_size(
    size: tuple[int, ...], contact: Contact
) -> None:
    assert only_site(Conv2dSame(4, 6, 3, stride=2), *size).contact == contact


@pytest.mark.parametrize(
    ("model", "groups", "kernel"),
    [
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), 4, (1, 3, 3)),
        (nn.Conv2d(4, 8, 3, padding=1, groups=4), 4, (1, 3, 3)),
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), 2, (2, 3, 3)),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), 2, (2, 3, 3)),
    ],
)
def test_groups_and_the_kernel_of_one_filter(
    model: nn.Conv2d | nn.ConvTranspose2d, groups: int, kernel: tuple[int, ...]
) -> None:
    site = only_site(model)
    assert (site.groups, site.filters) == (groups, model.out_channels)
    assert tuple(site.kernel(model.weight, 3).shape) == kernel


def test_the_kernel_of_a_transposed_filter_alone_makes_its_map() -> None:
    model = nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)
    x, filter_index = images(8, 9), 4  # the second filter of the second group, which reads 2 and 3
    kernel = only_site(model).kernel(model.weight, filter_index)
    alone = F.conv_transpose2d(x[:, 2:], kernel[:, None])
    torch.testing.assert_close(alone[:, 0], model(x)[:, filter_index])


@pytest.mark.parametrize(
    ("model", "map_size", "contact"),
    [
        (nn.ConvTranspose2d(4, 6, 3), (10, 11), (((0, 1), (0, 1)), ((0, 1), (0, 1)))),
        (nn.ConvTranspose2d(4, 6, 4, 2, 1), (16, 18), (((0,), (0,)), ((0,), (0,)))),
        (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), (16, 18), (((), (0,)), ((), (0,)))),
        (nn.ConvTranspose2d(4, 6, 5, 2, 2, (1, 0)), (16, 17), (((0,), (0, 1)), ((0,), (0,)))),
    ],
)
def test_transposed_convolutions(
    model: nn.Module, map_size: tuple[int, ...], contact: Contact
) -> None:
    site = only_site(model)
    assert (site.op, site.filters, site.map_size) == ("conv_transpose2d", 6, map_size)
    assert site.contact == contact
    assert site.scored


@pytest.mark.parametrize(
    ("model", "padding"),
    [
        (nn.ConvTranspose2d(4, 6, 3), ([0, 0], [0, 0])),
        (nn.ConvTranspose2d(4, 6, 4, 2, 1), ([1, 1], [1, 1])),
        (nn.ConvTranspose2d(4, 6, 5, 2, (2, 1), (1, 0)), ([2, 1], [1, 1])),
        (nn.ConvTranspose2d(4, 6, 3, padding=2, dilation=2), ([2, 2], [2, 2])),
        (nn.Sequential(nn.ZeroPad2d(1), nn.ConvTranspose2d(4, 6, 4, 2, 1)), ([-1, -1], [-1, -1])),
        (nn.Conv2d(4, 6, 3, padding=(1, 2)), ([1, 2], [1, 2])),
    ],
)
def test_padding_is_listed_as_the_layer_is_told_of_it(
    model: nn.Module, padding: tuple[list[int], list[int]]
) -> None:
    table = site_table(sites_of(model)[-1:])
    assert (table["pad_before"][0].to_list(), table["pad_after"][0].to_list()) == padding


def test_the_list_of_sites_says_what_the_padding_of_a_transposed_convolution_is() -> None:
    transposed, plain = (
        site_listing(site_table(sites_of(model))).caption
        for model in (nn.ConvTranspose2d(4, 6, 3), nn.Conv2d(4, 6, 3, padding=1))
    )
    assert "padding is what is cut off its output" in transposed
    assert "cut off" not in plain


@pytest.mark.parametrize(
    "model", [nn.ConvTranspose2d(4, 6, 2, 2), nn.ConvTranspose2d(4, 6, 3, 2, 1)]
)
def test_upsampling_that_touches_no_padding_is_listed_with_the_reason(model: nn.Module) -> None:
    site = only_site(model)
    assert site.contact == (((), ()), ((), ()))
    assert site.unscored == "no window touches the padding"


@pytest.mark.parametrize(
    ("model", "size", "op", "contact"),
    [
        (nn.Conv1d(4, 6, 5, padding=2), (12,), "conv1d", (((0, 1), (0, 1)),)),
        (nn.Conv3d(4, 6, 3, padding=(1, 0, 1)), (5, 6, 7), "conv3d",
         (((0,), (0,)), ((), ()), ((0,), (0,)))),
        (nn.ConvTranspose1d(4, 6, 3), (12,), "conv_transpose1d", (((0, 1), (0, 1)),)),
        (nn.ConvTranspose3d(4, 6, (1, 2, 1)), (5, 6, 7), "conv_transpose3d",
         (((), ()), ((0,), (0,)), ((), ()))),
        (nn.Sequential(nn.ReflectionPad1d((2, 0)), nn.Conv1d(4, 6, 3)), (12,), "conv1d",
         (((0, 1), ()),)),
        (nn.Sequential(nn.ConstantPad3d((0, 1, 0, 0, 0, 0), 0), nn.Conv3d(4, 6, 2)), (5, 6, 7),
         "conv3d", (((), ()), ((), ()), ((), (0,)))),
    ],
)  # fmt: skip
def test_other_dimensions(
    model: nn.Module, size: tuple[int, ...], op: str, contact: Contact
) -> None:
    site = only_site(model, *size)
    assert (site.op, site.filters) == (op, 6)
    assert site.contact == contact
    assert site.scored


def test_a_module_called_twice_has_two_sites() -> None:
    model = Forward(lambda m, x: m.conv(m.conv(m.conv(x))), conv=nn.Conv2d(4, 4, 3, padding=1))
    assert [site.name for site in sites_of(model)] == ["conv", "conv#1", "conv#2"]


def test_modules_that_share_a_weight_have_their_own_sites() -> None:
    first, second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    second.weight = first.weight
    model = nn.Sequential(first, nn.ReLU(), second)
    assert [site.name for site in sites_of(model)] == ["0", "2"]
    assert not observe(model, images(8, 9)).named_by_weight


def test_a_functional_call_is_named_after_the_owner_of_its_weight() -> None:
    model = Forward(
        lambda m, x: F.conv2d(x, m.block.conv.weight, padding=1),
        block=nn.ModuleDict({"conv": nn.Conv2d(4, 6, 3)}),
    )
    assert [site.name for site in sites_of(model)] == ["block.conv"]


def test_a_computed_weight_is_named_after_the_running_module() -> None:
    inner = nn.Sequential(StdConv2d(4, 6, 3, padding=1))
    model = nn.Sequential(StdConv2d(4, 4, 3, padding=1), inner)
    seen = observe(model, images(8, 9))
    assert [site.name for site in seen.sites] == ["0", "1.0"]
    assert not seen.named_by_weight


def test_a_parametrized_weight_is_named_after_its_convolution() -> None:
    convolution = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3, padding=1))
    model = nn.Sequential(nn.Identity(), convolution)
    assert [site.name for site in sites_of(model)] == ["1"]


class Calling(nn.Module):
    """A network that is called in unusual ways."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.net(x))


class ForwardAlone(Calling):
    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)


class NoForward(Calling):
    def __call__(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.net(x))


class Twice(Calling):
    def __call__(self, x: Tensor) -> Any:
        return super().__call__(x) + super().__call__(x.flip(-1))


class Augmenting(Calling):
    def forward(self, x: Tensor, augment: bool = True) -> Tensor:
        if augment:
            return torch.as_tensor(self(x, augment=False) + self(x.flip(-1), augment=False))
        return torch.as_tensor(self.net(x))


class Splitting(Calling):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.net(part) for part in x.split(8)])


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ForwardAlone, ["net.0"]),
        (NoForward, ["net.0"]),
        (Twice, ["net.0", "net.0#1"]),
        (Augmenting, ["net.0", "net.0#1"]),
    ],
)
def test_a_pass_is_one_however_the_model_is_called(kind: type[Calling], names: list[str]) -> None:
    model, own = kind().eval(), vars(kind).get("__call__")
    x = torch.rand(48, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    assert [site.name for site in find_sites(model, x[:2])] == names
    study = scan(model, x)  # several batches
    assert study.sites["site"].to_list() == names
    first = study.filters.filter(pl.col("site") == "net.0")["ks"]
    assert first.equals(scan(Calling().eval(), x).filters["ks"])
    with torch.no_grad(), repad(model, sites=names) as running:
        model(x[:2])
        model(x[:2])
    assert running.changed == set(names)
    assert vars(kind).get("__call__") is own


def test_a_pass_that_was_ended_from_within_leaves_the_next_one_whole() -> None:
    names: list[str] = []

    def end(call: Call) -> None:
        names.append(call.name)
        raise KeyboardInterrupt

    model = Augmenting().eval()
    with Interception(model, end):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                model(images(8, 9))
    assert names == ["net.0", "net.0"]


def test_two_who_watch_objects_of_one_class_may_leave_in_any_order() -> None:
    one, other, own = Augmenting().eval(), Augmenting().eval(), nn.Module.__call__
    begun: list[int | None] = []
    first, second = watching_passes(one, begun.append), watching_passes(other, begun.append)
    for watching in (first, second):
        watching.__enter__()
    first.__exit__(None, None, None)
    other(images(8, 9))
    one(images(8, 9))
    second.__exit__(None, None, None)
    assert begun == [2]
    assert Augmenting.__call__ is own


def test_a_model_that_splits_its_batch_is_scanned_in_batches_of_that_size() -> None:
    model = Splitting().eval()
    x = torch.rand(48, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    reason = "site net.0 runs on 8 of 16 images at once: the model splits its batch"
    with pytest.raises(PadscopeError, match=f"^{reason}; give a batch size of 8 or less$"):
        scan(model, x)
    found = scan(model, x, ScanSettings(batch_size=8))
    assert found.filters.equals(scan(Calling().eval(), x, ScanSettings(batch_size=8)).filters)
    with (
        torch.no_grad(),
        pytest.raises(PadscopeError, match=reason),
        repad(model, sites=["net.0"]),
    ):
        model(x[:16])


def test_an_error_of_the_library_is_not_blamed_on_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(call: Call, images: int) -> str:
        raise IndexError("of the library")

    monkeypatch.setattr(discovery, "_unscored", fail)
    with pytest.raises(IndexError, match="of the library"):
        scan(Calling().eval(), torch.rand(24, 4, 12, 12))


def test_a_failure_that_the_model_catches_does_not_shift_names() -> None:
    class Failing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError

    def attempt(model: Any, x: Tensor) -> Tensor:
        try:
            return torch.as_tensor(model.failing(x))
        except ValueError:
            return F.max_pool2d(model.scaled(x), 3, 1, 1)

    model = Forward(attempt, failing=Failing(), scaled=StdConv2d(4, 6, 3, padding=1))
    assert [site.name for site in sites_of(model)] == ["scaled", "max_pool2d"]


def test_weights_are_given_as_the_operation_had_them() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 6, 3, padding=1), nn.MaxPool2d(3, 1, 1))
    weights = observe(model, images(8, 9)).weights
    assert list(weights) == ["0", "1"]
    assert weights["1"] is model[1].weight


@pytest.mark.parametrize(
    "between",
    [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.SiLU(inplace=True), nn.Dropout(), nn.GELU(),
     nn.Hardswish(), nn.Identity(), nn.LeakyReLU(0.1), nn.PReLU()],
)  # fmt: skip
def test_zeros_are_followed_through_what_keeps_them(between: nn.Module) -> None:
    model = nn.Sequential(nn.ZeroPad2d(1), between, nn.Conv2d(4, 6, 3)).eval()
    site = only_site(model)
    assert (site.name, padding(site), site.fill) == ("2", ((1, 1), (1, 1)), "zeros")


@pytest.mark.parametrize(
    ("model", "name", "reason"),
    [
        (nn.Sequential(nn.ZeroPad2d(1), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3)), "0", "batch_norm"),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Softmax(1), nn.Conv2d(4, 6, 3)), "0", "softmax"),
        (Forward(lambda m, x: F.pad(x, (1, 1)) + x[..., :1]), "pad", "add"),
        (Forward(lambda m, x: F.dropout(F.pad(x, (1, 1), value=1), 0.5, True)), "pad", "dropout"),
        (Forward(lambda m, x: F.pad(x, (1, 1))[..., 1:]), "pad", "getitem"),
        (Forward(lambda m, x: torch.cat([x, F.pad(x, (0, 0, 2, 0))[:, :, :8]])), "pad", "getitem"),
        (Forward(lambda m, x: torch.cat([F.pad(x, (1, 1)), F.pad(x, (2, 0))])), "pad", "cat"),
        (Forward(lambda m, x: F.interpolate(input=F.pad(x, (1, 1)), scale_factor=2)), "pad",
         "interpolate"),
    ],
)  # fmt: skip
def test_a_pad_that_cannot_be_followed_is_listed_with_the_reason(
    model: nn.Module, name: str, reason: str
) -> None:
    site = sites_of(model.eval())[0]
    assert (site.name, site.op, site.filters) == (name, "pad", 0)
    assert site.unscored == f"taken by {reason}, not by a convolution"


def before_convolution(use: Callable[[Tensor], object], *, fill: Any = "zeros") -> nn.Module:
    """Pad, do something with the padded tensor, and convolve what it returns or wrote to."""

    def forward(m: Any, x: Tensor) -> Tensor:
        mode = {"mode": fill} if fill == "reflect" else {"value": 0 if fill == "zeros" else fill}
        padded = F.pad(x, (1, 1, 1, 1), **mode)
        used = use(padded)
        return torch.as_tensor(m.conv(used if isinstance(used, Tensor) else padded))

    return Forward(forward, conv=nn.Conv2d(4, 6, 3))


@pytest.mark.parametrize(
    ("use", "before", "behind"),
    [
        (lambda p: F.hardtanh(p, 0.5, 1.0), "zeros", "constant 0.5"),
        (lambda p: F.hardtanh(p, -1.0, 1.0), "zeros", "zeros"),
        (lambda p: F.threshold(p, 0.1, 0.75), "zeros", "constant 0.75"),
        (lambda p: F.threshold(p, -0.1, 0.75), "zeros", "zeros"),
        (lambda p: p.clamp(min=0.25), "zeros", "constant 0.25"),
        (lambda p: p.clamp(max=0.25), "zeros", "zeros"),
        (F.hardsigmoid, "zeros", "constant 0.5"),
        (torch.sigmoid, "zeros", "constant 0.5"),
        (lambda p: F.leaky_relu(p, -1.0), -0.5, "constant 0.5"),
        (F.relu, 0.5, "constant 0.5"),
        (F.relu, -0.5, "zeros"),
        (lambda p: p * 2 - 1, "zeros", "constant -1"),
        (lambda p: 1 - p, "zeros", "constant 1"),
        (lambda p: p.int().float(), 0.5, "zeros"),
        (lambda p: F.dropout(p, 0.5, training=True), "zeros", "zeros"),
        (lambda p: (p - 1).relu(), "reflect", "reflect"),
        (lambda p: p.add_(2.0), "zeros", "constant 2"),
        (lambda p: p.__iadd__(torch.tensor(0.1)), "zeros", "constant 0.1"),
        (lambda p: p.mul_(3.0), "zeros", "zeros"),
        (lambda p: p.mul_(3.0), 0.5, "constant 1.5"),
        (lambda p: p.add_(2.0), "reflect", "reflect"),
        (lambda p: F.hardtanh(p, 0.5, 1.0, inplace=True), "zeros", "constant 0.5"),
        (lambda p: F.relu(p, inplace=True), "zeros", "zeros"),
        (lambda p: p.clamp_(min=0.5).sub_(1), "zeros", "constant -0.5"),
        (torch.relu_, -0.5, "zeros"),
        (lambda p: nn.init.constant_(p, 7.0), "zeros", "constant 7"),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_fill_is_what_pointwise_operations_make_of_it(
    use: Callable[[Tensor], object], before: Any, behind: str, mode: Any
) -> None:
    with mode():
        site = only_site(before_convolution(use, fill=before))
    assert (site.name, site.fill, padding(site)) == ("conv", behind, ((1, 1), (1, 1)))
    assert site.scored


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda p: p.__setitem__((..., 0), 5.0), "setitem"),
        (lambda p: p.__setitem__(..., torch.randn(11)), "setitem"),
        (lambda p: p.add_(torch.randn(4, 1, 1)), "add_"),
        (lambda p: p[:, :, 0].add_(2.0), "add_"),
        (lambda p: p.view(-1)[:3].fill_(2.0), "fill_"),
        (lambda p: p.detach().mul_(0.0), "mul_"),
        (lambda p: p.data.add_(2.0), "add_"),
        (lambda p: setattr(p, "data", p.data + 2), "set"),
        (lambda p: torch.mul(p, 2.0, out=p), "mul"),
        (lambda p: p.copy_(torch.randn_like(p)), "copy_"),
        (lambda p: p.masked_fill_(p == 0, 1.0), "masked_fill_"),
        (lambda p: torch._foreach_add_([p], 1.0), "foreach_add_"),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_write_to_a_padded_tensor_that_cannot_be_followed_is_listed(
    write: Callable[[Tensor], object], reason: str, mode: Any
) -> None:
    with mode():
        site = only_site(before_convolution(lambda p: [write(p)]))
    assert (site.name, site.op) == ("pad", "pad")
    assert site.unscored == f"taken by {reason}, not by a convolution"


def test_a_write_after_one_convolution_is_listed_for_the_next() -> None:
    def both(model: Any, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1))
        first = model.a(padded)
        padded[..., 0] = 3.0
        return torch.as_tensor(first + model.b(padded))

    sites = sites_of(Forward(both, a=nn.Conv2d(4, 6, 3), b=nn.Conv2d(4, 6, 3)))
    assert [(site.name, site.scored) for site in sites] == [("a", True), ("pad", False)]


def test_a_write_that_torch_does_not_see_is_found_in_the_values() -> None:
    site = only_site(before_convolution(lambda p: p.numpy().__iadd__(1)))
    assert (site.name, site.fill) == ("conv", "zeros")
    assert site.unscored == "its padding no longer holds zeros: it was written to out of sight"


def test_random_numbers_of_the_model_are_drawn_as_without_looking() -> None:
    model = before_convolution(lambda p: F.dropout(F.celu(p), 0.5, training=True)).eval()
    x = images(8, 9)
    torch.manual_seed(0)
    plain = model(x)
    torch.manual_seed(0)
    with Interception(model, lambda call: None):
        assert torch.equal(model(x), plain)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x,
        lambda x: x if x.shape[-1] and x.size(0) and x.dim() else -x,
    ],
)
def test_a_pad_that_nothing_takes_is_listed(use: Callable[[Tensor], Tensor]) -> None:
    site = only_site(Forward(lambda m, x: use(F.pad(x, (1, 2, 3, 4), mode="reflect"))))
    assert (site.name, site.op, site.fill) == ("pad", "pad", "reflect")
    assert (padding(site), site.window.size) == (((3, 1), (4, 2)), (8, 9))
    assert site.map_size == (15, 12)
    assert site.unscored == "taken by no operation"


def test_every_listed_site_has_its_own_name() -> None:
    block = Forward(
        lambda m, x: m.conv(F.pad(x, (1, 1)) + F.pad(x, (2, 0))), conv=nn.Conv2d(4, 4, 1)
    )
    model = Forward(lambda m, x: m.block(x), block=block)
    assert [site.name for site in sites_of(model)] == ["block", "block#1"]


def test_a_pad_that_two_convolutions_take_is_in_both() -> None:
    def both(model: Any, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1))
        return torch.as_tensor(model.a(padded) + model.b(padded))

    model = Forward(both, a=nn.Conv2d(4, 6, 3), b=nn.Conv2d(4, 6, 3))
    assert [(site.name, padding(site)) for site in sites_of(model)] == [
        ("a", ((1, 1), (1, 1))),
        ("b", ((1, 1), (1, 1))),
    ]


@pytest.mark.parametrize(
    ("model", "op", "fill", "map_size"),
    [
        (nn.MaxPool2d(3, 2, 1), "max_pool2d", "-inf", (4, 5)),
        (nn.MaxPool2d(3, 2, 1, return_indices=True), "max_pool2d", "-inf", (4, 5)),
        (nn.AvgPool2d(3, 1, 1), "avg_pool2d", "zeros", (8, 9)),
        (MaxPool2dSame(3, 2), "max_pool2d", "-inf", (4, 5)),
        (nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2)), "max_pool2d", "zeros", (4, 5)),
    ],
)
def test_padded_pooling_is_listed_unscored(
    model: nn.Module, op: str, fill: str, map_size: tuple[int, ...]
) -> None:
    site = only_site(model)
    assert (site.op, site.fill, site.filters, site.map_size) == (op, fill, 0, map_size)
    assert site.unscored == "pooling has no filters"


@pytest.mark.parametrize(
    "model",
    [
        nn.Unfold((3, 2), padding=(1, 0), stride=(2, 1)),
        Forward(lambda m, x: F.unfold(input=x, kernel_size=(3, 2), padding=(1, 0), stride=(2, 1))),
    ],
)
def test_unfold_is_listed_unscored(model: nn.Module) -> None:
    site = only_site(model)
    assert (site.op, padding(site), site.map_size) == ("unfold", ((1, 0), (1, 0)), (4, 8))
    assert site.unscored == "unfold is listed, not followed"


def test_deformable_convolution_is_listed_unscored() -> None:
    offset = torch.zeros(2, 18, 8, 9)
    model = Forward(lambda m, x: m.deform(x, offset), deform=DeformConv2d(4, 6, 3, padding=1))
    site = only_site(model)
    assert (site.name, site.op, padding(site)) == ("deform", "deform_conv2d", ((1, 1), (1, 1)))
    assert site.unscored == "deform_conv2d is listed, not followed"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, stride=8), "a map of 1×2 has no core"),
        (Forward(lambda m, x: m.conv(x[0]), conv=nn.Conv2d(4, 6, 3, padding=1)),
         "its output has no batch axis"),
        (Forward(lambda m, x: m.conv(F.pad(x[0], (1, 1, 1, 1))), conv=nn.Conv2d(4, 6, 3)),
         "its output has no batch axis"),
        (Forward(lambda m, x: m.conv(x.flatten(0, 1)[:, None]), conv=nn.Conv2d(1, 6, 3, padding=1)),
         "its batch holds 8 maps for 2 images"),
        (Forward(lambda m, x: F.conv2d(x.long(), torch.ones(6, 4, 3, 3).long(), padding=1)),
         "its output is int64"),
    ],
)  # fmt: skip
def test_padded_convolutions_without_a_score_say_why(model: nn.Module, reason: str) -> None:
    site = only_site(model)
    assert (site.op, site.unscored) == ("conv2d", reason)
    assert padding(site) == ((1, 1), (1, 1))


def stack() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 1, 1),
        nn.Conv2d(6, 6, (3, 5), padding=(1, 2), stride=(2, 1)),
    ).eval()  # fmt: skip


def quantised(*layers: nn.Module) -> nn.Module:
    model = nn.Sequential(quantization.QuantStub(), *layers, quantization.DeQuantStub()).eval()
    model.qconfig = quantization.get_default_qconfig("fbgemm")
    quantization.prepare(model, inplace=True)
    model(images(8, 9) if "2d" in str(model) else images(9))
    return cast("nn.Module", quantization.convert(model, inplace=True))


by_quantising = [
    pytest.mark.filterwarnings("ignore:.*quant:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
]


class TestQuantised:
    pytestmark = by_quantising

    @pytest.mark.parametrize("form", ["eager", "scripted"])
    def test_static_convolutions_are_listed_with_their_geometry(self, form: str) -> None:
        model = quantised(*stack())
        sites = sites_of(model if form == "eager" else torch.jit.script(model))
        first, pool, last = sites
        assert (first.op, first.fill, first.filters) == ("quantized::conv2d", "zeros", 6)
        assert first.unscored == "quantized::conv2d computes with quantised values"
        assert (padding(first), first.map_size) == (((1, 1), (1, 1)), (8, 9))
        assert pool.unscored == "pooling has no filters"
        assert (last.window.kernel, padding(last), last.map_size) == (
            (3, 5), ((1, 2), (1, 2)), (4, 9)
        )  # fmt: skip
        if form == "eager":
            assert [site.name for site in sites] == ["1", "3", "4"]

    @pytest.mark.parametrize(
        ("layers", "op", "pads"),
        [
            ((nn.Conv1d(4, 6, 3, padding=1),), "quantized::conv1d", ((1,), (1,))),
            ((nn.Conv2d(4, 4, 3, groups=2, padding=1),), "quantized::conv2d", ((1, 1), (1, 1))),
            ((nn.ZeroPad2d(1), nn.Conv2d(4, 6, 3)), "quantized::conv2d", ((1, 1), (1, 1))),
        ],
    )
    def test_other_quantised_convolutions(
        self, layers: tuple[nn.Module, ...], op: str, pads: Ends
    ) -> None:
        site = only_site(quantised(*layers), *((8, 9) if "2d" in op else (9,)))
        assert (site.op, padding(site), site.fill) == (op, pads, "zeros")

    def test_beside_dynamically_quantised_layers_convolutions_are_scored(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.head = nn.Conv2d(4, 6, 3, padding=1), nn.Linear(6, 2)

            def forward(self, x: Tensor) -> Tensor:
                return torch.as_tensor(self.head(self.conv(x).mean((2, 3))))

        model = quantization.quantize_dynamic(Net().eval(), {nn.Linear})
        assert [(site.name, site.scored) for site in sites_of(model)] == [("conv", True)]


def weights_to_mkldnn(model: nn.Module) -> nn.Module:
    from torch.utils import mkldnn  # warns of what it uses itself

    return cast("nn.Module", mkldnn.to_mkldnn(model))


@pytest.mark.parametrize("convert", [weights_to_mkldnn, lambda model: model])
def test_convolutions_of_mkldnn_tensors_are_listed_with_the_reason(
    convert: Callable[[nn.Module], nn.Module],
) -> None:
    inner = convert(nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 6, 3, groups=3)))
    model = Forward(lambda m, x: m.inner(x.to_mkldnn()).to_dense(), inner=inner)
    observed = observe(model.eval(), images(8, 9))
    site, inside = *observed.sites, *observed.unpadded
    assert (site.name, padding(site), site.fill) == ("inner.0", ((1, 1), (1, 1)), "zeros")
    assert "computes with MKLDNN tensors" in site.unscored
    assert "computes with MKLDNN tensors" in inside.unscored
    with pytest.raises(PadscopeError, match=r"inner\.0: .* computes with MKLDNN tensors"):
        scan(model, images(8, 9))
    with torch.no_grad(), repad(model) as running:
        model(images(8, 9))
    assert list(running.skipped) == ["inner.0"]


def test_what_an_optimised_graph_runs_out_of_sight_is_listed() -> None:
    model = torch.jit.optimize_for_inference(torch.jit.script(stack()))
    reasons = [site.unscored for site in sites_of(model)]
    assert sum("prim::mkldnn_convolution is not known" in reason for reason in reasons) == 2


def test_a_convolution_of_unknown_arguments_is_listed() -> None:
    weight = torch.randn(3, 4, 5)
    model = Forward(
        lambda m, x: torch.conv_tbc(x.permute(2, 0, 1).contiguous(), weight, torch.zeros(5), pad=1)
    )
    site = only_site(model, 9)
    assert (site.op, site.filters) == ("conv_tbc", 0)
    assert site.unscored == "conv_tbc is not known: whether it pads cannot be told"


def test_a_narrow_map_is_scored_along_its_long_axis() -> None:
    assert only_site(nn.Conv2d(4, 6, (1, 3), padding=(0, 1)), 1, 9).scored


def make_stack() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 4, padding="same", groups=2),
        nn.MaxPool2d(3, 2, 1),
        nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(6, 8, 3, stride=2)),
        nn.ConvTranspose2d(8, 4, 4, 2, 1),
    ).eval()


# op, before, after, map size, groups, filters, fill: of the stack above, for images of 8 × 9.
STACK = [
    ("conv2d", (1, 1), (1, 1), (8, 9), 1, 6, "zeros"),
    ("conv2d", (1, 1), (2, 2), (8, 9), 2, 6, "zeros"),
    ("max_pool2d", (1, 1), (1, 1), (4, 5), 1, 0, "-inf"),
    ("conv2d", (1, 1), (1, 1), (2, 3), 1, 8, "constant 0.5"),
    ("conv_transpose2d", (2, 2), (2, 2), (4, 6), 1, 4, "zeros"),
]


def described(sites: list[Site]) -> list[tuple[object, ...]]:
    return [
        (site.op, *padding(site), site.map_size, site.groups, site.filters, site.fill)
        for site in sites
    ]


def trace(model: nn.Module, x: Tensor) -> nn.Module:
    traced = torch.jit.trace(model, x)
    assert isinstance(traced, nn.Module)
    return traced


def compile_eagerly(model: nn.Module, x: Tensor) -> nn.Module:
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, nn.Module)
    return compiled


FORMS: dict[str, Callable[[nn.Module, Tensor], nn.Module]] = {
    "eager": lambda model, x: model,
    "scripted": lambda model, x: torch.jit.script(model),
    "traced": trace,
    "exported": lambda model, x: torch.export.export(model, (x,)).module(),
    "decomposed": lambda model, x: torch.export.export(model, (x,)).run_decompositions().module(),
    "compiled": compile_eagerly,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_model_has_the_same_sites(form: str) -> None:
    x = images(8, 9)
    sites = find_sites(FORMS[form](make_stack(), x), x)
    assert described(sites) == STACK
    assert all(site.below_autograd == (form in ("scripted", "traced")) for site in sites)

    prefix = "_orig_mod." if form == "compiled" else ""
    names = [site.name for site in sites if "conv" in site.op]
    assert names == [prefix + name for name in ("0", "2", "4.1", "5")]


@pytest.mark.parametrize("form", ["scripted", "traced"])
def test_scripted_parts_of_a_model_are_marked_hidden(form: str) -> None:
    part = FORMS[form](nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)).eval(), images(8, 9))
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), part, nn.Conv2d(4, 4, 5, padding=2))
    sites = sites_of(model)
    assert [site.name for site in sites] == ["0", "1.0", "2"]
    assert [site.below_autograd for site in sites] == [False, True, False]
    assert all(site.scored for site in sites)


@pytest.mark.parametrize(
    ("form", "between"),
    [
        ("scripted", nn.ReLU(inplace=True)),
        ("scripted", nn.Hardswish(inplace=True)),
        ("traced", nn.SiLU()),
        ("exported", nn.ReLU6(inplace=True)),
        ("exported", nn.Hardswish(inplace=True)),
        ("decomposed", nn.ReLU(inplace=True)),
        ("compiled", nn.ReLU6(inplace=True)),
    ],
)
def test_pads_are_followed_in_every_form_of_a_model(form: str, between: nn.Module) -> None:
    x = images(8, 9)
    lost = nn.Sequential(nn.ZeroPad2d(1), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3)).eval()
    kept = nn.Sequential(nn.ZeroPad2d(1), between, nn.Conv2d(4, 6, 3)).eval()
    (followed,) = find_sites(FORMS[form](kept, x), x)
    assert (followed.op, padding(followed)) == ("conv2d", ((1, 1), (1, 1)))
    (unfollowed,) = find_sites(FORMS[form](lost, x), x)
    assert unfollowed.op == "pad"
    assert "batch_norm" in unfollowed.unscored


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("scripted", "reflect"), ("scripted", "replicate"), ("traced", "reflect"),
        ("exported", "reflect"), ("exported", "circular"), ("compiled", "circular"),
    ],
)  # fmt: skip
def test_the_fill_is_named_in_every_form_of_a_model(
    form: str, mode: Literal["reflect", "replicate", "circular"]
) -> None:
    x = images(8, 9)
    model = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, padding_mode=mode)).eval()
    (site,) = find_sites(FORMS[form](model, x), x)
    assert (site.op, padding(site), site.fill) == ("conv2d", ((1, 1), (1, 1)), mode)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_timm_same_padding_survives_export(mode: str) -> None:
    x = images(8, 8)
    model = nn.Sequential(Conv2dSame(4, 6, 3, stride=2)).train(mode == "train")
    (site,) = find_sites(FORMS["exported"](model, x), x)
    assert site.contact == (((), (0,)), ((), (0,)))


def state_of(model: nn.Module) -> dict[str, object]:
    """Everything that watching a model could leave changed."""
    hooks = [name for name in vars(torch_modules) if name.startswith("_global_")]
    return {
        "global hooks": {name: str(getattr(torch_modules, name)) for name in hooks},
        "modes": (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()),
        "gradients on": torch.is_grad_enabled(),
        "random state": torch.get_rng_state().tolist(),
        "modules": {
            path: {name: str(value) for name, value in vars(module).items() if "hooks" in name}
            | {"training": module.training, "attributes": sorted(vars(module))}
            for path, module in model.named_modules()
        },
        "tensors": {
            name: (id(tensor), tensor._version, tensor.requires_grad, tensor.tolist())
            for name, tensor in model.state_dict(keep_vars=True).items()
        },
        "gradients": {
            name: None if tensor.grad is None else (id(tensor.grad), tensor.grad.tolist())
            for name, tensor in model.named_parameters()
        },
    }


def model_in_use() -> nn.Sequential:
    """Mixed training modes, a gradient, a hook, a frozen parameter, a dropout."""
    model = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 4, 1)
    )
    model(images(8, 9)).sum().backward()
    model.eval()[3].train()
    model[0].weight.requires_grad_(False)
    model[1].register_forward_hook(lambda module, inputs, output: None)
    return model


def test_the_model_comes_back_as_it_was() -> None:
    model, x = model_in_use(), images(8, 9)
    before = state_of(model)
    find_sites(model, x)
    assert state_of(model) == before


def test_the_model_comes_back_as_it_was_when_it_raises() -> None:
    model = model_in_use()
    wrong = images(8, 9, channels=5)
    before = state_of(model)
    with pytest.raises(RuntimeError):
        find_sites(model, wrong)
    assert state_of(model) == before


@pytest.mark.parametrize("every_module", [True, False])
def test_the_model_comes_back_as_it_was_when_the_visitor_raises(every_module: bool) -> None:
    def fail(call: Call) -> Tensor | None:
        raise LookupError(call.name)

    model, x = model_in_use(), images(8, 9)
    before = state_of(model)
    with pytest.raises(LookupError), Interception(model, fail, every_module=every_module):
        model(x)
    assert state_of(model) == before


def test_a_model_can_be_observed_again_after_it_raised() -> None:
    model = model_in_use()
    with pytest.raises(RuntimeError):
        find_sites(model, images(8, 9, channels=5))
    assert [site.name for site in sites_of(model)] == ["0"]


@pytest.mark.parametrize("kind", ["half", "bfloat16", "double"])
def test_sites_of_a_model_of_any_type(kind: str) -> None:
    net = getattr(nn.Conv2d(3, 2, 3, padding=1), kind)()
    assert [site.unscored for site in find_sites(net, torch.zeros(2, 3, 9, 9))] == [""]
