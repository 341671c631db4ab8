"""Models of the Hugging Face hub, or of folders laid out as there, by way of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from padscope.errors import PadscopeError, Unfetched, brief
from padscope.models.architecture import did_you_mean
from padscope.models.preprocessing import InputDefaults
from padscope.models.structure import input_channels
from padscope.paths import expanded

BYTE = 255  # image processors scale pixels from whole numbers up to this


@dataclass(frozen=True)
class HuggingFace:
    """A model of transformers: an architecture that its configuration names.

    No code of the repository or folder is executed; a model that needs its own is refused.

    Attributes
    ----------
    name : str
        ``OWNER/NAME`` on the hub, or the path of a folder that `save_pretrained` wrote.
    weights : str
        Where `pretrained` takes its weights from, in words.
    config : transformers.PretrainedConfig
        Read when the model is named.

    Raises
    ------
    PadscopeError
        The extra ``hf`` is not installed, or the configuration cannot be had or used.
    """

    host: ClassVar[str] = "the Hugging Face hub"

    name: str
    weights: str = "pretrained weights"
    config: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the configuration, from the folder, the local cache or the hub."""
        try:
            from transformers import AutoConfig
        except ImportError as error:
            raise PadscopeError(
                f'hf:{self.name} needs the extra hf ({brief(error)}): pip install "padscope[hf]"'
            ) from error
        try:
            config = AutoConfig.from_pretrained(self._place, trust_remote_code=False)
        except Exception as error:  # networks, names and configurations fail each in their own way
            raise self._lacking("the configuration", error) from error
        object.__setattr__(self, "config", config)

    def pretrained(self) -> nn.Module:
        """Build the model with the weights of the folder, the local cache or the hub."""
        try:
            module: nn.Module = self._kind().from_pretrained(self._place, trust_remote_code=False)
        except Exception as error:  # as for the configuration
            raise self._lacking("the weights", error) from error
        return self._fed(module)

    def fresh(self) -> nn.Module:
        """Build the model with initial weights."""
        module: nn.Module = self._kind()._from_config(self.config)
        return self._fed(module)

    def defaults(self, module: nn.Module) -> InputDefaults:
        """Read the image processor, and the configuration where there is none."""
        size = _pair(getattr(self.config, "image_size", None))
        channels = getattr(self.config, "num_channels", None) or input_channels(module)
        processor = self._processor()
        if processor is None:
            return InputDefaults(channels=channels, size=size)
        cropped = getattr(processor, "do_center_crop", None) and _size(processor.crop_size)
        scale = BYTE * float(processor.rescale_factor if _does(processor, "rescale") else 1)
        mean, std = (0.0,), (1.0,)
        if _does(processor, "normalize"):
            mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        return InputDefaults(
            channels=channels,
            size=cropped or _size(getattr(processor, "size", None)) or size,
            # Preprocessing is told for pixels in [0, 1].
            mean=tuple(value / scale for value in mean),
            std=tuple(value / scale for value in std),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """What the configuration calls the classes; nothing where it only numbers them."""
        named = getattr(self.config, "id2label", None) or {}
        labels = tuple(str(named[number]) for number in sorted(named))
        unnamed = all(label == f"LABEL_{number}" for number, label in enumerate(labels))
        return () if unnamed else labels

    @property
    def _place(self) -> str:
        folder = expanded(Path(self.name))
        return str(folder) if folder.is_dir() else self.name

    def _kind(self) -> Any:
        """Find the class that the configuration names; its backbone where it names none."""
        import transformers

        for name in self.config.architectures or ():
            if kind := getattr(transformers, name, None):
                return kind
            raise PadscopeError(
                f"hf:{self.name} is a {name}, which transformers {transformers.__version__} does "
                f"not have{did_you_mean(name, dir(transformers))}"
            )
        try:
            return transformers.AutoModel._model_mapping[type(self.config)]
        except KeyError:
            raise PadscopeError(
                f"hf:{self.name} names no architecture, and transformers has no model for "
                f"{type(self.config).__name__}: add architectures to its config.json"
            ) from None

    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        read: Any = AutoImageProcessor.from_pretrained
        try:
            return read(self._place, trust_remote_code=False)
        except Exception:  # many have none; what else is wrong has been told of the configuration
            return None

    def _fed(self, module: nn.Module) -> nn.Module:
        """Have images arrive as the model was trained to see them: some swap red and blue."""
        if getattr(self._processor(), "do_flip_channel_order", None):
            module.register_forward_pre_hook(_swap_channels)
        return module

    def _lacking(self, what: str, error: Exception) -> PadscopeError:
        if Path(self._place).is_dir():
            return PadscopeError(
                f"{what} of hf:{self.name} could not be read from that folder ({brief(error)}): "
                "give one that save_pretrained wrote"
            )
        advice = "check the name and the connection, or give a folder that save_pretrained wrote"
        if what == "the weights":
            advice = "pass --weights FILE, or --weights random for the untrained architecture"
        return Unfetched(
            f"{what} of hf:{self.name} must be fetched from {self.host} and could not be "
            f"({brief(error)}): {advice}"
        )


def _swap_channels(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each.flip(1) if isinstance(each, Tensor) else each for each in args)


def _does(processor: Any, step: str) -> bool:
    return bool(getattr(processor, f"do_{step}", None))


def _pair(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[1])) if isinstance(size, list | tuple) and size[1:] else None


def _size(given: Any) -> tuple[int, int] | None:
    """Read the size that an image processor gives images, (height, width)."""
    if isinstance(given, Mapping):
        known = dict(given)
    else:
        known = vars(given) if hasattr(given, "__dict__") else {"shortest_edge": given}
    if known.get("height") and known.get("width"):
        return int(known["height"]), int(known["width"])
    return _pair(known.get("shortest_edge"))
