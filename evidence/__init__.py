"""What the documentation says of trained networks, computed from their finished runs."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
