"""What a model is fed, where that is known from, and who wins."""

from __future__ import annotations

from typing import Any

import pytest

from padscope.errors import PadscopeError
from padscope.models import Preprocessing
from padscope.models.preprocessing import InputDefaults, resolve_preprocessing

IMAGENET = InputDefaults(
    channels=3, size=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)


def test_defaults_stand_alone() -> None:
    preprocessing = resolve_preprocessing(IMAGENET, 2)
    assert preprocessing == Preprocessing((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert preprocessing.channels == 3


def test_the_user_wins_and_one_value_stands_for_all() -> None:
    preprocessing = resolve_preprocessing(IMAGENET, 2, size=64, mean=0.5, std=[0.25])
    assert preprocessing == Preprocessing((64, 64), (0.5,) * 3, (0.25,) * 3)
    assert resolve_preprocessing(IMAGENET, 2, size=(32, 48)).size == (32, 48)


def test_pixels_stay_as_they_are_where_nothing_is_known() -> None:
    preprocessing = resolve_preprocessing(InputDefaults(channels=4), 3, size=16)
    assert preprocessing == Preprocessing((16, 16, 16), (0.0,) * 4, (1.0,) * 4)


def test_values_per_channel_tell_the_channels() -> None:
    preprocessing = resolve_preprocessing(InputDefaults(), 1, size=100, mean=(0.1, 0.2))
    assert preprocessing == Preprocessing((100,), (0.1, 0.2), (1.0, 1.0))


def test_no_size_no_preprocessing() -> None:
    assert resolve_preprocessing(InputDefaults(channels=3), 2) is None
    assert resolve_preprocessing(IMAGENET, 3) is None


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"size": (1, 2, 3)}, "has 3 numbers, but the model's input has 2"),
        ({"size": 0}, "must be 1 or more"),
        ({"std": 0}, "must be above 0"),
        ({"std": (1, float("nan"), 1)}, "must be above 0"),
        ({"mean": (0.1, 0.2)}, "mean has 2 values and std 3"),
    ],
)
def test_values_that_do_not_fit(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        resolve_preprocessing(IMAGENET, 2, **wishes)


def test_unknown_channels() -> None:
    with pytest.raises(PadscopeError, match="number of input channels is not known"):
        resolve_preprocessing(InputDefaults(), 2, size=8)
    one = resolve_preprocessing(InputDefaults(), 2, size=8, mean=0.5)
    assert one is not None
    assert one.channels == 1
