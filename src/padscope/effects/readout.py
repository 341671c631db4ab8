"""Whether a linear map can read from a model's pooled features where in the photograph it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from padscope.counts import plural
from padscope.effects.resampling import mean_interval
from padscope.errors import PadscopeError

FloatArray = NDArray[np.float64]

FOLDS = 5
INNER_FOLDS = 4
FEWEST_GROUPS = 4
PENALTIES = tuple(float(10**power) for power in range(-1, 7))
PERMUTATIONS = 20


@dataclass(frozen=True)
class Readout:
    """How well position is read along one axis, on photographs that the reader was not fitted to.

    Attributes
    ----------
    axis : int
    r2 : float
        Share of the offsets' variance that is explained: 1 if they are read exactly, 0 if the
        reader does no better than to say 0 always, negative if it does worse.
    low, high : float
        95 % interval over images; the readers are not fitted anew for it.
    chance : float
        Mean `r2` when the offsets are exchanged at random within every image.
    images : int
    photographs : int
        Independent ones that the images come from.
    """

    axis: int
    r2: float
    low: float
    high: float
    chance: float
    images: int
    photographs: int


def read_position(
    features: ArrayLike,
    offsets: ArrayLike,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Readout]:
    """Read the offset of every view from its features by ridge regression.

    Photographs are split into `FOLDS` parts. The views of each part are read by a reader fitted to
    the others, with features standardised and the penalty chosen by cross-validation among the
    photographs that it is fitted to. All views of a photograph are in the same part.

    What is read need not come from padding: photographs have their sky on top, and what they are
    of in the middle. The same read-out with the padding undone tells how much of it is left.

    Parameters
    ----------
    features : (n, S, F) array
        Of S views of n images.
    offsets : (S, axes) array
        Where each view lies, in pixels from the centre.
    groups : sequence, optional
        What each image belongs to, such as the name of a photograph. None: each is alone.
    resamples, seed : int
        Of the intervals and of the exchanges.

    Returns
    -------
    list of Readout
        One per axis along which the views differ.

    Raises
    ------
    PadscopeError
        scikit-learn is not installed, there are fewer than `FEWEST_GROUPS` groups, or a feature is
        not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    where = np.asarray(offsets, dtype=np.float64)
    number = _numbered(groups, len(x))
    _refuse(x, number)
    axes = [axis for axis in range(where.shape[1]) if np.ptp(where[:, axis]) > 0]
    if not axes:
        return []
    where = where[:, axes] - where[:, axes].mean(axis=0)
    targets = _with_exchanged(where, len(x), seed)
    errors = (_read_all(x, targets, number) - targets) ** 2  # (n, S, 1 + PERMUTATIONS, axes)
    r2 = 1 - errors.sum(axis=1) / (where**2).sum(axis=0)  # per image; their mean is R² of all
    value, low, high = mean_interval(r2[:, 0], groups, resamples, seed)
    chance = r2[:, 1:].mean(axis=(0, 1))
    return [
        Readout(
            axis, float(value[at]), float(low[at]), float(high[at]), float(chance[at]), len(x),
            int(number.max()) + 1,
        )
        for at, axis in enumerate(axes)
    ]  # fmt: skip


def _numbered(groups: Sequence[object] | None, images: int) -> NDArray[np.int64]:
    if groups is None:
        return np.arange(images)
    if len(groups) != images:
        raise ValueError(f"there are {plural(len(groups), 'group')} for {plural(images, 'image')}")
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _refuse(x: FloatArray, number: NDArray[np.int64]) -> None:
    found = len(np.unique(number))
    if found < FEWEST_GROUPS:
        raise PadscopeError(
            f"{plural(found, 'independent image')}; reading position needs {FEWEST_GROUPS} "
            "or more, to keep some apart for testing"
        )
    if not np.isfinite(x).all():
        raise PadscopeError(
            "the model's pooled features are not all finite, so position cannot be read"
        )


def _with_exchanged(where: FloatArray, images: int, seed: int) -> FloatArray:
    """Offsets of every image as they are, and exchanged at random: (n, S, 1 + PERMUTATIONS, A)."""
    rng = np.random.default_rng(seed)
    keys = rng.random((images, PERMUTATIONS, len(where)))
    exchanged = where[keys.argsort(axis=-1)].swapaxes(1, 2)
    as_they_are = np.broadcast_to(where[None, :, None], (images, len(where), 1, where.shape[1]))
    return np.concatenate([as_they_are, exchanged], axis=2)


def _read_all(x: FloatArray, targets: FloatArray, number: NDArray[np.int64]) -> FloatArray:
    """Read every view by a reader that has not seen its photograph; the shape of the targets."""
    images, views = x.shape[:2]
    flat, wanted = x.reshape(images * views, -1), targets.reshape(images * views, -1)
    owner = np.repeat(number, views)
    found = np.empty_like(wanted)
    for part in np.array_split(np.unique(number), min(FOLDS, len(np.unique(number)))):
        test = np.isin(owner, part)
        found[test] = _read(flat[~test], wanted[~test], owner[~test], flat[test], targets.shape[3])
    return found.reshape(targets.shape)


def _read(
    x: FloatArray, y: FloatArray, owner: NDArray[np.int64], unseen: FloatArray, axes: int
) -> FloatArray:
    try:
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV, GroupKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise PadscopeError(
            "reading position needs scikit-learn, which is not installed; run "
            'pip install "padscope[demo]"'
        ) from error
    reader = make_pipeline(StandardScaler(), Ridge())
    folds = GroupKFold(min(INNER_FOLDS, len(np.unique(owner))))
    search = GridSearchCV(reader, {"ridge__alpha": PENALTIES}, cv=folds)
    # The penalty is chosen for the true offsets; those exchanged are read with the same.
    search.fit(x, y[:, :axes], groups=owner)
    reader.set_params(**search.best_params_).fit(x, y)
    read: FloatArray = reader.predict(unseen).reshape(len(unseen), -1)
    return read
