"""The report: a pure function of stored results."""

from handpicked.report.comparison import render_comparison
from handpicked.report.files import read, write
from handpicked.report.page import render

__all__ = ["read", "render", "render_comparison", "write"]
