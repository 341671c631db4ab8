"""What is said of an image that could not be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skipped:
    """An image which could not be read: its index, its name, and why."""

    index: int
    name: str
    reason: str
