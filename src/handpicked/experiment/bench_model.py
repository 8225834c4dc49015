"""``handpicked bench MODEL``: benchmarks of one model, without an experiment."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.bench import EndpointModel
from handpicked.config import BenchSettings, ModelSettings
from handpicked.endpoint import base_url_of
from handpicked.errors import BenchmarkError, ConfigError
from handpicked.experiment.benched import Benched, averages_of, bench_facts
from handpicked.experiment.benchmarks import Subject, run_benchmarks, subject_of
from handpicked.experiment.job import Trained
from handpicked.models.load import identity
from handpicked.pages.table import text
from handpicked.progress import SILENT, Progress
from handpicked.report.bench_page import render_bench
from handpicked.report.tables import benchmark_rows_table
from handpicked.results.benchmarks import benchmark_table
from handpicked.results.sections.benchmarks import BenchmarkRow
from handpicked.store import digest, open_run, write_json, write_text
from handpicked.workers import THIS_MACHINE, Workers

if TYPE_CHECKING:
    from handpicked.bench import ServedModel

log = logging.getLogger(__name__)

PAGE = "report.html"


def model_subject(name: str, adapter: Path | None, template: str, settings: BenchSettings) -> Subject:
    """A model by name or folder. A folder with only a LoRA adapter names its base model.

    Raises ConfigError and MissingPart for a model that is not available.
    """
    folder = Path(name).expanduser()
    if (
        adapter is None
        and (folder / "adapter_config.json").is_file()
        and not (folder / "config.json").is_file()
    ):
        name, adapter = _base_of(folder), folder
    model = ModelSettings(name=name)
    found = identity(model)
    if adapter is not None:
        if not (adapter / "adapter_config.json").is_file():
            raise ConfigError(f"There is no LoRA adapter in {adapter}: adapter_config.json is missing.")
        found += f" {digest(adapter)}"
    return subject_of("model", Trained(model, adapter, template, found, None), settings)


def _base_of(adapter: Path) -> str:
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    base = config.get("base_model_name_or_path")
    if not base:
        raise ConfigError(
            f"{adapter} holds an adapter that does not name its base model. Give the base model, "
            "and the adapter with --adapter."
        )
    return str(base)


def endpoint_subject(endpoint: ServedModel) -> Subject:
    """A model behind an OpenAI-compatible endpoint. Its identity is its name, because its weights cannot be
    hashed.
    """
    # Neither the request rate nor a password in the address changes an answer.
    of_endpoint = replace(endpoint, base_url=base_url_of(endpoint), concurrency=1, timeout=0.0)
    return Subject("model", str(of_endpoint), "the endpoint's", lambda _: EndpointModel(endpoint))


@dataclass(frozen=True)
class ModelBenchmarks:
    """What benchmarks.json holds: the table of one model, and the versions that were kept."""

    model: str
    benchmarks: tuple[BenchmarkRow, ...]
    kept_versions: tuple[str, ...]


def bench(
    subject: Subject,
    names: Sequence[str],
    settings: BenchSettings,
    out: Path,
    progress: Progress = SILENT,
    say: Callable[[str], None] = log.info,
    *,
    workers: Workers = THIS_MACHINE,
    keep_versions: bool = False,
) -> ModelBenchmarks:
    """Run ``names`` in folder ``out``, or those that are not done there yet; the table is also
    written to benchmarks.json and report.html. ``workers`` load and run a model that is not served.

    A row for each benchmark and average. Raises ConfigError for unknown names and missing files, PoolError
    for wrong fields, MissingPart for what this machine lacks.
    """
    if not names:
        raise ConfigError(
            "Which benchmarks? Give --benchmark, once for each; 'handpicked methods' lists them."
        )
    with open_run(out, say, keep_versions=keep_versions) as store:
        benched = run_benchmarks(store, subject, names, settings, progress, workers)
        ran = [one.stage for one in benched if one.stage is not None]
        kept = tuple(f"{stage.name}: {what}" for stage in ran for what in stage.origin.kept)
        table = ModelBenchmarks(subject.identity, table_of(benched, names), kept)
        write_json(out / "benchmarks.json", table)
        write_text(out / PAGE, render_bench(table.model, table.benchmarks, table.kept_versions))
    return table


def table_of(benched: Sequence[Benched], names: Sequence[str] = ()) -> tuple[BenchmarkRow, ...]:
    """The benchmark table of one or more arms, with the averages among ``names``."""
    return benchmark_table([bench_facts(one) for one in benched], averages=averages_of(names))


def refuse_broken(table: Sequence[BenchmarkRow]) -> None:
    """Raise BenchmarkError when a benchmark failed, with a line for each."""
    broken = [
        f"{row.benchmark} of {cell.arm} failed: {cell.reason}. The others are "
        "done; the same command resumes them."
        for row in table
        for cell in row.arms
        if cell.failed
    ]
    if broken:
        raise BenchmarkError("\n".join(broken))


def text_of(rows: Sequence[BenchmarkRow]) -> str:
    """The table for a terminal: a line for each benchmark and arm, and below it why any failed."""
    shown = text(benchmark_rows_table(rows), width=150)
    reasons = [
        f"{row.benchmark} of {cell.arm}: {cell.reason}" for row in rows for cell in row.arms if cell.reason
    ]
    return "\n".join([shown, *reasons])
