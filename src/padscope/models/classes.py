"""What the classes of a model are called, where there is evidence for it."""

from __future__ import annotations

from collections import Counter

from padscope.models.hugging_face import HuggingFace
from padscope.models.libraries import Lite0, Timm, Torchvision
from padscope.models.loaded import LoadedModel

IMAGENET = "in1k"  # in the tags of timm; what a model was trained on last comes last
IMAGENET_CLASSES = 1000


def class_names(loaded: LoadedModel, count: int) -> tuple[str, ...] | None:
    """Name the classes that a model tells apart.

    Names are given only if the weights are those of a library, which says what they were trained
    on: ``lite0``, timm's weights with 1,000 classes and a tag that ends in ``in1k``, torchvision
    weights with a list of categories, or a configuration of transformers that names them. Other
    weights of the same architecture may tell anything apart, and so may a module from Python,
    whatever configuration it carries.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    count : int
        How many classes its answer has.

    Returns
    -------
    tuple of `count` str, or None
        None if nothing tells, or if there are not as many names as classes.
    """
    if _is_imagenet_of_timm(loaded):
        names = _imagenet_descriptions()
    elif isinstance(loaded.architecture, Torchvision) and _as_published(loaded):
        names = _categories(loaded.architecture.name)
    elif isinstance(loaded.architecture, HuggingFace) and _as_published(loaded):
        names = loaded.architecture.labels
    else:
        return None
    return names if len(names) == count else None


def class_numbers(loaded: LoadedModel, count: int) -> dict[str, int]:
    """Map everything that a class may be called to its number.

    That is the whole name, its parts between commas (synonyms, in ImageNet's names), and the
    WordNet ids if the classes are ImageNet's. What stands for two classes, such as ImageNet's
    "crane", is left out.

    Parameters
    ----------
    loaded, count
        As for `class_names`.

    Returns
    -------
    dict of str to int
        Empty where `class_names` is None.
    """
    names = class_names(loaded, count)
    if names is None:
        return {}
    called = [{name, *name.split(", ")} for name in names]
    if _is_imagenet(loaded):
        for number, identifier in enumerate(_imagenet_identifiers()):
            called[number].add(identifier)
    uses = Counter(name for some in called for name in some)
    return {
        name: number
        for number, some in enumerate(called)
        for name in sorted(some)
        if uses[name] == 1
    }


def _as_published(loaded: LoadedModel) -> bool:
    """Tell the weights that a library trained from those of a file and from random ones."""
    return loaded.architecture is not None and loaded.weights == loaded.architecture.weights


def _is_imagenet_of_timm(loaded: LoadedModel) -> bool:
    if not isinstance(loaded.architecture, Timm) or not _as_published(loaded):
        return False
    if isinstance(loaded.architecture, Lite0):
        return True
    config = getattr(loaded.module, "pretrained_cfg", {})
    trained_on = [part for part in str(config.get("tag", "")).split("_") if part.startswith("in")]
    return config.get("num_classes") == IMAGENET_CLASSES and trained_on[-1:] == [IMAGENET]


def _is_imagenet(loaded: LoadedModel) -> bool:
    if not isinstance(loaded.architecture, Torchvision):
        return _is_imagenet_of_timm(loaded)
    from torchvision import models

    weights = models.get_model_weights(loaded.architecture.name)["DEFAULT"]
    return str(weights.name).startswith("IMAGENET1K")


def _categories(name: str) -> tuple[str, ...]:
    from torchvision import models

    meta = models.get_model_weights(name)["DEFAULT"].meta
    return tuple(map(str, meta.get("categories", ())))


def _imagenet_descriptions() -> tuple[str, ...]:
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return tuple(info.index_to_description(number) for number in range(IMAGENET_CLASSES))


def _imagenet_identifiers() -> tuple[str, ...]:
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return tuple(info.index_to_label_name(number) for number in range(IMAGENET_CLASSES))
