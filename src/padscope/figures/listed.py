"""The figures that there are, in the order in which they are listed: name, and what draws it."""

from __future__ import annotations

from collections.abc import Mapping

FIGURES: Mapping[str, str] = {
    "depth": "depth:depth", "neurons": "neurons:neurons",
    **{name: f"causes:{name}" for name in (
        "ladder", "baselines", "recall", "scores", "kinds", "origins", "scatter",
    )},
    **{name: f"effects:{name}" for name in (
        "effects", "doses", "distances", "classes", "estimates",
    )},
    **{name: f"positions:{name}" for name in ("views", "readout", "bands", "firing")},
    "reach": "reach:reach",
    **{name: f"changes:{name}" for name in ("swaps", "border", "sizes")},
    "tiles": "tiles:tiles", "shares": "tiles:shares", "retrofit": "retrofit:retrofit",
}  # fmt: skip
