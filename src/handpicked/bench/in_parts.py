"""The requests of a benchmark in resumable parts over devices: what ``lm_eval.evaluate`` takes for its model.

lm-eval makes the requests and reads the answers, so that its numbers stay its own. A part holds all requests
of some documents; lm-eval's model makes its batches inside a part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from handpicked.bench.listening import counting, hushed
from handpicked.bench.models import BenchModel
from handpicked.progress import SILENT, Progress
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import THIS_MACHINE, Part, PartFiles, Work, Workers, run_parts

DOCUMENTS = 64
"""Documents of a part."""
SEED = 1234
"""lm-eval's own seed of torch, for tasks that sample their answers; a part adds its number."""

Arguments = Sequence[tuple[Any, ...]]
"""The requests of one document, by what lm-eval's model is called with for each."""


@dataclass
class InParts:
    """``model`` as ``lm_eval.evaluate`` calls it. Unfinished work is kept in the folder ``work``."""

    model: BenchModel
    work: Path
    workers: Workers = THIS_MACHINE
    label: str = "bench"
    progress: Progress = SILENT
    rank: ClassVar[int] = 0
    world_size: ClassVar[int] = 1
    tokenizer_name: ClassVar[str] = ""

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """The log-likelihood in nats of each continuation, and whether it is the greedy one."""
        return self._answered("loglikelihood", requests)

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[Any]:
        """The log-likelihood of each text, in nats."""
        return self._answered("loglikelihood_rolling", requests)

    def generate_until(self, requests: Sequence[Any]) -> list[Any]:
        """The answer to each prompt."""
        return self._answered("generate_until", requests)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> Any:
        """A conversation as a prompt."""
        return self.model.prompt(chat_history, add_generation_prompt)

    def _answered(self, kind: str, requests: Sequence[Any]) -> list[Any]:
        """Documents with the longest prompts come first: those of like length share batches."""
        places: dict[tuple[str, int], list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault((request.task_name, request.doc_id), []).append(place)
        longest = {
            document: max(len(str(requests[place].args[0])) for place in of_it)
            for document, of_it in places.items()
        }
        order = sorted(places, key=lambda document: (-longest[document], document))
        documents = [[requests[place].args for place in places[document]] for document in order]
        task = Asking(self.label, kind, documents, self.model)
        files = PartFiles.of(self.work, [len(documents)], DOCUMENTS, f"{kind}-{task.digest}")
        run_parts(task, files, self.model.workers(self.workers), self.progress)
        answers = [answer for table in files.tables() for answer in table["answers"].to_pylist()]
        found: list[Any] = [None] * len(requests)
        for document, written in zip(order, answers, strict=True):
            for place, answer in zip(places[document], json.loads(written), strict=True):
                found[place] = tuple(answer) if kind == "loglikelihood" else answer
        return found


@dataclass(frozen=True)
class Asking:
    """The requests of one ``kind``, lm-eval's name of it, as a task in parts of their documents."""

    name: str
    kind: str
    documents: Sequence[Arguments]
    model: BenchModel
    items: str = "documents"
    libraries: Sequence[str] = ("lm-eval", *LANGUAGE_MODEL)

    @property
    def digest(self) -> str:
        """Of all requests: other requests, as of a data set that has changed, are other parts."""
        found = hashlib.sha256()
        for document in self.documents:
            found.update(repr(document).encode("utf-8", "surrogatepass"))
        return found.hexdigest()[:12]

    def open(self) -> Work:
        """See ``workers.Task``."""
        return AskingWork(self)


@dataclass
class AskingWork:
    """The requests of parts in one worker."""

    task: Asking

    def read(self, part: Part) -> tuple[Part, Sequence[Arguments]]:
        """See ``workers.Work``."""
        return part, self.task.documents[part.first : part.end]

    def compute(self, ready: tuple[Part, Sequence[Arguments]], step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``: for each document its answers, as JSON."""
        import torch
        from lm_eval.api.instance import Instance

        part, documents = ready
        requests = [
            Instance(self.task.kind, {}, arguments, at)
            for document in documents
            for at, arguments in enumerate(document)
        ]
        lm = self.task.model.lm
        torch.manual_seed(SEED + part.number)
        with hushed(), counting(lambda share: step(share * len(part))):
            answers = iter(getattr(lm, self.task.kind)(requests))
        each = [[next(answers) for _ in document] for document in documents]
        return pa.table({"answers": [json.dumps(one, default=_plain) for one in each]}, schema=ANSWERS)


ANSWERS = pa.schema([("answers", pa.large_string())])
"""A part: for each document a JSON list of its answers, a likelihood with whether it is greedy, or a text."""


def _plain(value: Any) -> Any:
    """A NumPy number as Python's."""
    return value.item()
