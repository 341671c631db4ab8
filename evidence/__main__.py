"""Fill the tables of the documentation: `python -m evidence NAME`, or `NAME --help`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from padscope.errors import near

SCRIPTS = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef main(" in path.read_text()
)


def run() -> None:
    """Run the script that is named first, with the arguments after it."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in SCRIPTS:
        sys.exit(f"python -m evidence NAME: {near(name, SCRIPTS)}")
    sys.argv = [f"python -m evidence {name}", *arguments]
    import_module(f"evidence.{name}").main()


if __name__ == "__main__":
    run()
