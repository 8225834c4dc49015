"""The report: a pure function of stored results."""

from handpicked.report.files import write
from handpicked.report.page import render

__all__ = ["render", "write"]
