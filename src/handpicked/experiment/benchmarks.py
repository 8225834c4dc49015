"""The benchmark stages: one for each benchmark of each arm. Each resumes separately, and a failure stops no
other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.bench import BENCHMARKS, check_files, open_model, tasks_of
from handpicked.config import BenchSettings
from handpicked.errors import first_line
from handpicked.experiment.benched import Benched
from handpicked.experiment.job import Job, Trained
from handpicked.progress import Progress
from handpicked.records import to_json
from handpicked.store import Run, write_text
from handpicked.store.versions import LANGUAGE_MODEL, Versions

if TYPE_CHECKING:
    from handpicked.bench import LocalData, ServedModel

RESULT, SAMPLES = "result.json", "samples.jsonl"
BENCH = 1
"""The version of how benchmarks are run and read here. Raise it when the same documents would score
differently.
"""


@dataclass(frozen=True)
class Subject:
    """What is benchmarked: how it is opened (once, when the first benchmark needs it) and what identifies it."""

    name: str
    identity: str
    template: str
    open: Callable[[str | None], object]
    endpoint: ServedModel | None = None


def benchmarks(job: Job, arm: str, trained: Trained) -> list[Benched]:
    """All benchmarks of the experiment on one arm."""
    evaluate = job.experiment.evaluate
    if not evaluate.benchmarks:
        return []
    return run_benchmarks(
        job.store, subject_of(arm, trained, evaluate.bench), evaluate.benchmarks, evaluate.bench, job.progress
    )


def subject_of(name: str, trained: Trained, settings: BenchSettings) -> Subject:
    """A model that is loaded here, or by vLLM."""

    def opened(template: str | None) -> Any:
        return open_model(
            trained.model, trained.adapter, template, engine=settings.engine, batch_size=settings.batch_size
        )

    return Subject(name, trained.identity, trained.template, opened)


def run_benchmarks(
    store: Run, subject: Subject, names: Sequence[str], settings: BenchSettings, progress: Progress
) -> list[Benched]:
    """The benchmarks that ``names`` ask for, averages replaced by what they average, in stages
    ``bench/SUBJECT/BENCHMARK``.

    One that breaks off in its own code is reported with its reason and runs again next time; the others go
    on. Mistakes in names, files and fields are raised before anything runs.
    """
    tasks = tasks_of(names)
    data = check_files(tasks, settings.data)
    chat_tasks = [task for task in tasks if _in_chat(task, settings, subject)]

    @cache
    def lm() -> Any:
        return subject.open(subject.template if chat_tasks else None)

    return [
        _one(store, subject, task, data.get(task), settings, task in chat_tasks, lm, progress)
        for task in tasks
    ]


def _in_chat(task: str, settings: BenchSettings, subject: Subject) -> bool:
    if subject.endpoint is not None:
        return subject.endpoint.chat
    return settings.chat_template == "always" or (settings.chat_template == "free-text" and _free_text(task))


def _free_text(task: str) -> bool:
    """Whether its answers are texts that are read as a person would."""
    return task in BENCHMARKS and BENCHMARKS[task].free_text


def _one(
    store: Run,
    subject: Subject,
    task: str,
    data: LocalData | None,
    settings: BenchSettings,
    chat: bool,
    lm: Callable[[], object],
    progress: Progress,
) -> Benched:
    from handpicked.bench import BenchmarkFailed, evaluate

    def make(work: Path) -> None:
        result, samples = evaluate(
            task,
            lm(),
            data,
            limit=settings.limit,
            chat=chat,
            endpoint=subject.endpoint,
            label=f"bench {subject.name} {task}",
            progress=progress,
        )
        write_text(work / SAMPLES, "".join(to_json(sample) + "\n" for sample in samples))
        write_text(work / RESULT, json.dumps(asdict(result), allow_nan=False) + "\n")

    try:
        stage = store.stage(
            f"bench/{subject.name}/{task}",
            make,
            inputs={"model": subject.identity, "data": data.identity if data else f"hub:{task}"},
            settings={
                "limit": settings.limit,
                "template": subject.template if chat else None,
                # What is left out for transformers stays as runs of layout 1 have it.
                **({"engine": settings.engine} if settings.engine != "transformers" else {}),
            },
            versions=Versions.of({f"bench {task}": BENCH}, _libraries(task, subject, settings)),
        )
    except BenchmarkFailed as error:
        store.say(
            f"bench {subject.name} {task}: failed; the others continue. Run the command again to "
            f"resume it. {first_line(error)}"
        )
        return Benched(subject.name, task, None, failed=str(error))
    result = json.loads((stage.folder / RESULT).read_text(encoding="utf-8"))
    lines = (stage.folder / SAMPLES).read_text(encoding="utf-8", errors="surrogatepass").split("\n")[:-1]
    return Benched(subject.name, task, result, [json.loads(line) for line in lines], stage)


def _libraries(task: str, subject: Subject, settings: BenchSettings) -> tuple[str, ...]:
    """What computes the results; the libraries behind an endpoint are unknown."""
    measured = ("lm-eval", "nltk", "rouge-score") if _free_text(task) else ("lm-eval",)
    if subject.endpoint is not None:
        return measured
    return (*measured, *LANGUAGE_MODEL, "vllm" if settings.engine == "vllm" else "peft")
