"""Train two small U-Nets on a synthetic task, and say why their tiles differ from the whole.

Run from a checkout; it takes about a minute::

    python -m evidence tile_shares
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evidence.wording import markdown
from padscope import tile_shares
from padscope.running.tile_shares import CAUSES, TileShares

TILE, WIDE, IMAGES = 32, 128, 12
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance norm": lambda width: nn.InstanceNorm2d(width, affine=True),
    "batch norm": nn.BatchNorm2d,
}


class UNet(nn.Module):
    """Two levels, a norm behind every padded convolution."""

    def __init__(self, norm: Callable[[int], nn.Module], width: int = 6) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), nn.ReLU())

        self.down, self.low = block(1, width), block(width, 2 * width)
        self.up, self.head = block(3 * width, width), nn.Conv2d(width, 1, 1)
        self.pool, self.grow = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Segment (N, 1, H, W) images, H and W even."""
        high = self.down(x)
        low = self.grow(self.low(self.pool(high)))
        answer: Tensor = self.head(self.up(torch.cat([high, low], dim=1)))
        return answer


def pictures(count: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw blobs under noise, and where they are: two (count, 1, size, size) tensors."""
    generator = torch.manual_seed(seed)
    coarse = torch.rand(count, 1, size // 16, size // 16, generator=generator)
    blobs = F.interpolate(coarse, size=(size, size), mode="bilinear")
    noise = torch.rand(count, 1, size, size, generator=generator)
    return blobs + 0.3 * noise, (blobs > 0.5).float()


def trained(norm: Callable[[int], nn.Module], steps: int = 200) -> nn.Module:
    """Train a U-Net to find the blobs."""
    torch.manual_seed(1)
    net = UNet(norm)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for step in range(steps):
        x, y = pictures(4, 32, step)
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return net.eval()


def main() -> None:
    """Print the shares of both networks, with and without a halo, in step and out of it."""
    wide, where = pictures(IMAGES, WIDE, 99)
    rows = []
    for name, norm in NORMS.items():
        net = trained(norm)
        with torch.no_grad():
            right = ((net(wide) > 0).float() == where).float().mean().item()
        for halo, offset in ((0, 0), (16, 0), (16, 1)):
            found = tile_shares(net, wide, TILE, halo, offset=offset)
            rows.append((name, f"{right:.1%}", str(halo), str(offset), *_cells(found)))
    header = ("network", "pixels right", "halo", "offset", "difference (spreads)", *CAUSES)
    print(markdown(header, rows, names=1))


def _cells(found: TileShares) -> tuple[str, ...]:
    shares = (f"{s.value:.0%} [{s.low:.0%} to {s.high:.0%}]" for s in found.shares)
    return (f"{found.difference:.2g}", *shares)


if __name__ == "__main__":
    main()
