"""Figures, drawings and one self-contained HTML page."""

from padscope.report.page import render_report

__all__ = ["render_report"]
