"""Figures, drawings and one self-contained HTML page."""

from padscope.report.charts import depth_chart
from padscope.report.drawings import picture
from padscope.report.page import render_report

__all__ = ["depth_chart", "picture", "render_report"]
