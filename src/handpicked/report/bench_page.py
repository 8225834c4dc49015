"""``report.html`` of the benchmarks of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked._version import __version__
from handpicked.pages.shell import shell
from handpicked.report.figures import Score
from handpicked.report.page import environment
from handpicked.results.sections.benchmarks import BenchmarkRow


@dataclass(frozen=True)
class BenchPage:
    """What the page says of ``model``; ``kept`` are results of earlier versions that were kept."""

    handpicked: str
    model: str
    scores: tuple[Score, ...]
    kept: tuple[str, ...]


def render_bench(model: str, rows: Sequence[BenchmarkRow], kept: Sequence[str] = ()) -> str:
    """The page of a model's benchmarks, the same bytes for the same results."""
    page = BenchPage(__version__, model, tuple(found for row in rows for found in _scores(row)), tuple(kept))
    return environment().get_template("bench.html.j2").render(page=page, **shell())


def _scores(row: BenchmarkRow) -> list[Score]:
    if row.members:
        setup = f"average of {', '.join(row.members)}"
    else:
        setup = f"{row.shots or 0}-shot{', as a chat' if row.chat else ''}"
    if not row.higher_is_better:
        setup += ", lower is better"
    return [
        Score(row.benchmark, row.metric, setup, cell.score, cell.failed, cell.reason or "", row.notes)
        for cell in row.arms
    ]
