"""The planted networks, by name."""

from __future__ import annotations

from collections.abc import Callable

from padscope.planted import chains, single_layer
from padscope.planted.network import PlantedNetwork


def networks() -> dict[str, PlantedNetwork]:
    """Build all planted networks, by name.

    Returns
    -------
    dict
        ``sides``: one layer; single sides, pairs, frames, and kernels that see none.
        ``ordinary``: Sobel, Gabor, … kernels, which answer to zeros as they do to edges.
        ``inherited``: what later layers make of earlier layers' signals, and of their own.
        ``corners``: filters that answer at a corner only.
        ``one axis``, ``pointwise``, ``depthwise``, ``dilated``, ``strided``, ``strided odd``,
        ``same``, ``transposed``: other geometries. The last one's outputs alternate between
        two patterns, so lines differ from the core without padding too.
        ``high fill``, ``inner fill``, ``reflect``, ``replicate``: other fills than zero.
        ``1d``, ``3d``: other dimensions.
    """
    return {name: build() for name, build in _BUILDERS.items()}


_BUILDERS: dict[str, Callable[[], PlantedNetwork]] = {
    "sides": single_layer.sides,
    "ordinary": single_layer.ordinary,
    "inherited": chains.inherited,
    "corners": chains.corners,
    "one axis": chains.one_axis,
    "pointwise": single_layer.padded_pointwise,
    "depthwise": chains.depthwise,
    "dilated": chains.dilated,
    "strided": lambda: chains.strided(32, (1, 1)),
    "strided odd": lambda: chains.strided(33, (1, 1)),
    "same": lambda: chains.strided(32, (0, 1)),
    "transposed": single_layer.transposed,
    "high fill": lambda: single_layer.filled(4.0),
    "inner fill": lambda: single_layer.filled(0.25),
    "reflect": lambda: chains.mirrored("reflect"),
    "replicate": lambda: chains.mirrored("replicate"),
    "1d": chains.one_dimension,
    "3d": single_layer.three_dimensions,
}
