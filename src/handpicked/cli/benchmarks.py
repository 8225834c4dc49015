"""``handpicked bench``: benchmarks of one model, or of an experiment's arms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import dry_runs
from handpicked.cli.bars import bars
from handpicked.cli.experiments import run_until, tell_plan
from handpicked.cli.options import (
    Arms,
    Concurrency,
    Devices,
    DryRun,
    Json,
    KeepVersions,
    KeyVariable,
    Out,
    RayAddress,
    Set,
)
from handpicked.cli.terminal import next_step, say
from handpicked.cli.workplace import workplace
from handpicked.errors import ConfigError
from handpicked.records import LINE, Runner

Subject = Annotated[
    str,
    typer.Argument(metavar="EXPERIMENT|MODEL", help="An experiment (YAML), or a model.", show_default=False),
]
ModelUrl = Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint; MODEL is its name there.")]


def bench(
    subject: Subject,
    benchmark: Annotated[list[str] | None, typer.Option(help="A benchmark; may be given again.")] = None,
    data: Annotated[Path | None, typer.Option(help="A folder of benchmark files; else the hub.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N documents of each task.")] = None,
    batch_size: Annotated[int, typer.Option(help="Requests in one forward pass.")] = 8,
    engine: Annotated[str, typer.Option(help="transformers or vllm.")] = "transformers",
    chat_template: Annotated[str, typer.Option(help="never, free-text or always.")] = "free-text",
    template: Annotated[
        str, typer.Option(help="The chat template that the model was trained with.")
    ] = "auto",
    adapter: Annotated[Path | None, typer.Option(help="A LoRA adapter on the model.")] = None,
    base_url: ModelUrl = None,
    chat: Annotated[bool, typer.Option("--chat", help="With --base-url: use chat completions.")] = False,
    tokenizer: Annotated[str | None, typer.Option(help="With --base-url: the model's tokenizer.")] = None,
    max_length: Annotated[
        int | None, typer.Option(help="With --base-url: the model's context in tokens.")
    ] = None,
    key_env: KeyVariable = "OPENAI_API_KEY",
    concurrency: Concurrency = None,
    devices: Devices = "all",
    runner: Annotated[Runner, typer.Option(help="Where to run: here, or on Ray.")] = "native",
    address: RayAddress = None,
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    keep_versions: KeepVersions = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run the benchmarks of an experiment's arms, or of one model."""
    from handpicked.experiment import bench_model as benching
    from handpicked.experiment.bench_plan import bench_lines, bench_plan
    from handpicked.experiment.places import shipped_experiments

    page: dict[str, str] = {}
    shipped = subject in shipped_experiments() and not Path(subject).is_dir()
    if shipped or Path(subject).suffix in (".yaml", ".yml"):
        given = {
            "evaluate.benchmarks": benchmark and json.dumps(benchmark),
            "evaluate.bench.data": data,
            "evaluate.bench.limit": limit,
        }
        overrides = [*(set_ or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
        if adapter or base_url or chat or tokenizer or max_length or concurrency or runner != "native":
            raise ConfigError(
                "--adapter, --base-url, --chat, --tokenizer, --max-length, --concurrency and --runner are for "
                "a model, not for an experiment."
            )
        if dry_run:
            tell_plan(Path(subject), overrides, "bench", arm or [], as_json, devices=devices)
            return
        outcome = run_until(Path(subject), out, overrides, "bench", arm or [], keep_versions, devices=devices)
        table = benching.table_of(outcome.benched, outcome.benchmarks)
    else:
        from handpicked.bench import ServedModel
        from handpicked.config import BenchSettings
        from handpicked.settings import settings_of

        settings = settings_of(
            BenchSettings,
            {
                "data": None if data is None else str(data), "limit": limit, "batch_size": batch_size,
                "engine": engine, "chat_template": chat_template,
            },
        )  # fmt: skip
        if dry_run:
            entries = bench_plan(benchmark or [], settings, subject if base_url is None else None)
            dry_runs.show({"benchmarks": entries}, bench_lines(entries, "the model"), as_json)
            return
        if out is None:
            raise ConfigError("-o is missing: the folder for the results.")
        if base_url is None:
            model = benching.model_subject(subject, adapter, template, settings)
        else:
            served = {} if concurrency is None else {"concurrency": concurrency}
            model = benching.endpoint_subject(
                ServedModel(base_url, subject, chat, tokenizer, key_env, max_length=max_length, **served)
            )
        workers = workplace(runner, address, devices)
        with bars() as progress:
            table = benching.bench(
                model, benchmark or [], settings, out, progress, say,
                workers=workers, keep_versions=keep_versions,
            ).benchmarks  # fmt: skip
        page["report"] = str(out / benching.PAGE)
    found = {"benchmarks": table, **page}
    print(json.dumps(found, default=LINE.default) if as_json else benching.text_of(table))
    benching.refuse_broken(table)
    if not as_json:
        next_step(
            "list other benchmarks: handpicked methods; compare arms on them: "
            "evaluate.benchmarks of an experiment"
        )
