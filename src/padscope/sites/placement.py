"""Images where a model is, and of its type."""

from __future__ import annotations

from torch import Tensor, nn


def placed(model: nn.Module, pixels: Tensor) -> Tensor:
    """Put images on a model's device, and give them the type of its first weight.

    Examples
    --------
    >>> import torch
    >>> placed(nn.Conv2d(1, 1, 1).bfloat16(), torch.zeros(1, 1, 2, 2)).dtype
    torch.bfloat16
    """
    # Weights of one byte are quantised, and say nothing of what is multiplied with them.
    weights = (weight for weight in model.parameters() if weight.is_floating_point())
    weight = next((weight for weight in weights if weight.itemsize > 1), None)
    if weight is None:
        return pixels
    dtype = weight.dtype if pixels.is_floating_point() else None
    return pixels.to(weight.device, dtype, non_blocking=True)
