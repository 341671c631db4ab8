"""What stands between a batch of images and a model whose forward takes something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from padscope.errors import PadscopeError, brief
from padscope.models.importing import import_target, working_directory_importable


@dataclass(frozen=True)
class InputAdapter:
    """A function from a batch of images to what a model's forward takes.

    Attributes
    ----------
    name : str
        ``package.module:function``, or what the function is called.
    function : callable
        Given (N, C, *spatial) images, on the model's device and of its precision, it returns the
        tensor, tuple of positional arguments or mapping of named ones that forward is called with.
    """

    name: str
    function: Callable[[Tensor], object]

    @classmethod
    def of(cls, given: str | Callable[[Tensor], object]) -> InputAdapter:
        """Import a function by its name, or take one as it is.

        Raises
        ------
        PadscopeError
            It cannot be imported, or is not callable.
        """
        if not isinstance(given, str):
            name = getattr(given, "__qualname__", type(given).__name__)
            return cls(f"{getattr(given, '__module__', '?')}:{name}", given)
        function = import_target(given, "the input adapter", "a function of a batch of images")
        return cls(given, function)

    def attach(self, module: nn.Module) -> None:
        """Have a model called with what the function makes of images, from now on.

        Layers keep their names, and copies of the model keep the adapter.
        """
        # Before other hooks, such as the check of its input that an exported program makes.
        module.register_forward_pre_hook(self._adapt, prepend=True, with_kwargs=True)

    def _adapt(
        self, _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            with working_directory_importable():
                made = self.function(*args, **named)
        except PadscopeError:
            raise
        except Exception as error:
            shapes = " and ".join(str(tuple(each.shape)) for each in args)
            raise PadscopeError(
                f"the input adapter {self.name} failed on images of shape {shapes}: "
                f"{brief(error)}; it is given a batch of images"
            ) from error
        if isinstance(made, Tensor):
            return (made,), {}
        if isinstance(made, tuple):
            return made, {}
        if isinstance(made, Mapping) and all(isinstance(key, str) for key in made):
            return (), dict(made)
        raise PadscopeError(
            f"the input adapter {self.name} returned {type(made).__name__}: it must return what "
            "forward takes, as a tensor, a tuple of arguments or a dict of named ones"
        )
