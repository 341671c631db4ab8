"""Figures, drawings and one self-contained HTML page."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.report.page import render_report

__all__ = ["render_report"]

__getattr__, __dir__ = lazily(__name__)
