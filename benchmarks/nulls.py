"""Untrained networks, given as if they were trained: how often they are said to be anything else.

Each architecture is given with the weights of several seeds, with the statistics of batch norm that
it starts with and, where it has any, with those of the images. Beside it stand the baselines of any
explanation; those of fresh weights are the same for all seeds that are given. To either question
*more* and *fewer* are errors. Every run is kept in `KEPT`, a line each, and is not run again.
"""

from __future__ import annotations

import copy
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl
import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.findings.recognition import compare_networks
from padscope.images import Images
from padscope.measurements.contrast_plan import plan_scan
from padscope.models import LoadedModel, fresh_weights, load_model, reestimate_batchnorm
from padscope.running import LocalRunner
from padscope.running.model import observe_first
from padscope.scores import Comparison, images_needed
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import EXPLAIN, GIVEN, as_images
from padscope.study.baselines import Baselines, baseline_names
from padscope.study.context import Canvas
from padscope.study.explanation import FRESH, MATCHED
from padscope.study.inputs import fingerprint
from padscope.study.likeness import find_likeness
from padscope.study.stage import Stage

KEPT = Path(__file__).parent / "results" / "nulls.jsonl"
ELSEWHERE = 1000  # added to the seeds that are given: baselines take the first ones
IMAGES = 32
USUAL = ExplainSettings.thorough(limit=IMAGES)  # all that baselines are run on
QUESTIONS = ("training", "kernels")

# Pixels along an axis → networks whose maps have a core at that size, the cheapest first.
SIZES = (
    64,
    80,
    96,
    128,
    160,
)  # pixels along an axis; the first at which maps have enough of a core
# The cheapest first.
ARCHITECTURES = (
    *(f"{__name__}:unet_{norm}" for norm in ("instance", "batch", "group", "plain")),
    "timm:test_efficientnet", "timm:test_resnet", "timm:test_convnext", "timm:test_byobnet",
    "timm:test_nfnet", "timm:lcnet_035", "timm:mobilenetv3_small_050",
    "timm:mobilenetv4_conv_small_035", "timm:ghostnet_050", "timm:tinynet_e",
    "torchvision:shufflenet_v2_x0_5", "torchvision:mnasnet0_5", "torchvision:mobilenet_v3_small",
    "timm:regnetx_002", "timm:regnety_002", "timm:repghostnet_050", "timm:convnext_atto",
    "timm:convnextv2_atto", "timm:edgenext_xx_small", "torchvision:alexnet",
    "torchvision:squeezenet1_1", "torchvision:squeezenet1_0", "timm:dla46_c", "timm:resnet10t",
    "torchvision:mobilenet_v2", "torchvision:mobilenet_v3_large", "timm:mobilenetv1_100",
    "timm:tf_efficientnet_lite0", "timm:semnasnet_075", "timm:spnasnet_100",
    "torchvision:regnet_x_400mf", "torchvision:regnet_y_400mf", "timm:cs3darknet_focus_s",
    "torchvision:resnet18", "timm:resnet18d", "timm:resnetv2_18", "timm:ese_vovnet19b_dw",
    "torchvision:efficientnet_b0", "torchvision:lraspp_mobilenet_v3_large", "timm:mixnet_s",
    "timm:rexnet_100", "timm:fbnetc_100", "timm:hardcorenas_a", "timm:starnet_s1",
    "timm:nf_regnet_b0", "timm:mobileone_s0", "timm:hgnetv2_b0", "timm:repvgg_a0",
    "timm:selecsls42", "timm:darknet17", "torchvision:vgg11", "torchvision:vgg11_bn",
    "torchvision:resnet50", "torchvision:densenet121", "torchvision:convnext_tiny",
    "torchvision:googlenet", "torchvision:inception_v3", "timm:xception41",
)  # fmt: skip


