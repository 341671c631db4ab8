"""What datasets and loaders give: tensors, and whatever they come wrapped in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from padscope.errors import PadscopeError, brief

KEYS = ("pixel_values", "image", "img")
Take = Callable[[Any], object]
HOW = "give the images alone, or padscope.images.from_python(data, dims, take=FUNCTION)"


def taken(item: object, name: str, take: Take | None) -> object:
    """Return what a function of the user's takes out of an item, or the item.

    Raises
    ------
    PadscopeError
        The function fails.
    """
    if take is None:
        return item
    return given(lambda: take(item), "function that takes images", name)


def given(give: Callable[[], object], what: str, name: str, advice: str = "") -> object:
    """Return what somebody's code gives.

    Parameters
    ----------
    give : callable
    what, name : str
        What the code is, and the item that it is asked for, to be named if it fails.
    advice : str
        What to do then.

    Raises
    ------
    PadscopeError
        It raises anything.
    """
    try:
        return give()
    except PadscopeError:
        raise
    except Exception as error:
        raise PadscopeError(f"the {what} failed on {name}: {brief(error)}{advice}") from error


def image_of(item: object, name: str) -> Tensor:
    """Return the tensor that an item is, starts with, or has under one of `KEYS`, as float32.

    Raises
    ------
    PadscopeError
        There is none, or it does not hold floating-point numbers.
    """
    found = _lead(item)
    if isinstance(found, Mapping):
        raise PadscopeError(
            f"{name} is a {type(found).__name__} with the keys {', '.join(map(str, found))}, and "
            f"none of them is {', '.join(KEYS)}; {HOW}"
        )
    if not isinstance(found, Tensor):
        raise PadscopeError(
            f"{name} is a {type(found).__name__}, not a tensor; preprocess images into tensors as "
            "the model wants them"
        )
    if not found.is_floating_point():
        raise PadscopeError(
            f"{name} holds {found.dtype}; give floating-point tensors, preprocessed as the model "
            "wants them"
        )
    return found.detach().float()


def parts_of(item: object, name: str, dims: int, *, every: bool) -> tuple[list[object], bool]:
    """Split an item of a stream into batches and images, each for `image_of`.

    Parameters
    ----------
    item : object
        A tensor, or what contains one: a tuple or list that starts with a batch or with an image,
        a dictionary, a list of images or of such samples, or images beside their targets.
    name : str
        What errors call it.
    dims : int
        Number of spatial dimensions.
    every : bool
        Whether lists of two are known to hold images alone, as those before them.

    Returns
    -------
    parts : list
    every : bool
        For the next item.

    Raises
    ------
    PadscopeError
        Two images may as well be one and its target.
    """
    while isinstance(item, Mapping) and (key := _key(item)) is not None:
        item = item[key]
    if not isinstance(item, list | tuple) or not item:
        return [item], every
    if isinstance(item[0], Tensor):
        if not _all_images(item, dims):
            return [item[0]], every
        if len(item) == 2 and not every:
            raise _two_meanings(item, name)
        return list(item), every or len(item) > 2
    if not all(_is_image(_lead(part), dims) for part in item):
        # Images beside their targets, as collating with `zip` gives them.
        return parts_of(item[0], name, dims, every=True) if _nested(item[0]) else ([item], every)
    if any(_nested(part) and len(part) > 1 and _all_images(part, dims) for part in item):
        raise _two_meanings(item, name)
    return list(item), every


def _two_meanings(item: Sequence[object], name: str) -> PadscopeError:
    return PadscopeError(
        f"{name} is a {type(item).__name__} of {len(item)}, which may be images, or images and "
        f"their targets; {HOW}"
    )


def _nested(part: object) -> bool:
    return isinstance(part, list | tuple)


def _all_images(parts: Any, dims: int) -> bool:
    return all(_is_image(part, dims) and len(part) == len(parts[0]) for part in parts)


def _is_image(part: object, dims: int) -> bool:
    return isinstance(part, Tensor) and part.ndim == dims + 1


def _key(item: Mapping[Any, object]) -> str | None:
    return next((key for key in KEYS if key in item), None)


def _lead(item: object) -> object:
    """Go into tuples and lists by what comes first, and into dictionaries by `KEYS`."""
    while True:
        if isinstance(item, Mapping) and (key := _key(item)) is not None:
            item = item[key]
        elif isinstance(item, list | tuple) and item:
            item = item[0]
        else:
            return item
