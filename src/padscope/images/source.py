"""What a scan consumes: numbered images, each of which gives the same tensor every time."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from padscope.errors import PadscopeError


class UnreadableImage(PadscopeError):  # noqa: N818 - it names a state of the image
    """One image cannot be decoded: it is skipped, counted and named, and the scan goes on.

    Parameters
    ----------
    name : str
        The image, as its source names it.
    reason : str
        What is wrong with it, in a few words.
    """

    def __init__(self, name: str, reason: str) -> None:
        # Both go to `args`, from which exceptions are rebuilt on the other side of a process.
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        """Return the sentence shown to the user."""
        return f"cannot read {self.name}: {self.reason}"


@runtime_checkable
class Images(Protocol):
    """Images with random access.

    `tensor` depends on its index alone, whoever asks and in whichever order, so that any number of
    workers sees the same images as one. It is called from several threads.
    """

    def __len__(self) -> int:
        """Return the number of images, readable or not."""
        ...

    def name(self, index: int) -> str:
        """Return what people call the image."""
        ...

    def group(self, index: int) -> int:
        """Return the independent photograph which the image comes from.

        Crops of one photograph share it. Groups, not pixels, are the unit of chance.
        """
        ...

    def tensor(self, index: int) -> Tensor:
        """Return the image, ready for the model.

        Returns
        -------
        (C, *spatial) float32 tensor

        Raises
        ------
        UnreadableImage
            It cannot be decoded.
        """
        ...

    def fingerprint(self) -> str:
        """Return a hex digest of which images these are and how they are cropped."""
        ...

    def describe(self) -> str:
        """Return one line for people, such as "400 of 600 photographs in photos/ (seed 0)"."""
        ...
