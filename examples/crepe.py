"""CREPE, pitch from sound by convolutions in time: a network in one dimension.

Its padding is explicit, unequal on the two ends, and zero, before each of its six convolutions.

References
----------
Kim, Salamon, Li, Bello: CREPE: A Convolutional Representation for Pitch Estimation. ICASSP 2018.
arXiv 1802.06182.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

FRAME = 1024  # samples, at 16 kHz
PITCHES = 360
TINY = (128, 16, 16, 16, 32, 64)
FIRST_CENTS, CENTS = 1997.38, 20.0  # of the first pitch, above 10 Hz, and between two


class Crepe(nn.Module):
    """Tells the pitch of a frame of sound.

    Parameters
    ----------
    channels : sequence of int
        Of the six convolutions.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": (1, FRAME), "mean": (0.0,), "std": (1.0,)}
        before = 1
        self.convolutions = len(channels)
        for number, width in enumerate(channels, start=1):
            kernel, stride = (512, 4) if number == 1 else (64, 1)
            setattr(self, f"conv{number}", nn.Conv1d(before, width, kernel, stride))
            setattr(self, f"conv{number}_BN", nn.BatchNorm1d(width, eps=1e-3))
            before = width
        self.classifier = nn.Linear(4 * before, PITCHES)

    def forward(self, x: Tensor) -> Tensor:
        """Map frames of mean 0 and variance 1, (N, 1, 1024), to probabilities (N, 360)."""
        pitches: Tensor = self.classifier(self.features(x).movedim(1, 2).flatten(1))
        return pitches.sigmoid()

    def features(self, x: Tensor) -> Tensor:
        """Map sound of any length, (N, 1, samples), to what the classifier sees every 256."""
        for number in range(1, self.convolutions + 1):
            x = F.pad(x, (254, 254) if number == 1 else (31, 32))
            x = F.relu(self.get_submodule(f"conv{number}")(x))
            x = F.max_pool1d(self.get_submodule(f"conv{number}_BN")(x), 2)
        return x


def tiny() -> Crepe:
    """Build the smallest of its sizes: 0.5 M parameters."""
    return Crepe(TINY)
