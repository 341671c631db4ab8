"""The section on how deep padding reaches into a network."""

from __future__ import annotations

from padscope.findings.depth import depth_lines, depth_listing
from padscope.report.parts import Part, drawn
from padscope.study import Depth, Study


def depth_part(study: Study, depth: Depth) -> Part:
    """Say and draw how deep padding reaches, beside how deep it can."""
    return Part(
        "reach", "How deep padding reaches",
        said=depth_lines(depth),
        notes=[
            "Every image is run as a crop, and with real surroundings; what differs is due to "
            "padding. Beside it stands how deep padding can reach, from the operations alone. "
            "Tiles and crops of dense networks need no more than the measured depth."
        ],
        charts=drawn(study, "reach", "Difference by distance from each side."),
        tables=[("reach-rows", "Depth of padding by map and side", depth_listing(depth))],
        folded=True,
    )  # fmt: skip
