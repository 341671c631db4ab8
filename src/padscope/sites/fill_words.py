"""How the fills that come with the library are told of."""

# Completes "padding is refilled …".
FILL_WORDS = {
    "reflect": "by reflection",
    "replicate": "with its last values",
    "circular": "from the opposite side",
    "zeros": "with zeros",
    "mean": "with its channel's mean",
    "panorama": "from the opposite side, along the last axis alone",
    "shuffle": "with the border of another image",
    "core": "with values of the core",
}
PARTIAL = "partial"  # no fill: windows that touch zeros are scaled up to full ones
FILLS_GROUP = "padscope.fills"
