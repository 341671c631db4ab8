"""Colours of the figures: names of the page's style sheet, which print resolves."""

from __future__ import annotations

# In daylight. The chart's are Okabe and Ito's, which are told apart with any colour vision; the
# page brightens them in the dark.
COLOURS = {
    "paper": "#ffffff", "ink": "#1c2126", "muted": "#5a636c", "rule": "#dcdfe1",
    "border": "#c24e00", "chart-blue": "#0072b2", "chart-sky": "#56b4e9",
    "chart-orange": "#d55e00", "chart-green": "#009e73", "chart-grey": "#999999",
    "chart-yellow": "#f0e442", "chart-amber": "#e69f00", "chart-pink": "#cc79a7",
}  # fmt: skip
PAPER, INK, MUTED, FAINT, BORDER, BLUE, SKY, ORANGE, GREEN, GREY, YELLOW, AMBER, PINK = (
    f"var(--{name})" for name in COLOURS
)


def printed(text: str) -> str:
    """Resolve the colours of a specification or of a drawing.

    Examples
    --------
    >>> printed('fill="var(--ink)"')
    'fill="#1c2126"'
    """
    for name, colour in COLOURS.items():
        text = text.replace(f"var(--{name})", colour)
    return text
