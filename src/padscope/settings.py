"""The settings of a run."""

from __future__ import annotations

from dataclasses import dataclass

from padscope.errors import PadscopeError

# More values of a line make its KS less noisy and less biased upwards; more positions in one image
# bring less than more images do.
ENOUGH = 1000
MOST = 4


@dataclass(frozen=True)
class Settings:
    """What a scan does; part of a run's identity.

    Attributes
    ----------
    limit : int or None
        Most images to look at, drawn at random from a larger set; None for all.
    seed : int
        Of the choice of images, of their crops and of the positions looked at.
    batch_size : int
        Images per forward pass. Models exported with a fixed batch size override it.
    crops : int
        Random crops of the built-in photographs, when no images are given.
    per_line, per_core : int or None
        Positions looked at per image, on line 0 of each side and in the core. None: as many as
        bring about `ENOUGH` values of each line together, at most `MOST`, and 4 times that.
    calibrate : int
        First images, to which the bins are fitted.
    until_stable : bool
        Stop before all images are seen if every filter farther than `kinds.MARGIN` from the
        candidates' cut is decided at the 95 % level.
    """

    limit: int | None = 1000
    seed: int = 0
    batch_size: int = 16
    crops: int = 256
    per_line: int | None = None
    per_core: int | None = None
    calibrate: int = 32
    until_stable: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        for name in ("batch_size", "crops", "per_line", "per_core", "calibrate", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PadscopeError(f"{name} is {value}; give 1 or more")
        if self.seed < 0:
            raise PadscopeError(f"seed is {self.seed}; give 0 or more")

    def positions(self, images: int | None) -> tuple[int, int]:
        """Positions per image on a line and in the core, for so many images (None: unknown).

        Examples
        --------
        >>> Settings().positions(1000), Settings().positions(400)
        ((1, 4), (3, 12))
        """
        enough = min(MOST, max(1, -(-ENOUGH // images))) if images else 1
        per_line = self.per_line or enough
        return per_line, self.per_core or 4 * per_line
