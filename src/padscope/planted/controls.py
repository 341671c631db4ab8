"""Networks trained within a minute, of which it is known what they were trained for.

Five 3×3 convolutions of 24 channels, each with zero padding and a ReLU, with or without batch norm
in between, under a 1×1 head. Trained to say where the border is, they have to recognise it; trained
for what lies at a pixel, they have nothing to gain from it. Both see the same photographs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.errors import PadscopeError
from padscope.images import BuiltinPhotos, Images, Probe, stream, unit_count
from padscope.regions import sides_of

Task = Literal["border", "local"]

SIZE = (48, 48)
STEPS, BATCH, RATE = 250, 16, 3e-3
NEAR = 4  # positions from a side that the border task counts as near it

_LAYERS, _CHANNELS = 5, 24
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # those of ImageNet
_MARGIN = 1  # real pixels around a crop, from which gradients at its border are taken
_POOL = 512  # photographs kept in memory
_LARGER = 3 / 2  # than a crop are the photographs that crops are drawn from


def control_photographs(seed: int = 0, count: int = 256) -> BuiltinPhotos:
    """Crops of the built-in photographs, as the controls are trained on.

    They are larger than `SIZE`, so that every step draws other parts of them.
    """
    rows, columns = (round(_LARGER * n) for n in SIZE)
    return BuiltinPhotos(Probe((rows, columns), _MEAN, _STD, 3, seed), count)


class ControlNetwork(nn.Sequential):
    """What is trained: ``conv1``, ``norm1``, ``relu1``, …, ``head``.

    Parameters
    ----------
    questions : int
        Logits of each pixel.
    norm : bool
        Whether a batch norm stands before each ReLU.
    """

    # What `padscope.scan` reads to make inputs of photographs.
    pretrained_cfg: ClassVar = {"input_size": (3, *SIZE), "mean": _MEAN, "std": _STD}

    def __init__(self, questions: int, norm: bool) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        channels = len(_MEAN)
        for number in range(1, _LAYERS + 1):
            parts[f"conv{number}"] = nn.Conv2d(channels, _CHANNELS, 3, padding=1)
            if norm:
                parts[f"norm{number}"] = nn.BatchNorm2d(_CHANNELS)
            parts[f"relu{number}"] = nn.ReLU()
            channels = _CHANNELS
        parts["head"] = nn.Conv2d(channels, questions, 1)
        super().__init__(parts)


def train_control(
    task: Task,
    *,
    norm: bool,
    seed: int,
    photographs: Images | None = None,
    steps: int = STEPS,
) -> ControlNetwork:
    """Train a small network to say where the border is, or what lies at each pixel.

    Parameters
    ----------
    task : {"border", "local"}
        ``border``: for every side, which pixels lie within `NEAR` of it. ``local``: the sign of
        the brightness against the mean of photographs, and of its two gradients.
    norm : bool
        Whether a batch norm stands before each ReLU.
    seed : int
        Of the initial weights, and of which crops are seen in which step.
    photographs : Images, optional
        Normalised, of three channels and somewhat larger than `SIZE`, such as `PhotoFiles`; the
        first 512 are used. `control_photographs` if not given.
    steps : int
        Of Adam, on `BATCH` crops each.

    Returns
    -------
    ControlNetwork
        In eval mode. The global state of random numbers stays as it is.

    Raises
    ------
    PadscopeError
        There is no such task, or the photographs are none, too small or not of three channels.

    Examples
    --------
    >>> from padscope.planted import train_control
    >>> control = train_control("local", norm=True, seed=0, steps=1)
    >>> [name for name, _ in control.named_children()][:4]
    ['conv1', 'norm1', 'relu1', 'conv2']
    """
    targets = _targets(task)
    pool = _pool(photographs)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(mode=False), torch.enable_grad():
        module = _untrained(len(targets(pool[:1])[0]), norm, seed)
        optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
        for _ in range(steps):
            around = _windows(pool, BATCH, generator)
            loss = F.binary_cross_entropy_with_logits(module(_inside(around)), targets(around))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return module.eval().requires_grad_(requires_grad=False)


def control_accuracy(
    module: nn.Module, task: Task, seed: int, photographs: Images | None = None, crops: int = 64
) -> float:
    """Balanced accuracy of a control on random crops, on average over its questions.

    Parameters
    ----------
    module : nn.Module
        From `train_control`.
    task, seed, photographs
        As for `train_control`; take another seed, or other photographs, than for training.
    crops : int

    Returns
    -------
    float
        In [0, 1]; ½ for answers that do not depend on the question.
    """
    around = _windows(_pool(photographs), crops, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        said, true = module(_inside(around)) > 0, _targets(task)(around) > 0
    pairs = zip(said.unbind(1), true.unbind(1), strict=True)
    right = [(s[t].float().mean() + (~s[~t]).float().mean()) / 2 for s, t in pairs]
    return float(torch.stack(right).mean())


def _untrained(questions: int, norm: bool, seed: int) -> ControlNetwork:
    # Layers draw from torch's own generator, whose state belongs to the caller.
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        return ControlNetwork(questions, norm)


def _pool(photographs: Images | None) -> Tensor:
    images = control_photographs() if photographs is None else photographs
    units = range(unit_count(min(len(images), _POOL), _POOL))
    pool = next((batch.pixels for batch in stream(images, units, _POOL)), torch.empty(0))
    least = [n + 2 * _MARGIN for n in SIZE]
    if (
        pool.ndim != 4
        or pool.shape[1] != 3
        or any(n < m for n, m in zip(pool.shape[2:], least, strict=True))
    ):
        raise PadscopeError(
            f"{images.describe()} are of shape {tuple(pool.shape)}; controls are trained on images "
            f"of 3 channels and at least {least[0]} × {least[1]} pixels"
        )
    return pool


def _windows(pool: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw crops with a margin of real pixels around them."""
    rows, columns = (n + 2 * _MARGIN for n in SIZE)

    def draw(below: int) -> list[int]:
        return torch.randint(below, (count,), generator=generator).tolist()

    places = zip(
        draw(len(pool)), draw(pool.shape[2] - rows + 1), draw(pool.shape[3] - columns + 1),
        strict=True,
    )  # fmt: skip
    return torch.stack([pool[n, :, y : y + rows, x : x + columns] for n, y, x in places])


def _inside(around: Tensor) -> Tensor:
    return around[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _near_sides(around: Tensor) -> Tensor:
    """Answer for each side whether a pixel lies near it."""
    count, _, *size = _inside(around).shape
    answers = []
    for side in sides_of(len(size)):
        steps = torch.arange(size[side.axis])
        near = (steps.flip(0) if side.far else steps) < NEAR
        shape = [-1 if axis == side.axis else 1 for axis in range(len(size))]
        answers.append(near.view(shape).expand(size))
    return torch.stack(answers).float().expand(count, -1, -1, -1)


def _local_signs(around: Tensor) -> Tensor:
    """Answer whether a pixel is bright, and grows brighter downwards and rightwards."""
    grey = around.mean(dim=1)
    bright = grey[:, 1:-1, 1:-1]
    down = grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    right = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    return (torch.stack([bright, down, right], dim=1) > 0).float()


_TASKS: dict[str, Callable[[Tensor], Tensor]] = {"border": _near_sides, "local": _local_signs}


def _targets(task: str) -> Callable[[Tensor], Tensor]:
    if task not in _TASKS:
        raise PadscopeError(f"there is no control task {task}; take {' or '.join(_TASKS)}")
    return _TASKS[task]
