"""The command line: parse, call, show progress. No logic.

Exit codes: 0 done; 2 the user's mistake (one line a mistake on stderr, no traceback); 75 not done yet, run it
again (a batch is being worked on); 130 stopped by Ctrl-C; 1 a bug of ours.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked._version import __version__
from handpicked.bars import bars
from handpicked.errors import ConfigError, HandpickedError, MissingPart, NotYet

if TYPE_CHECKING:
    from handpicked.run import Outcome, Until

app = typer.Typer(
    name="handpicked",
    help="Pick the few demonstrations worth fine-tuning on, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


INTERRUPTED = 130
NOT_YET = 75


class TurnsOption(str, Enum):
    """Values of --turns."""

    last = "last"
    all = "all"


class RunnerOption(str, Enum):
    """Values of --runner."""

    native = "native"
    ray = "ray"


Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. train.epochs=1."),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results.")]
ScoreSet = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="score.NAME=VALUE", help="A setting of the scorer; may be given again."),
]
ScoreModel = Annotated[str | None, typer.Option(help="The scorer's model: bundled:NAME, folder, hub name.")]
Target = Annotated[str | None, typer.Option(help="For scorers by similarity: a file of target examples.")]
Sample = Annotated[int | None, typer.Option(help="Score by a model only so many random rows.")]
Prefilter = Annotated[str | None, typer.Option(help="Score by a model only these, e.g. longest:5000.")]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="Only this arm; may be given again.")]
ExperimentFile = Annotated[Path, typer.Argument(help="The experiment file (YAML).", show_default=False)]


def main() -> None:
    """The entry point: the one boundary where errors become exit codes."""
    signal.signal(signal.SIGINT, _interrupted)
    # Rows of a pool are many objects and no cycles: looking for these costs a tenth.
    gc.set_threshold(100_000, 20, 20)
    # Arrow's own allocator keeps what each of its threads has freed, a fifth of all memory, and is no faster here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        _quiet_libraries()
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HandpickedError as error:
        _complain(str(error))
        code = NOT_YET if isinstance(error, NotYet) else 2
    except typer.TyperException as error:
        _complain(error.format_message() + _option_hint(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == INTERRUPTED:  # Typer makes this of Ctrl-C
        _complain("stopped. What was finished is kept; the same command goes on from there.")
        sys.stdout.flush()
        sys.stderr.flush()
        # Everything is cleaned up. Threads of the data engine may still run, and would abort a process that shuts down.
        os._exit(INTERRUPTED)
    gc.freeze()  # what is left goes with the process: looking through it once more takes a third of a second
    sys.exit(code or 0)


def _interrupted(*_: object) -> None:
    """Ctrl-C. Generators of the data engine that are torn down by it may complain on stderr: nobody needs to read that."""
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt


def _complain(message: str) -> None:
    for line in message.splitlines():
        print(f"handpicked: {line}", file=sys.stderr)


def _option_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f" See '{context.command_path} --help'." if context is not None else ""


def _quiet_libraries() -> None:
    """Libraries may not draw bars of their own, phone home or warn about forks on the user's terminal."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _say(message: str) -> None:
    print(message, file=sys.stderr)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"handpicked {__version__}")
        raise typer.Exit