class UNet(nn.Module):
    """Three scales, with a norm of some kind behind every convolution.

    Parameters
    ----------
    norm : callable
        Takes a number of channels.
    width : int
        Channels of the largest scale.
    """

    pretrained_cfg = {"input_size": (3, 64, 64)}  # noqa: RUF012 - as timm's

    def __init__(self, norm: Callable[[int], nn.Module], width: int = 16) -> None:
        super().__init__()

        def block(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1), norm(after), nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1), norm(after), nn.ReLU(),
            )  # fmt: skip

        self.down = nn.ModuleList([block(3, width), block(width, 2 * width)])
        self.bottom = block(2 * width, 4 * width)
        self.up = nn.ModuleList([block(6 * width, 2 * width), block(3 * width, width)])
        self.head = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Give a map of the size of the input."""
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for block in self.up:
            x = nn.functional.interpolate(x, scale_factor=2)
            x = block(torch.cat([x, kept.pop()], dim=1))
        found: Tensor = self.head(x)
        return found


def unet_instance(width: int = 16) -> nn.Module:
    """Build one with instance norms that scale and shift."""
    return UNet(lambda channels: nn.InstanceNorm2d(channels, affine=True), width)


def unet_batch(width: int = 16) -> nn.Module:
    """Build one with batch norms."""
    return UNet(nn.BatchNorm2d, width)


def unet_group() -> nn.Module:
    """Build one with group norms."""
    return UNet(lambda channels: nn.GroupNorm(4, channels))


def unet_plain() -> nn.Module:
    """Build one without norms."""
    return UNet(lambda _: nn.Identity())


@dataclass(frozen=True)
class Answer:
    """The answer to one question; attributes as of `Comparison`."""

    answer: str | None
    reason: str
    baselines: tuple[int, ...]
    p: float | None

    @classmethod
    def of(cls, found: Comparison) -> Answer:
        """Take it out of a comparison."""
        return cls(found.answer, found.reason, found.baselines, found.p)

    def __str__(self) -> str:
        """Write the counts of baselines, and the answer."""
        p = "" if self.p is None else f", p {self.p:.3f}"
        return f"{', '.join(map(str, self.baselines))}: {self.answer or 'no answer'}{p}"


@dataclass(frozen=True)
class Null:
    """A network that was never trained, and what is said of it.

    Attributes
    ----------
    spec : str
    size, seed : int
        Pixels along an axis; of its weights.
    statistics : {"none", "as they start", "of the images"}
        Those of its batch norms.
    warned : tuple of str
        What an explanation warns of.
    filters, count : int
        Measured ones, and those that recognise the border.
    training, kernels : Answer
        Beside fresh weights, and beside matched ones.
    notes : tuple of str
        What could not be done.
    seconds : float
    """

    spec: str
    size: int
    seed: int
    statistics: str
    warned: tuple[str, ...]
    filters: int
    count: int
    training: Answer
    kernels: Answer
    notes: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        """Write one line."""
        warned = "" if self.warned else "; not warned"
        return (
            f"{self.spec} at {self.size}, seed {self.seed}, statistics {self.statistics}: "
            f"{self.count} of {self.filters}; fresh {self.training}; matched {self.kernels}{warned}"
        )

    def as_json(self, on: str) -> str:
        """Write it for `read`, with what it was measured on."""
        return json.dumps({"on": on} | asdict(self))

    @classmethod
    def read(cls, line: str) -> tuple[str, Null]:
        """Read what `as_json` wrote."""
        kept = json.loads(line)
        on = kept.pop("on")
        for question in QUESTIONS:
            found = kept[question]
            kept[question] = Answer(**found | {"baselines": tuple(found["baselines"])})
        lists = {name: tuple(kept[name]) for name in ("warned", "notes")}
        return on, cls(**kept | lists)


class Untrained:
    """One architecture, and its baselines.

    Parameters
    ----------
    spec : str
        As of `load_model`.
    source : str, optional
        A folder of photographs; built-in ones if not given.
    settings : ExplainSettings
    """

    def __init__(
        self, spec: str, source: str | None = None, settings: ExplainSettings = USUAL
    ) -> None:
        self.spec, self._settings = spec, settings
        random = load_model(spec, weights="random")
        assert random.preprocessing is not None
        for size in SIZES:
            shape = (size, size)
            prepared = replace(random.preprocessing, size=shape)
            # Given as a network of which nothing is known.
            self._loaded = replace(random, preprocessing=prepared, weights_are="unknown")
            opening = ScanSettings(limit=settings.limit, crops=settings.limit or ScanSettings.crops)
            images = as_images(source, self._loaded, opening)
            assert isinstance(images, Images)
            canvas = Canvas(images, shape, (0, 0), settings.limit, settings.batch_size, 1)
            sample = canvas.sample_size(settings)
            plan = plan_scan(observe_first(random.module, canvas.first()), shape, sample)
            core = min(site.positions.draws[0].lengths[-1] for site in plan.sites.values())
            if images_needed(core, settings.content) <= len(images):
                break
        self.size, self._images, self._canvas = size, images, canvas
        self._plan = plan.of_crops(sample)
        self._beside: list[pl.DataFrame] = []

    @cached_property
    def on(self) -> str:
        """What its runs depend on beside the architecture and the seed."""
        return f"{fingerprint(self._images, self._settings.limit)} {self._settings}"

    def given(self, seed: int) -> dict[str, Callable[[], LoadedModel]]:
        """Name the networks of a seed by the statistics of their batch norms."""
        start = replace(self._loaded, module=fresh_weights(self._loaded, seed + ELSEWHERE))
        if find_likeness(start, start.module, self._crops(start.module), 0).fits is None:
            return {"none": lambda: start}

        def settled() -> LoadedModel:
            module = copy.deepcopy(start.module)
            reestimate_batchnorm(module, self._crops(module))
            return replace(start, module=module)

        return {"as they start": lambda: start, "of the images": settled}

    def run(self, given: LoadedModel, seed: int, statistics: str) -> Null:
        """Compare one with its baselines, as explaining it would."""
        begun = time.perf_counter()
        content, module = self._settings.content, given.module
        likeness = find_likeness(given, module, self._crops(module), self._settings.seed + 1)
        if not self._beside:
            self._beside = self._measured(FRESH, self._loaded)
        matched = self._measured(MATCHED, given)
        (found,) = self._measured(GIVEN, given)
        training = compare_networks(found, self._beside, content, likeness.open_training)
        kernels = compare_networks(found, matched, content)
        return Null(
            self.spec, self.size, seed, statistics, likeness.warnings,
            int((found["filters"] - found["unmeasured"]).sum()), training.count,
            Answer.of(training), Answer.of(kernels),
            tuple(note for table in matched if (note := table["note"][0])),
            time.perf_counter() - begun,
        )  # fmt: skip

    def _measured(self, kind: str, loaded: LoadedModel) -> list[pl.DataFrame]:
        stage = Stage(EXPLAIN, {"images": self.on}, LocalRunner(), None, None, None)
        names = baseline_names(self._settings, fits=True)
        beside = self._baselines(loaded)
        return [beside.run(name, stage) for name in names if name.partition(" ")[0] == kind]

    def _baselines(self, loaded: LoadedModel) -> Baselines:
        return Baselines(loaded, self._canvas, self._plan, len(self._images), self._settings)

    def _crops(self, module: nn.Module) -> list[Tensor]:
        return list(self._baselines(self._loaded).crops(module))


def sweep(
    architectures: Iterable[str],
    seeds: int,
    source: str | None = None,
    settings: ExplainSettings = USUAL,
) -> Iterator[Null]:
    """Run every architecture, or take what is kept of it.

    Parameters
    ----------
    architectures : iterable of str
        As of `load_model`.
    seeds : int
        Networks given of each.
    source, settings
        As of `Untrained`.

    Yields
    ------
    Null
    """
    kept: dict[tuple[object, ...], Null] = {}
    if KEPT.is_file():
        for on, null in map(Null.read, KEPT.read_text().splitlines()):
            kept[on, null.spec, null.seed, null.statistics] = null
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    for spec in architectures:
        untrained = Untrained(spec, source, settings)
        for seed in range(seeds):
            for statistics, build in untrained.given(seed).items():
                key = untrained.on, spec, seed, statistics
                if key not in kept:
                    kept[key] = untrained.run(build(), seed, statistics)
                    with KEPT.open("a") as file:
                        file.write(f"{kept[key].as_json(untrained.on)}\n")
                yield kept[key]


def describe_nulls(
    architectures: int | None = None, seeds: int = 3, source: str | None = None
) -> None:
    """Print all of it: every run, and how often each answer comes."""
    torch.set_num_threads(1)
    print("untrained networks: to either question, more is wrong in at most 5 % of runs")
    runs = []
    for spec in ARCHITECTURES[:architectures]:
        try:
            for null in sweep([spec], seeds, source):
                print(f"  {null}", flush=True)
                runs.append(null)
        except PadscopeError as error:
            print(f"  {spec} is left out: {error}", flush=True)
    print(f"{len(runs)} runs of {len({null.spec for null in runs})} architectures")
    for statistics in dict.fromkeys(null.statistics for null in runs):
        print(f"  statistics {statistics}:")
        print("\n".join(summary([null for null in runs if null.statistics == statistics])))
    if runs:
        print("  all of them:")
        print("\n".join(summary(runs)))


def summary(runs: Sequence[Null]) -> Iterator[str]:
    """Say how often each answer to each question comes, and why none."""
    warned = sum(bool(null.warned) for null in runs)
    yield f"    warned of: {warned} of {len(runs)}"
    for question in QUESTIONS:
        answers: list[Answer] = [getattr(null, question) for null in runs]
        found = Counter(answer.answer for answer in answers)
        for name in ("more", "as many", "fewer"):
            yield f"    {question}: {name:7} {found[name]:4} ({found[name] / len(runs):.1%})"
        reasons = Counter(answer.reason for answer in answers if answer.answer is None)
        for reason, count in reasons.most_common():
            yield f"    {question}: none    {count:4} ({reason})"
