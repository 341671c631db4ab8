"""The settings of the stages of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from padscope.errors import PadscopeError

AUTO = "auto"  # as a device: the best there is
# More values of a line make its KS less noisy and less biased upwards; more positions in one image
# bring less than more images do.
ENOUGH = 1000
MOST = 4
FEWEST_IMAGES = 20  # below it, effects and their intervals mean little


@dataclass(frozen=True)
class ScanSettings:
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
        Stop before all images are seen if every filter farther than `evidence.UNDECIDED_BAND`
        from the candidates' cut is decided at the 95 % level.
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
        counted = ("batch_size", "crops", "per_line", "per_core", "calibrate", "limit")
        _refuse(self, counted, ("seed",))

    def positions(self, images: int | None) -> tuple[int, int]:
        """Positions per image on a line and in the core, for so many images (None: unknown).

        Examples
        --------
        >>> ScanSettings().positions(1000), ScanSettings().positions(400)
        ((1, 4), (3, 12))
        """
        enough = min(MOST, max(1, -(-ENOUGH // images))) if images else 1
        per_line = self.per_line or enough
        return per_line, self.per_core or 4 * per_line


@dataclass(frozen=True)
class ExplainSettings:
    """What explaining does; part of an explanation's identity.

    Attributes
    ----------
    limit : int or None
        Most images to run with real surroundings; None for all.
    margin : int or None
        Pixels of real surroundings at each end of every axis. None: by the total stride of the
        network; see `sites.alignment.choose_margin`.
    seed : int
        Of the positions looked at, the fresh weights, the shuffling and the resampling.
    batch_size : int
        Crops per forward pass, and canvases; fewer where canvases are large.
    per_line, per_core, per_deeper : int or None
        Positions looked at per image on line 0, in the core, and on deeper lines and corners.
        None: by the number of images and the length of the line; see `regions.SampleSize`.
    calibrate : int
        First images, to which the bins are fitted.
    content : float
        Share of the core's values that may lie beyond the threshold of a filter's border recall.
    baselines : int
        Networks of each kind that are run beside the given one: with fresh weights, and with random
        kernels that keep the mean and spread of every filter.
    baseline_images : int
        First images that these are run on.
    shuffled : bool
        Whether one more is run, with the given weights shuffled within each layer.
    explain_cause : bool
        Whether one more is run whose batch norms shift nothing: it tells whether zero is an unusual
        value because of their shifts.
    check : int
        Images on which the margin is doubled, to see whether it suffices.
    resamples : int
        Of the images, for the stability of kinds.
    """

    limit: int | None = 96
    margin: int | None = None
    seed: int = 0
    batch_size: int = 16
    per_line: int | None = None
    per_core: int | None = None
    per_deeper: int | None = None
    calibrate: int = 32
    content: float = 0.01
    baselines: int = 3
    baseline_images: int = 25
    shuffled: bool = False
    explain_cause: bool = False
    check: int = 6
    resamples: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        counted = ("limit", "margin", "batch_size", "per_line", "per_core", "per_deeper",
                   "calibrate", "resamples", "baseline_images")  # fmt: skip
        _refuse(self, counted, ("seed", "baselines", "check"))
        if not 0 < self.content < 0.5:
            raise PadscopeError(
                f"content is {self.content}; give a share of the content above 0 and below 0.5"
            )

    @classmethod
    def quick(cls, **given: Any) -> Self:
        """Take few images, and no check of the margin: a first answer."""
        return cls(**{"limit": 32, "baseline_images": 16, "check": 0} | given)

    @classmethod
    def thorough(cls, **given: Any) -> Self:
        """Take more images for the baselines and for the check of the margin."""
        return cls(**{"baseline_images": 32, "check": 16} | given)


@dataclass(frozen=True)
class ImpactSettings:
    """What measuring the impact does; part of its identity.

    Attributes
    ----------
    limit : int or None
        Most images; None for all. At least `FEWEST_IMAGES`.
    seed : int
        Of control draws, disturbances and resampling.
    batch_size : int
        Images per forward pass.
    fill : str
        What padding is filled with when it is undone, by name: see `padscope.repad`.
    draws : int
        Control sets drawn for every set of filters.
    draws_each : int or None
        How many of them every image is run with, for the set that use is judged by and for all
        confirmed filters; every draw is then run on its own part of the images. With other changes
        and numbers of filters it is one, and likewise of disturbances. None: all on every image.
    disturbances : int
        Draws of the same disturbance in the core, for the set that use is judged by.
    part_images : int or None
        Images for the second fill, for silencing, and for kinds and sides; None for all.
    check, check_images : int
        Filters on which the estimates are compared with exact effects, and images for that.
    dose_images : int
        Images on which ever more filters are undone.
    class_images : int
        Images of which it is kept how the probability of every class changes.
    canvas_images : int
        Images that are shifted, cropped and enlarged, and in which false borders are drawn.
    fine : bool
        Whether kinds, sides and partners have controls of their own, numbers of filters grow by the
        factor 2 instead of 4, and all shifts, sizes, crops and widths of false borders are seen
        instead of the most telling.
    resamples : int
        Of the images, for intervals.
    output : str or None
        Which entry of what the model returns is its answer; see `effects.read_answer`.
    metric : str or None
        ``package.module:function`` that scores an answer.
    """

    limit: int | None = 48
    seed: int = 0
    batch_size: int = 16
    fill: str = "reflect"
    draws: int = 20
    draws_each: int | None = 2
    disturbances: int = 5
    part_images: int | None = 24
    check: int = 30
    check_images: int = 10
    dose_images: int = FEWEST_IMAGES
    class_images: int = 200
    canvas_images: int = 12
    fine: bool = False
    resamples: int = 1000
    output: str | None = None
    metric: str | None = None

    @classmethod
    def thorough(cls, **given: Any) -> Self:
        """Run every draw on every image, and all that is left out or run on few by default.

        Examples
        --------
        >>> ImpactSettings.thorough(draws=40).draws_each is None
        True
        """
        every: dict[str, Any] = {
            "draws_each": None, "part_images": None, "check": 60, "check_images": 48,
            "canvas_images": 32, "fine": True,
        }  # fmt: skip
        return cls(**every | given)

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        counted = ("batch_size", "draws", "draws_each", "part_images", "check", "check_images",
                   "dose_images", "class_images", "canvas_images", "resamples")  # fmt: skip
        _refuse(self, counted, ("seed", "disturbances"))
        if self.limit is not None and self.limit < FEWEST_IMAGES:
            raise PadscopeError(
                f"limit is {self.limit}; effects need {FEWEST_IMAGES} images or more"
            )


@dataclass(frozen=True)
class DepthSettings:
    """What measuring the depth of padding does; part of its identity.

    Attributes
    ----------
    limit : int or None
        Most images; None for all.
    size : tuple of int or None
        Pixels of a crop per axis. None: those of the run, or the size the model was made for.
    margin : int or None
        Pixels of real surroundings at each end of every axis; see `ExplainSettings`.
    tolerance : float
        In spreads of a map: what is less is no difference.
    seed : int
        Of the choice of images, of their crops and of the resampling.
    batch_size : int
        Crops per forward pass; fewer canvases, by their area.
    resamples : int
        Of the images, for intervals.
    output : str or None
        Which entry of what the model returns is its answer; see `effects.read_answer`.
    """

    limit: int | None = 32
    size: tuple[int, ...] | None = None
    margin: int | None = None
    tolerance: float = 0.01
    seed: int = 0
    batch_size: int = 16
    resamples: int = 1000
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _refuse(self, ("limit", "margin", "batch_size", "resamples"), ("seed",))
        if not 0 < self.tolerance < 1:
            raise PadscopeError(
                f"tolerance is {self.tolerance}; give a share of a map's spread above 0 and below 1"
            )


# Share of its spread by which a map may move where nothing is to change.
STILL = 0.01


@dataclass(frozen=True)
class RetrofitSettings(DepthSettings):
    """What retrofitting does, beside what `DepthSettings` say; part of its identity.

    Attributes
    ----------
    limit : int or None
        Most images, of two thirds of whose photographs the network is tuned; the others compare.
    fill : str
        What is tuned: ``zeros``, ``reflect``, ``replicate`` or ``circular`` padding.
    steps : int
        Times that all padding is fitted anew: what deep layers are given depends on that before
        them.
    """

    limit: int | None = 96
    fill: str = "replicate"
    steps: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        super().__post_init__()
        _refuse(self, ("steps",), ())


# What comes in place of a network's padding if nobody says: fills, and partial convolution.
SWAPPED = ("zeros", "reflect", "replicate", "circular", "panorama", "mean", "shuffle", "partial")


@dataclass(frozen=True)
class SwapSettings:
    """What measuring the swaps does; part of their identity.

    Attributes
    ----------
    fills : tuple of str
        What comes in place of all padding, one after the other: see `padscope.repad`; or
        ``partial``, for partial convolution.
    limit : int or None
        Most images whose answers are compared; None for all. At least `FEWEST_IMAGES`.
    border_images : int
        Images on which the border is compared with that of real surroundings; 0 for none.
    reestimate : int
        Images, the first of those compared, from which the statistics of batch norms are estimated
        anew under every swap, and without any; 0 for none.
    size : tuple of int or None
        Pixels of an input per axis. None: those of the run, or the size the model was made for.
    margin : int or None
        Pixels of real surroundings at each end of every axis; see `ExplainSettings`.
    seed : int
        Of the choice of images, of crops and of the resampling.
    batch_size : int
        Images per forward pass.
    resamples : int
        Of the images, for intervals.
    output, metric : str or None
        As of `ImpactSettings`.
    """

    fills: tuple[str, ...] = SWAPPED
    limit: int | None = 48
    border_images: int = 16
    reestimate: int = 0
    size: tuple[int, ...] | None = None
    margin: int | None = None
    seed: int = 0
    batch_size: int = 16
    resamples: int = 1000
    output: str | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _refuse(
            self,
            ("limit", "margin", "batch_size", "resamples"),
            ("seed", "border_images", "reestimate"),
        )
        if not self.fills:
            raise PadscopeError(f"there is nothing to swap; give fills, such as {SWAPPED[1]}")


@dataclass(frozen=True)
class SizeSettings:
    """What measuring input sizes does; part of their identity.

    Attributes
    ----------
    limit : int or None
        Most images; None for all. At least `FEWEST_IMAGES`.
    size : tuple of int or None
        The wanted size in pixels per axis. None: that of the run, or that of the model.
    seed : int
        Of the choice of images, of crops and of the resampling.
    batch_size : int
        Images per forward pass.
    resamples : int
        Of the images, for intervals.
    output, metric : str or None
        As of `ImpactSettings`.
    """

    limit: int | None = 48
    size: tuple[int, ...] | None = None
    seed: int = 0
    batch_size: int = 16
    resamples: int = 1000
    output: str | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _refuse(self, ("limit", "batch_size", "resamples"), ("seed",))


@dataclass(frozen=True)
class TileSettings:
    """What trying tiles does; part of their identity.

    Attributes
    ----------
    tiles : tuple of int
        Pixels of tiles along every axis, whose cost is told. The halo is looked for with the
        smallest; without any, with tiles of half an image.
    halos : tuple of int
        Further halos to try, such as those in use.
    tolerance : float
        Greatest difference from the whole of any value that is none, in spreads of the answer.
    memory : int or None
        Bytes that a tile may hold, to find the largest that does not hold more.
    offset : int
        By how many pixels the tiles whose difference is split into shares begin out of step.
    limit : int
        Most images.
    seed : int
        Of the choice of images, of crops and of the resampling.
    resamples : int
        Of the images, for intervals.
    output : str or None
        As of `ImpactSettings`.
    """

    tiles: tuple[int, ...] = ()
    halos: tuple[int, ...] = ()
    tolerance: float = 0.01
    memory: int | None = None
    offset: int = 0
    limit: int = 4
    seed: int = 0
    resamples: int = 1000
    output: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        _refuse(self, ("limit", "resamples", "memory"), ("seed", "offset", "tolerance"))
        if min(self.tiles, default=1) < 1:
            raise PadscopeError(f"a tile of {min(self.tiles)} cannot be run; give 1 or more")


def _refuse(settings: object, from_one: tuple[str, ...], from_zero: tuple[str, ...]) -> None:
    for name in (*from_one, *from_zero):
        value, least = getattr(settings, name), int(name in from_one)
        if value is not None and value < least:
            raise PadscopeError(f"{name} is {value}; give {least} or more")