@app.command()
def select(
    pool: Annotated[
        list[str], typer.Argument(help="Files, folders or globs of SFT rows.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the subset.")] = None,
    by: Annotated[str, typer.Option(help="How to select; 'handpicked methods' lists them.")] = "longest",
    size: Annotated[int | None, typer.Option(help="Rows to keep.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Share of the rows to keep, 0 to 1.")] = None,
    measure: Annotated[str, typer.Option(help="tokens, words, nltk or chars.")] = "tokens",
    tokenizer: Annotated[str | None, typer.Option(help="Name, folder, tokenizer.json or .model.")] = None,
    turns: Annotated[
        TurnsOption, typer.Option(help="Which assistant turns are the response.")
    ] = TurnsOption.last,
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0,
    guard: Annotated[list[str] | None, typer.Option(help="Drop rows first; may be given again.")] = None,
    of: Annotated[Path | None, typer.Option(help="For length-matched: the subset to match.")] = None,
    disjoint: Annotated[
        bool, typer.Option("--disjoint", help="For length-matched: none of its rows.")
    ] = False,
    field: Annotated[
        str | None, typer.Option(help="For top, bottom, balanced, deita, qdit, car: the column or scorer.")
    ] = None,
    low: Annotated[float, typer.Option(help="For window: lower quantile.")] = 0.0,
    high: Annotated[float, typer.Option(help="For window: upper quantile.")] = 1.0,
    clusters: Annotated[int | None, typer.Option(help="For kmeans, car, semdedup: how many.")] = None,
    take: Annotated[str, typer.Option(help="For kmeans: nearest, random or longest.")] = "nearest",
    threshold: Annotated[float | None, typer.Option(help="For deita, semdedup: highest cosine.")] = None,
    alpha: Annotated[float, typer.Option(help="For qdit: weight of quality, 0 to 1.")] = 0.5,
    neighbours: Annotated[
        int | None, typer.Option(help="For facility-location, qdit: nearest rows only.")
    ] = None,
    prompts: Annotated[list[str] | None, typer.Option(help="For decontaminate: prompt files.")] = None,
    pool_format: Annotated[
        str | None, typer.Option("--pool-format", help="Row format; else recognised.")
    ] = None,
    map_: Annotated[
        str | None, typer.Option("--map", help="Fields, e.g. prompt=question,response=answer.")
    ] = None,
    format: Annotated[str, typer.Option(help="original, alpaca, sharegpt, messages or trl.")] = "original",
    container: Annotated[str | None, typer.Option(help="jsonl, parquet or datasets.")] = None,
    runner: Annotated[
        RunnerOption, typer.Option(help="Where to work: here, or on a Ray cluster.")
    ] = RunnerOption.native,
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Count the rows that a trainer cuts at so many tokens.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="With --max-length: the chat template of the trainer.")
    ] = None,
    compare_measures: Annotated[
        bool, typer.Option("--compare-measures", help="Print how far measures agree.")
    ] = False,
    model: ScoreModel = None,
    target: Target = None,
    sample: Sample = None,
    prefilter: Prefilter = None,
    set_: ScoreSet = None,
    push_to_hub: Annotated[
        str | None, typer.Option(help="Also upload the folder to this data set on the hub.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep the rows worth fine-tuning on: selected.jsonl, scores.parquet, rejected.jsonl, manifest.json."""
    from handpicked.config import SelectSettings
    from handpicked.data import read
    from handpicked.lean import keep_pandas_out
    from handpicked.options import mapping_of, score_settings, settings_of
    from handpicked.pick import compare_measures as agreements
    from handpicked.pick import pick
    from handpicked.pick.audit import Truncation
    from handpicked.pick.hub import push
    from handpicked.pick.telling import agreement_table, told
    from handpicked.pick.template import overhead

    keep_pandas_out()
    settings = settings_of(
        SelectSettings,
        {
            "by": by, "size": size, "fraction": fraction, "measure": measure, "tokenizer": tokenizer, "seed": seed,
            "guards": guard or [], "of": None if of is None else str(of), "disjoint": disjoint,
            "field": field, "low": low, "high": high, "clusters": clusters, "take": take, "threshold": threshold,
            "alpha": alpha, "neighbours": neighbours,
            "prompts": prompts or [],
            "score": score_settings(set_ or [], model=model, target=target, sample=sample, prefilter=prefilter),
        },
    )  # fmt: skip
    if out is None and not (compare_measures and size is not None):
        raise ConfigError(
            "-o is missing: the folder for the subset. (--compare-measures with --size goes without.)"
        )
    rows = read(pool, format=pool_format, map=mapping_of("--map", map_), turns=turns.value)
    if out is None:
        with bars() as progress:
            agreed = agreements(rows, size or 0, tokenizer, progress)
        print(json.dumps({"agreement": agreed}) if as_json else "\n".join(agreement_table(agreed)))
        return
    added = 1 if template is None else overhead(template, tokenizer)
    truncation = None if max_length is None else Truncation(max_length, added)
    with bars() as progress:
        summary = pick(
            rows, settings, out, progress, turns=turns.value, format=format, container=container,
            runner=runner.value, address=address, truncation=truncation, command=["handpicked", *sys.argv[1:]], say=_say,
        )  # fmt: skip
        agreement = agreements(rows, summary.kept, tokenizer, progress) if compare_measures else None
    if push_to_hub is not None:
        _say(push(out, push_to_hub))
    if as_json:
        found = {"out": str(out), "format": rows.format, **asdict(summary)}
        print(json.dumps(found if agreement is None else {**found, "agreement": agreement}))
        return
    _say(f"{rows.format}: {rows.why}")
    print(f"{out}: {summary.kept:,} of {summary.pool:,} rows kept, {summary.rejected:,} rejected")
    for part in summary.dropped:
        print(f"  {part.rows:>11,}  {part.reason}")
    for line in told(summary.audit):
        print(line)
    if agreement is not None:
        for line in agreement_table(agreement):
            print(line)


@app.command()
def score(
    pool: Annotated[
        list[str], typer.Argument(help="Files, folders or globs of SFT rows.", show_default=False)
    ],
    scorer: Annotated[list[str], typer.Option(help="A scorer; may be given again.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the scores.", show_default=False)],
    tokenizer: Annotated[str | None, typer.Option(help="Name, folder, tokenizer.json or .model.")] = None,
    turns: Annotated[
        TurnsOption, typer.Option(help="Which assistant turns are the response.")
    ] = TurnsOption.last,
    pool_format: Annotated[
        str | None, typer.Option("--pool-format", help="Row format; else recognised.")
    ] = None,
    map_: Annotated[
        str | None, typer.Option("--map", help="Fields, e.g. prompt=question,response=answer.")
    ] = None,
    runner: Annotated[
        RunnerOption, typer.Option(help="Where to work: here, or on Ray.")
    ] = RunnerOption.native,
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
    model: ScoreModel = None,
    target: Target = None,
    sample: Sample = None,
    prefilter: Prefilter = None,
    set_: ScoreSet = None,
    as_json: Json = False,
) -> None:
    """Score every row and select nothing: scores.parquet, rejected.jsonl, manifest.json."""
    from handpicked.data import read
    from handpicked.options import mapping_of, score_settings
    from handpicked.pick.scoring import score as score_rows

    settings = score_settings(set_ or [], model=model, target=target, sample=sample, prefilter=prefilter)
    rows = read(pool, format=pool_format, map=mapping_of("--map", map_), turns=turns.value)
    with bars() as progress:
        counts = score_rows(
            rows, scorer, out, progress, tokenizer=tokenizer, runner=runner.value, address=address,
            command=["handpicked", *sys.argv[1:]], settings=settings, say=_say,
        )  # fmt: skip
    if as_json:
        print(json.dumps({"out": str(out), "format": rows.format, **counts}))
        return
    _say(f"{rows.format}: {rows.why}")
    print(f"{out}: {counts['scored']:,} of {counts['pool']:,} rows scored, {counts['rejected']:,} rejected")


@app.command()
def run(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Resolve, count, estimate; start nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run an experiment from its pool to report.html, or go on where it stopped."""
    if dry_run:
        from handpicked.plan import plan, text_of

        planned = plan(experiment, set_ or [])
        print(json.dumps(planned.summary) if as_json else text_of(planned))
        return
    outcome = _run(experiment, out, set_, "report", [])
    assert outcome.results is not None
    if as_json:
        print(json.dumps({"report": str(outcome.report), **outcome.results["answer"]}))
        return
    print(outcome.report)
    print(outcome.answer)


@app.command()
def train(experiment: ExperimentFile, out: Out = None, set_: Set = None, arm: Arms = None) -> None:
    """Select and train the arms of an experiment, and stop there."""
    print(_run(experiment, out, set_, "train", arm or []).folder / "model")


@app.command()
def generate(experiment: ExperimentFile, out: Out = None, set_: Set = None, arm: Arms = None) -> None:
    """Go on until every arm has answered the prompts, and stop there."""
    print(_run(experiment, out, set_, "generate", arm or []).folder / "answers")


@app.command()
def bench(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT|MODEL", help="An experiment (YAML), or a model.", show_default=False
        ),
    ],
    task: Annotated[list[str] | None, typer.Option(help="A benchmark; may be given again.")] = None,
    data: Annotated[Path | None, typer.Option(help="A folder of benchmark files; else the hub.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many documents a task.")] = None,
    batch_size: Annotated[int, typer.Option(help="Requests in one forward pass.")] = 8,
    engine: Annotated[str, typer.Option(help="transformers or vllm.")] = "transformers",
    chat_template: Annotated[str, typer.Option(help="never, free-text or always.")] = "free-text",
    template: Annotated[str, typer.Option(help="The chat template it was trained with.")] = "auto",
    adapter: Annotated[Path | None, typer.Option(help="A LoRA adapter on the model.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint; MODEL is its name there.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="With --base-url: ask chat completions.")] = False,
    tokenizer: Annotated[str | None, typer.Option(help="With --base-url: the model's tokenizer.")] = None,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the key.")] = "OPENAI_API_KEY",
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    as_json: Json = False,
) -> None:
    """Run the benchmarks of an experiment's arms, or of one model, and stop there."""
    from handpicked import benching

    if Path(subject).suffix in (".yaml", ".yml"):
        given = {
            "evaluate.benchmarks": task and json.dumps(task),
            "evaluate.bench.data": data,
            "evaluate.bench.limit": limit,
        }
        overrides = [*(set_ or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
        if adapter or base_url or chat or tokenizer:
            raise ConfigError(
                "--adapter, --base-url, --chat and --tokenizer are for a model, not for an experiment."
            )
        outcome = _run(Path(subject), out, overrides, "bench", arm or [])
        table = benching.table_of(outcome.benched, outcome.benchmarks)
    else:
        from handpicked.bench import Endpoint
        from handpicked.config import BenchSettings
        from handpicked.options import settings_of

        if out is None:
            raise ConfigError("-o is missing: the folder for the results.")
        settings = settings_of(
            BenchSettings,
            {
                "data": None if data is None else str(data), "limit": limit, "batch_size": batch_size,
                "engine": engine, "chat_template": chat_template,
            },
        )  # fmt: skip
        if base_url is None:
            model = benching.model_subject(subject, adapter, template, settings)
        else:
            model = benching.endpoint_subject(Endpoint(base_url, subject, chat, tokenizer, key_env))
        with bars() as progress:
            table = benching.bench(model, task or [], settings, out, progress, _say)["benchmarks"]
    print(json.dumps({"benchmarks": table}) if as_json else benching.text_of(table))
    benching.refuse_broken(table)


def _run(file: Path, out: Path | None, overrides: list[str] | None, until: Until, arms: list[str]) -> Outcome:
    from handpicked.checks import missing_parts, mistakes
    from handpicked.experiment import load
    from handpicked.run import run as run_experiment

    experiment = load(file, overrides or [], also=mistakes)
    missing = missing_parts(experiment)
    if missing:
        raise MissingPart("\n".join(missing))
    folder = out or Path("runs") / experiment.name
    with bars() as progress:
        return run_experiment(
            experiment,
            folder,
            until=until,
            only=arms,
            progress=progress,
            say=_say,
            command=" ".join(sys.argv[1:]),
        )


@app.command()
def judge(
    answers: Annotated[
        list[Path] | None, typer.Argument(help="Two files of answers.", show_default=False)
    ] = None,
    judge_: Annotated[
        list[str] | None, typer.Option("--judge", help="Shipped or a folder; several make a panel.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The judge's model, for judges that ask one.")] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint.")] = None,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the key.")] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option(help="Requests in flight at most.")] = 16,
    max_cost: Annotated[float | None, typer.Option(help="US dollars; needs both prices.")] = None,
    price_in: Annotated[float | None, typer.Option(help="US dollars per million prompt tokens.")] = None,
    price_out: Annotated[float | None, typer.Option(help="US dollars per million reply tokens.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Allow a model under test as judge.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="By batch files: half the price; run again to collect.")
    ] = False,
    batch_write: Annotated[
        bool, typer.Option("--batch-write", help="Only write the batch files; needs no key.")
    ] = False,
    replay: Annotated[Path | None, typer.Option(help="Stored reviews; nothing is asked.")] = None,
    calibrate: Annotated[Path | None, typer.Option(help="Pairs that people have labelled.")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Judge two files of answers in both orders; or replay stored reviews; or calibrate against people."""
    from handpicked import judging
    from handpicked.config import JudgeSettings
    from handpicked.options import settings_of

    files = answers or []
    if (len(files) == 2) + (replay is not None) + (calibrate is not None) != 1 or len(files) not in (0, 2):
        raise ConfigError(
            "judge takes two files of answers, or --replay FILE, or --calibrate FILE: one of these."
        )
    if replay is not None:
        judged = judging.replay_file(replay, out)
    elif out is None:
        raise ConfigError("-o is missing: the folder for the verdicts.")
    else:
        shared = {
            "model": model, "base_url": base_url, "key_env": key_env, "concurrency": concurrency,
            "max_cost": max_cost, "price_in": price_in, "price_out": price_out, "force": force,
            "batch": batch,
        }  # fmt: skip
        judges = [
            settings_of(JudgeSettings, {"name": name, **shared})
            for name in judge_ or ["reference-similarity"]
        ]
        if batch_write:
            for file in judging.write_batches(files, calibrate, judges, out):
                print(file)
            return
        with bars() as progress:
            if calibrate is not None:
                judged = judging.calibrate(calibrate, judges, out, progress)
            else:
                judged = judging.judge_files(files[0], files[1], judges, out, progress)
    for line in judged.said:
        _say(line)
    print(json.dumps(judged.results) if as_json else judging.text_of(judged.results))


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="One run to render again, or several to compare.", show_default=False)
    ],
    out: Out = None,
) -> None:
    """Render a run's report again from its results and votes, or compare several runs on one page."""
    from handpicked.inspecting import with_votes
    from handpicked.report import read, render_comparison, write
    from handpicked.store import write_text

    if len(runs) == 1:
        page = write(with_votes(read(runs[0]), runs[0]), out or runs[0])
    else:
        page = (out or Path("runs")) / "comparison.html"
        write_text(page, render_comparison([read(folder) for folder in runs]))
    print(page)


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run, or a folder of 'judge -o'.")],
    size: Annotated[int, typer.Option(help="Pairs to show; all votes count, whatever it was.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the sample and of the sides.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    export: Annotated[Path | None, typer.Option(help="Write all votes to a .json or .csv, and stop.")] = None,
    as_json: Json = False,
) -> None:
    """Vote blind on pairs of answers, then see where people and judge agree."""
    from handpicked.inspecting import export_to, inspection, serve
    from handpicked.people import text_of

    inspected = inspection(folder, size, seed)
    if export is not None:
        export_to(inspected, export)
    else:
        serve(inspected, port, open_, _say)
        if (folder / "results.json").is_file():
            _say(f"'handpicked report {folder}' takes the votes into the report.")
    summary = inspected.summary()
    print(json.dumps(summary) if as_json else text_of(summary))


@app.command()
def methods(as_json: Json = False) -> None:
    """Every selector, measure, guard and judge: what it does, its source, its cost and needs."""
    from handpicked.methods import listed

    found = listed()
    if as_json:
        print(json.dumps({kind: [asdict(method) for method in kinds] for kind, kinds in found.items()}))
        return
    for kind, kinds in found.items():
        print(kind)
        width = max(len(method.name) for method in kinds)
        for method in kinds:
            print(f"  {method.name:<{width}}  {method.about}")
            more = [method.source, f"cost: {method.cost}", method.needs and f"needs: {method.needs}"]
            print(" " * (width + 4) + "; ".join(part for part in more if part))
        print()


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine can run: extras, GPU, bundled models, keys, disk."""
    from handpicked.doctor import examine

    findings = examine(Path("runs"))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
        return
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        print(f"{'ok     ' if finding.there else 'missing'}  {finding.what:<{width}}  {finding.detail}")
