"""Colours of the figures: names of the page's style sheet, which print resolves."""

from __future__ import annotations

PAPER, INK, MUTED, FAINT, BORDER = (
    f"var(--{name})" for name in ("paper", "ink", "muted", "rule", "border")
)
# As on the page in daylight.
PRINTED = {
    PAPER: "#ffffff", INK: "#1c2126", MUTED: "#5a636c", FAINT: "#dcdfe1", BORDER: "#c24e00",
}  # fmt: skip


def printed(text: str) -> str:
    """Resolve the colours of a specification or of a drawing.

    Examples
    --------
    >>> printed('fill="var(--ink)"')
    'fill="#1c2126"'
    """
    for name, colour in PRINTED.items():
        text = text.replace(name, colour)
    return text
