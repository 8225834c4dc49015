"""``handpicked judge``: compares answers that exist already, without an experiment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.cli import dry_runs, options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import next_step, say
from handpicked.errors import ConfigError

if TYPE_CHECKING:
    from handpicked.config import JudgeSettings
    from handpicked.experiment.judge_files import Judged
    from handpicked.records import Pair


@dataclass(frozen=True)
class JudgeModelOptions:
    """The model of judges that need one, and how it is called; see ``config.JudgeSettings``."""

    model: Annotated[str | None, typer.Option(help="The judge's model, for judges that need one.")] = None
    base_url: options.BaseUrl = None
    key_env: options.KeyVariable = "OPENAI_API_KEY"
    server: Annotated[
        str | None,
        typer.Option(help="auto: vLLM serves the judge's model here, and is stopped afterwards."),
    ] = None
    server_python: Annotated[
        str | None, typer.Option(help="The Python that has vLLM; else vllm on PATH.")
    ] = None
    server_option: Annotated[
        list[str] | None, typer.Option(help="An option of vllm serve, given with =; may be given again.")
    ] = None
    concurrency: options.Concurrency = None
    max_cost: options.MaxCost = None
    price_in: options.PriceIn = None
    price_out: options.PriceOut = None
    force: Annotated[bool, typer.Option("--force", help="Allow a model under test as judge.")] = False
    batch: Annotated[
        bool, typer.Option("--batch", help="Use batch files: half the price; run again to collect.")
    ] = False

    def judges(self, names: Sequence[str]) -> list[JudgeSettings]:
        """The settings of the judges. Raises ConfigError."""
        from handpicked.config import JudgeSettings
        from handpicked.settings import settings_of

        given = {**asdict(self), "concurrency": self.concurrency or 16}
        given["server_options"] = tuple(given.pop("server_option") or ())
        return [settings_of(JudgeSettings, {"name": name, **given}) for name in names]


@dataclass(frozen=True)
class ReplayOptions:
    """Reviews that exist already."""

    replay: Annotated[Path | None, typer.Option(help="Stored reviews; no model is called.")] = None
    reversed_: Annotated[
        Path | None, typer.Option("--reversed", help="With --replay: the reviews of the other order.")
    ] = None
    a: Annotated[str | None, typer.Option("--a", help="With --replay: a model to compare.")] = None
    b: Annotated[str | None, typer.Option("--b", help="With --replay: the model to compare it with.")] = None


def judge(
    answers: Annotated[
        list[Path] | None, typer.Argument(help="Two files of answers.", show_default=False)
    ] = None,
    *,
    judge_: Annotated[
        list[str] | None, typer.Option("--judge", help="A shipped judge or a folder; several make a panel.")
    ] = None,
    judge_model: JudgeModelOptions,
    references: Annotated[
        Path | None, typer.Option(help="Good answers to the same prompts, for judges that compare with one.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="The questions, for answers that name them by number only (MT-Bench)."),
    ] = None,
    batch_write: Annotated[
        bool, typer.Option("--batch-write", help="Only write the batch files; no key is needed.")
    ] = False,
    stored: ReplayOptions,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Pairs labelled by people; no model is called if it holds verdicts."),
    ] = None,
    out: options.Out = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Judge two files of answers in both orders; or replay stored reviews; or calibrate against people."""
    from handpicked.experiment import judge_files as judging
    from handpicked.experiment.answer_pairs import pairs_of

    files = answers or []
    _check(files, stored, calibrate, references, prompts, judges=bool(judge_), dry_run=dry_run)
    replay = stored.replay
    if replay is not None and calibrate is None:
        judged = judging.replay_file(replay, out, reversed_=stored.reversed_, a=stored.a, b=stored.b)
    elif calibrate is not None and not judge_ and (replay is not None or judging.has_verdicts(calibrate)):
        judged = judging.calibrate(calibrate, [], out, verdicts=replay)
    else:
        judges = judge_model.judges(judge_ or ["reference-similarity"])
        if out is None and not dry_run:
            raise ConfigError("-o is missing: the folder for the verdicts.")
        if dry_run or batch_write or out is None:
            pairs, said = pairs_of(files, calibrate, references, prompts)
            for line in said:
                say(line)
            _prepare(pairs, judges, None if dry_run else out, as_json=as_json)
            return
        with bars() as progress:
            if calibrate is not None:
                judged = judging.calibrate(calibrate, judges, out, progress)
            else:
                judged = judging.judge_files(
                    files[0], files[1], judges, out, progress, references=references, prompts=prompts
                )
    _show(judged, out, as_json=as_json, replayed=replay is not None)


def _check(
    files: Sequence[Path],
    stored: ReplayOptions,
    calibrate: Path | None,
    references: Path | None,
    prompts: Path | None,
    *,
    judges: bool,
    dry_run: bool,
) -> None:
    """Refuse options that do not go together."""
    replay = stored.replay
    if bool(files) + (calibrate is not None or replay is not None) != 1 or len(files) not in (0, 2):
        raise ConfigError(
            "judge takes two files of answers, or --replay FILE, or --calibrate FILE "
            "(with --replay FILE where the "
            "verdicts are in another file): give one of these."
        )
    if replay is None and (stored.reversed_ or stored.a or stored.b):
        raise ConfigError("--reversed, --a and --b say how to read stored reviews: they need --replay.")
    if dry_run and replay is not None:
        raise ConfigError(
            "--dry-run estimates what a judge will take, and --replay calls none: give one of these."
        )
    if references is not None and not files:
        raise ConfigError(
            "--references are for two files of answers; stored reviews and labels have their own."
        )
    if prompts is not None and not files:
        raise ConfigError("--prompts are the questions of two files of answers, which are not given.")
    if replay is not None and judges:
        raise ConfigError("--judge calls a judge, and --replay reads stored reviews: give one of these.")


def _prepare(
    pairs: Sequence[Pair], judges: Sequence[JudgeSettings], out: Path | None, *, as_json: bool
) -> None:
    """Write the batch files into ``out``; None: only print what judging will take."""
    from handpicked.experiment.judge_files import write_batches
    from handpicked.experiment.planning.judge_plan import judge_plan

    if out is None:
        planned = judge_plan(pairs, judges)
        dry_runs.show(asdict(planned), planned.lines, as_json)
        return
    written = [str(file) for file in write_batches(pairs, judges, out)]
    print(json.dumps({"files": written}) if as_json else "\n".join(written))


def _show(judged: Judged, out: Path | None, *, as_json: bool, replayed: bool) -> None:
    """Print the statistics, refuse verdicts that could not be read, and say what to do next."""
    from handpicked.experiment.judge_files import PAGE, refuse_unread
    from handpicked.records import LINE

    for line in judged.said:
        say(line)
    if as_json:
        page = {} if out is None else {"report": str(out / PAGE)}
        print(json.dumps({**LINE.default(judged.results), **page}, default=LINE.default))
    if not replayed:
        refuse_unread(judged, out)
    if not as_json:
        print(judged)
    if not as_json and out is not None and (out / "pairs.jsonl").is_file():
        next_step(
            f"read the pairs in {out / PAGE}; vote blind on the same pairs, to see whether people agree: handpicked inspect {out}"
        )
