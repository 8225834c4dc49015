"""Reports of finished runs, rendered again from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handpicked.report import read, render_comparison, write
from handpicked.results.schema import Results
from handpicked.store import write_text
from handpicked.votes.open import with_votes


@dataclass(frozen=True)
class Rendered:
    """A page, and the results of the runs that it shows."""

    page: Path
    results: tuple[Results, ...]


def render(runs: str | Path | Sequence[str | Path], out: str | Path | None = None) -> Rendered:
    """Render the report of a run again, with its votes, or compare several runs on one page.

    ``out`` is the folder of the page: by default the run's own, or ``runs`` for a comparison. Raises
    StoreError if a folder holds no results, or ``out`` cannot be written.
    """
    folders = [Path(one) for one in ([runs] if isinstance(runs, str | Path) else runs)]
    results = tuple(read(folder) for folder in folders)
    if len(folders) == 1:
        results = (with_votes(results[0], folders[0]),)
        return Rendered(write(results[0], folders[0] if out is None else Path(out)), results)
    page = Path("runs" if out is None else out) / "comparison.html"
    write_text(page, render_comparison(list(results)))
    return Rendered(page, results)
