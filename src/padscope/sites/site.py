"""A padded operation of a network, by name."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from padscope.sites.geometry import Window


@dataclass(frozen=True)
class Site:
    """One padded operation in one forward pass.

    Attributes
    ----------
    name : str
        Module path and, from the second call on, call order: ``blocks.2.1.conv_dw``, ``head#1``.
    op : str
        ``conv2d``, ``conv_transpose3d``, ``max_pool2d``, …
    window : Window
        Kernel, stride, dilation, padding per end, input and output sizes.
    groups, filters : int
        Groups and output channels (0 for what has no weights).
    fill : str
        What the padding holds: ``zeros``, ``reflect``, ``constant 0.5``, ``-inf``, …
    unscored : str
        Why its filters get no score; "" if they get one.
    below_autograd : bool
        Seen inside scripted code only: scored, but its gradients cannot be had.
    refillable : bool
        Whether its padding can be filled anew: that of a convolution, plain or transposed.
    """

    name: str
    op: str
    window: Window
    groups: int
    filters: int
    fill: str
    unscored: str = ""
    below_autograd: bool = False
    refillable: bool = False

    @property
    def scored(self) -> bool:
        """Whether the filters of this site get scores."""
        return not self.unscored

    @property
    def map_size(self) -> tuple[int, ...]:
        """Spatial size of the output, first axis first."""
        return self.window.out

    @property
    def contact(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Per axis, the lines in contact with padding from its first and from its last end."""
        return tuple(self.window.contact(axis) for axis in range(len(self.window.out)))

    def kernel(self, weight: Tensor, index: int) -> Tensor:
        """Weights of one filter.

        Parameters
        ----------
        weight : Tensor
            Weight of the operation, as it was given it.
        index : int
            Filter: output channel.

        Returns
        -------
        (C_in / groups, *kernel) Tensor
        """
        if not self.window.transposed:
            return weight[index]
        # Transposed convolutions keep (C_in, C_out / groups, *kernel).
        group, within = divmod(index, weight.shape[1])
        inputs = weight.shape[0] // self.groups
        return weight[group * inputs : (group + 1) * inputs, within]
