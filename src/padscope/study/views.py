"""How a study is shown, and sent elsewhere: by what builds on it, imported when it is asked for.

What is said and drawn of a study stands to the right of it in the import order; its methods find
it by name, so that a study can be had without what draws it.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

VIEWS = {
    "opening": "padscope.findings.headline:opening",
    "card": "padscope.notebook:make_card",
    "plot": "padscope.figures.rendering:figure_chart",
    "summary": "padscope.notebook:draw_summary",
    "log_to": "padscope.export:log_to",
    "push_to_hub": "padscope.export:push_to_hub",
}


def view(name: str, *given: Any, **how: Any) -> Any:
    """Show something in one of the `VIEWS`."""
    return resolve_name(VIEWS[name])(*given, **how)
