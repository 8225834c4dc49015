"""What ``handpicked select`` does once its options are read. Imported only then: all it needs takes a while."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from handpicked.cli.bars import bars
from handpicked.cli.terminal import next_step, say
from handpicked.config import SelectSettings
from handpicked.pages.table import text
from handpicked.records import Pool, SelectionSummary, Turns
from handpicked.report.selected_tables import measure_table
from handpicked.scorers.text.of_part import SAID
from handpicked.selection import compare_measures, pick
from handpicked.selection.audit import Truncation
from handpicked.selection.execution import Execution
from handpicked.selection.hub import push
from handpicked.selection.reasons import rejection_lines, unread_lines
from handpicked.selection.result import PAGE, Form
from handpicked.selection.summary_text import exported_lines, summary_lines
from handpicked.selection.template_tokens import overhead
from handpicked.settings import assigned, score_settings, settings_of
from handpicked.workers import Workers

__all__ = ["Form", "Subset", "compare", "settings", "truncation", "upload", "write"]

Agreement = Mapping[str, Mapping[str, float | None]]


def settings(
    given: Mapping[str, object],
    method: Mapping[str, object],
    scorer: Mapping[str, object],
    set_: Sequence[str],
) -> SelectSettings:
    """The settings of a selection: ``given`` by options of any method, ``method`` by those of one, ``scorer``
    by those of its scorers, and ``set_`` as NAME=VALUE.
    """
    named, scorers = assigned(set_)
    score = score_settings(scorers, **scorer)
    return settings_of(SelectSettings, {**given, "options": {**named, **method}, "score": score})


def truncation(max_length: int | None, template: str | None, tokenizer: str | None) -> Truncation | None:
    """What a trainer cuts, where ``--max-length`` asks for it."""
    added = 1 if template is None else overhead(template, tokenizer)
    return None if max_length is None else Truncation(max_length, added)


def compare(rows: Pool, size: int, tokenizer: str | None, *, as_json: bool) -> None:
    """Print how far the measures of length agree on the ``size`` longest rows."""
    with bars() as progress:
        agreed = compare_measures(rows, size, tokenizer, progress)
    print(json.dumps({"agreement": agreed}) if as_json else text(measure_table(agreed)))


@dataclass(frozen=True)
class Subset:
    """A subset that is written: its folder, the pool that it is of, and what to print."""

    out: Path
    rows: Pool
    summary: SelectionSummary
    agreement: Agreement | None
    format: str

    def show(self, *, as_json: bool) -> None:
        """Print what was kept, as JSON or for a reader."""
        if not as_json:
            self._show()
            page = self.out / PAGE
            next_step(f"look at {page}; to test the rows against random ones: handpicked init compare")
            return
        place = {"out": str(self.out), "report": str(self.out / PAGE), "format": self.rows.format}
        agreement = {} if self.agreement is None else {"agreement": self.agreement}
        print(json.dumps({**place, **asdict(self.summary), **agreement}))

    def _show(self) -> None:
        """What was kept, what was dropped and why, and what to look at before training."""
        summary = self.summary
        say(f"{self.rows.format}: {self.rows.why}")
        print(f"{self.out}: {summary.kept:,} of {summary.pool:,} rows kept, {summary.rejected:,} rejected")
        if "part" in summary.settings:
            print(f"Responses are measured by {SAID[summary.settings['part']]}.")
        for line in rejection_lines(summary.rejections):
            print(line)
        for part in summary.dropped:
            print(f"  {part.rows:>11,}  {part.reason}")
        for line in unread_lines(summary.unread, summary.pool, self.format):
            print(line)
        for line in summary_lines(summary.audit):
            print(line)
        for line in exported_lines(summary.exports, self.out):
            print(line)
        if self.agreement is not None:
            print(text(measure_table(self.agreement)))


def write(
    rows: Pool,
    chosen: SelectSettings,
    out: Path,
    turns: Turns,
    form: Form,
    workers: Workers,
    *,
    keep_versions: bool,
    measures: bool,
) -> Subset:
    """Select and write the subset; ``measures`` also compares the measures of length on as many rows."""
    with bars() as progress:
        summary = pick(
            rows, chosen, out, turns=turns, form=form,
            execution=Execution(workers, keep_versions=keep_versions, say=say, progress=progress),
            command=["handpicked", *sys.argv[1:]],
        )  # fmt: skip
        agreement = compare_measures(rows, summary.kept, chosen.tokenizer, progress) if measures else None
    return Subset(out, rows, summary, agreement, form.format)


def upload(out: Path, name: str) -> None:
    """Upload the folder to the data set ``name`` on the hub."""
    say(push(out, name))
