"""The benchmark stages: one for each benchmark of each arm. Each resumes separately, and a failure stops no
other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.bench import (
    BENCHMARKS,
    BenchmarkFailed,
    InParts,
    LocalModel,
    VllmModel,
    check_files,
    evaluate,
    tasks_of,
)
from handpicked.config import BenchSettings
from handpicked.errors import first_line
from handpicked.experiment.benched import Benched
from handpicked.experiment.job import Job, Trained
from handpicked.progress import Progress
from handpicked.records import to_json
from handpicked.store import Run, write_text
from handpicked.store.versions import LANGUAGE_MODEL, Versions
from handpicked.workers import THIS_MACHINE, Workers

if TYPE_CHECKING:
    from handpicked.bench import BenchModel, LocalData

RESULT, SAMPLES = "result.json", "samples.jsonl"
REQUESTS = "requests"
"""The folder of what a model has answered so far."""
BENCH = 1
"""The version of how benchmarks are run and read here. Raise it when the same documents would score
differently.
"""


@dataclass(frozen=True)
class Subject:
    """What is benchmarked: what identifies it, and the model by the chat template of answers in free text (None:
    no benchmark needs one).
    """

    name: str
    identity: str
    template: str
    model: Callable[[str | None], BenchModel]


def benchmarks(job: Job, arm: str, trained: Trained) -> list[Benched]:
    """All benchmarks of the experiment on one arm."""
    evaluate = job.experiment.evaluate
    if not evaluate.benchmarks:
        return []
    subject = subject_of(arm, trained, evaluate.bench)
    return run_benchmarks(job.store, subject, evaluate.benchmarks, evaluate.bench, job.progress, job.workers)


def subject_of(name: str, trained: Trained, settings: BenchSettings) -> Subject:
    """A model that is loaded by transformers, or by vLLM."""

    def model(template: str | None) -> BenchModel:
        if settings.engine == "vllm":
            return VllmModel(trained.model, trained.adapter)
        return LocalModel(trained.model, trained.adapter, template, settings.batch_size)

    return Subject(name, trained.identity, trained.template, model)


def run_benchmarks(
    store: Run,
    subject: Subject,
    names: Sequence[str],
    settings: BenchSettings,
    progress: Progress,
    workers: Workers = THIS_MACHINE,
) -> list[Benched]:
    """The benchmarks that ``names`` ask for, averages replaced by what they average, in stages
    ``bench/SUBJECT/BENCHMARK``. Each goes in parts of 64 documents, by ``workers``.

    One that fails in its own code is reported with its reason and runs again next time; the others go
    on. Mistakes in names, files and fields are raised before anything runs.
    """
    tasks = tasks_of(names)
    data = check_files(tasks, settings.data)
    free_text = any(_by_template(task, settings) for task in tasks)
    model = subject.model(subject.template if free_text else None)
    runs = _Runs(store, subject, settings, model, workers, progress)
    return [runs.one(task, data.get(task)) for task in tasks]


def _by_template(task: str, settings: BenchSettings) -> bool:
    return settings.chat_template == "always" or (settings.chat_template == "free-text" and _free_text(task))


def _free_text(task: str) -> bool:
    """Whether its answers are texts that are read as a person would."""
    return task in BENCHMARKS and BENCHMARKS[task].free_text


@dataclass(frozen=True)
class _Runs:
    """How the benchmarks of one subject are run."""

    store: Run
    subject: Subject
    settings: BenchSettings
    model: BenchModel
    workers: Workers
    progress: Progress

    def one(self, task: str, data: LocalData | None) -> Benched:
        """One benchmark, as a stage."""

        subject, settings, label = self.subject, self.settings, f"bench {self.subject.name} {task}"
        endpoint = self.model.endpoint
        chat = _by_template(task, settings) if endpoint is None else endpoint.chat

        def make(work: Path) -> None:
            lm = InParts(self.model, work / REQUESTS, self.workers, label, self.progress)
            result, samples = evaluate(task, lm, data, limit=settings.limit, chat=chat)
            write_text(work / SAMPLES, "".join(to_json(sample) + "\n" for sample in samples))
            write_text(work / RESULT, json.dumps(asdict(result), allow_nan=False) + "\n")
            shutil.rmtree(work / REQUESTS, ignore_errors=True)

        try:
            stage = self.store.stage(
                f"bench/{subject.name}/{task}",
                make,
                inputs={"model": subject.identity, "data": data.identity if data else f"hub:{task}"},
                settings={
                    "limit": settings.limit,
                    "template": subject.template if chat else None,
                    # What is left out for transformers stays as runs of layout 1 have it.
                    **({"engine": settings.engine} if settings.engine != "transformers" else {}),
                },
                versions=Versions.of({f"bench {task}": BENCH}, self._libraries(task)),
            )
        except BenchmarkFailed as error:
            self.store.say(
                f"{label}: failed; the others continue. Run the command again to resume it. {first_line(error)}"
            )
            return Benched(subject.name, task, None, failed=str(error))
        result = json.loads((stage.folder / RESULT).read_text(encoding="utf-8"))
        lines = (stage.folder / SAMPLES).read_text(encoding="utf-8", errors="surrogatepass").split("\n")[:-1]
        return Benched(subject.name, task, result, [json.loads(line) for line in lines], stage)

    def _libraries(self, task: str) -> tuple[str, ...]:
        """What computes the results; the libraries behind an endpoint are unknown."""
        measured = ("lm-eval", "nltk", "rouge-score") if _free_text(task) else ("lm-eval",)
        if self.model.endpoint is not None:
            return measured
        return (*measured, *LANGUAGE_MODEL, "vllm" if self.settings.engine == "vllm" else "peft")
