"""The truth about one filter."""

from __future__ import annotations

from dataclasses import dataclass

NASCENT, INHERITED, BOTH = "nascent", "inherited", "both"
EXCITED, INHIBITED, MIXED = "excited", "inhibited", "mixed"


@dataclass(frozen=True)
class Cause:
    """How padding changes a filter's activations at one side.

    Attributes
    ----------
    side : str
    origin : {"nascent", "inherited", "both"}
        Made by the site's own padding, arriving with its input, or both.
    sign : {"excited", "inhibited"}
        Whether the padded activations are the higher or the lower ones.
    reach : int
        Last line that shifts, however little; 0 if only the outermost one does.
    note : str
        Why physics keeps the Kolmogorov-Smirnov distance under 0.5; "" where it does not.
    """

    side: str
    origin: str
    sign: str
    reach: int
    note: str = ""


@dataclass(frozen=True)
class Plant:
    """The truth about one filter.

    Attributes
    ----------
    site : str
        Module path of its convolution.
    filter : int
        Output channel.
    family : str
        ``top tap``, ``frame``, ``blur``, ``Gabor 45°``, …
    causes : tuple of Cause
        One for each side at which padding shifts the activations.
    faint : frozenset of str
        Sides at which padding changes single values while their mean stays: the distribution
        barely changes or only its spread does. To be judged neither way.
    corners : frozenset of str
        Of filters that answer to two paddings together and to no single one: ``top-left``, ….
    dedicated : bool
        Built to watch the border; not an ordinary filter that answers to it as it does to edges.
    """

    site: str
    filter: int
    family: str
    causes: tuple[Cause, ...] = ()
    faint: frozenset[str] = frozenset()
    corners: frozenset[str] = frozenset()
    dedicated: bool = True

    @property
    def sides(self) -> frozenset[str]:
        """Sides at which padding shifts the activations; empty if it is not seen."""
        return frozenset(cause.side for cause in self.causes)

    @property
    def origin(self) -> str:
        """Origin over all sides: ``nascent``, ``inherited``, ``both`` or "" (no side)."""
        origins = {cause.origin for cause in self.causes}
        return origins.pop() if len(origins) == 1 else BOTH if origins else ""

    @property
    def sign(self) -> str:
        """Sign over all sides: ``excited``, ``inhibited``, ``mixed`` or "" (no side)."""
        signs = {cause.sign for cause in self.causes}
        return signs.pop() if len(signs) == 1 else MIXED if signs else ""

    def cause(self, side: str) -> Cause | None:
        """Tell what padding does at one side; None if nothing."""
        return next((cause for cause in self.causes if cause.side == side), None)
