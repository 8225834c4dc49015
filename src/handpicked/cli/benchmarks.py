"""``handpicked bench``: benchmarks of one model, or of an experiment's arms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.cli import dry_runs, options
from handpicked.cli.bars import bars
from handpicked.cli.experiments import RunOptions
from handpicked.cli.terminal import next_step, say
from handpicked.errors import ConfigError
from handpicked.records import LINE

if TYPE_CHECKING:
    from handpicked.config import BenchSettings
    from handpicked.experiment.benchmarks import Subject
    from handpicked.results.sections.benchmarks import BenchmarkRow


@dataclass(frozen=True)
class BenchmarkOptions:
    """How benchmarks are run; see ``config.BenchSettings``."""

    data: Annotated[Path | None, typer.Option(help="A folder of benchmark files; else the hub.")] = None
    limit: Annotated[int | None, typer.Option(help="Only the first N documents of each task.")] = None
    batch_size: Annotated[int, typer.Option(help="Requests in one forward pass.")] = 8
    engine: Annotated[str, typer.Option(help="transformers or vllm.")] = "transformers"
    chat_template: Annotated[str, typer.Option(help="never, free-text or always.")] = "free-text"

    @property
    def settings(self) -> BenchSettings:
        """As settings. Raises ConfigError."""
        from handpicked.config import BenchSettings
        from handpicked.settings import settings_of

        return settings_of(
            BenchSettings, {**asdict(self), "data": None if self.data is None else str(self.data)}
        )


@dataclass(frozen=True)
class ModelOptions:
    """Where the model is and how it is called, for a model."""

    template: Annotated[str, typer.Option(help="The chat template that the model was trained with.")] = "auto"
    adapter: Annotated[Path | None, typer.Option(help="A LoRA adapter on the model.")] = None
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint; MODEL is its name there.")
    ] = None
    chat: Annotated[bool, typer.Option("--chat", help="With --base-url: use chat completions.")] = False
    tokenizer: Annotated[str | None, typer.Option(help="With --base-url: the model's tokenizer.")] = None
    max_length: Annotated[
        int | None, typer.Option(help="With --base-url: the model's context in tokens.")
    ] = None
    key_env: options.KeyVariable = "OPENAI_API_KEY"
    concurrency: options.Concurrency = None

    @property
    def given(self) -> bool:
        """Whether there is an option that an experiment does not take."""
        named = (self.adapter, self.base_url, self.chat, self.tokenizer, self.max_length, self.concurrency)
        return any(named)

    def subject(self, name: str, settings: BenchSettings) -> Subject:
        """What the benchmarks are run on. Raises ConfigError and MissingPart for a model that is not there."""
        from handpicked.bench import ServedModel
        from handpicked.experiment.bench_model import endpoint_subject, model_subject

        if self.base_url is None:
            return model_subject(name, self.adapter, self.template, settings)
        served = {} if self.concurrency is None else {"concurrency": self.concurrency}
        return endpoint_subject(
            ServedModel(
                self.base_url, name, self.chat, self.tokenizer, self.key_env, max_length=self.max_length,
                **served,
            )
        )  # fmt: skip


def bench(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT|MODEL", help="An experiment (YAML), or a model.", show_default=False
        ),
    ],
    *,
    benchmark: Annotated[list[str] | None, typer.Option(help="A benchmark; may be given again.")] = None,
    benchmarks: BenchmarkOptions,
    model: ModelOptions,
    place: options.PlaceOptions,
    out: options.Out = None,
    set_: options.Set = None,
    arm: options.Arms = None,
    keep_versions: options.KeepVersions = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Run the benchmarks of an experiment's arms, or of one model."""
    from handpicked.experiment import bench_model as benching
    from handpicked.experiment.places import shipped_experiments
    from handpicked.experiment.planning.bench_plan import bench_lines, bench_plan

    shipped = subject in shipped_experiments() and not Path(subject).is_dir()
    if shipped or Path(subject).suffix in (".yaml", ".yml"):
        if model.given or place.runner != "native":
            raise ConfigError(
                "--adapter, --base-url, --chat, --tokenizer, --max-length, --concurrency and --runner are for "
                "a model, not for an experiment."
            )
        overrides = [*(set_ or []), *_overrides(benchmark, benchmarks)]
        running = RunOptions(out, overrides, place.devices, keep_versions, dry_run, as_json)
        if dry_run:
            running.plan(Path(subject), "bench", arm)
            return
        outcome = running.run(Path(subject), "bench", arm)
        _show(benching.table_of(outcome.benched, outcome.benchmarks), None, as_json=as_json)
        return
    settings = benchmarks.settings
    if dry_run:
        entries = bench_plan(benchmark or [], settings, subject if model.base_url is None else None)
        dry_runs.show({"benchmarks": entries}, bench_lines(entries, "the model"), as_json)
        return
    if out is None:
        raise ConfigError("-o is missing: the folder for the results.")
    tested, workers = model.subject(subject, settings), place.workers()
    with bars() as progress:
        made = benching.bench(
            tested, benchmark or [], settings, out, progress, say,
            workers=workers, keep_versions=keep_versions,
        )  # fmt: skip
    _show(made.benchmarks, out / benching.PAGE, as_json=as_json)


def _overrides(names: Sequence[str] | None, benchmarks: BenchmarkOptions) -> list[str]:
    """The options that an experiment takes, as KEY=VALUE."""
    given = {
        "evaluate.benchmarks": names and json.dumps(names),
        "evaluate.bench.data": benchmarks.data,
        "evaluate.bench.limit": benchmarks.limit,
    }
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _show(table: Sequence[BenchmarkRow], page: Path | None, *, as_json: bool) -> None:
    """Print the table, refuse one in which a benchmark failed, and say what to do next."""
    from handpicked.experiment.bench_model import refuse_broken, text_of

    found = {"benchmarks": table, **({} if page is None else {"report": str(page)})}
    print(json.dumps(found, default=LINE.default) if as_json else text_of(table))
    refuse_broken(table)
    if not as_json:
        next_step(
            "list other benchmarks: handpicked methods; compare arms on them: "
            "evaluate.benchmarks of an experiment"
        )
