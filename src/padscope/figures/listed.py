"""The figures that there are, in the order in which they are listed."""

FIGURE_NAMES = (
    "depth", "neurons", "ladder", "baselines", "recall", "scores", "kinds", "origins", "scatter",
    "effects", "doses", "distances", "classes", "estimates", "views", "readout", "bands", "firing",
    "reach",
    "swaps", "border", "sizes", "tiles", "shares", "retrofit",
)  # fmt: skip
