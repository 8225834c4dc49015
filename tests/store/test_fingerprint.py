"""Which settings are part of a fingerprint, and what guards against a method that
changes and does not say so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel, ByteSize

from handpicked.catalogue import GUARDS, SCORERS
from handpicked.config import (
    EXECUTION,
    BenchSettings,
    Experiment,
    GenerateSettings,
    JudgeSettings,
    ModelSettings,
    PoolSettings,
    RefineSettings,
    ScoreSettings,
    SelectSettings,
    TrainSettings,
    result_settings,
)
from handpicked.experiment import stages
from handpicked.experiment.job import Job, Subset, Trained
from handpicked.experiment.judge_arms import judge_arms
from handpicked.experiment.lineup import lineup
from handpicked.experiment.training import Trainings
from handpicked.guards.lint import Lint
from handpicked.method import make, settings_of
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.scorers.model.llm_rating import LLMRating
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.minhash import MinHash
from handpicked.scorers.text.overlap import PromptOverlap
from handpicked.selection.plan import plan_selection
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.selector import Scores
from handpicked.store.versions import Dependencies, Versions, installed
from handpicked.workers.machine import CPU
from memory_pool import MemoryPool

SECTIONS: list[BaseModel] = [
    PoolSettings(path="pool.jsonl"),
    SelectSettings(),
    ScoreSettings(),
    ModelSettings(),
    TrainSettings(),
    GenerateSettings(),
    JudgeSettings(),
    RefineSettings(model="m"),
    BenchSettings(),
]
FIELDS = [(section, name) for section in SECTIONS for name in type(section).model_fields]


def another(annotation: Any, value: Any) -> Any:
    """A value of the annotated type that is not ``value``."""
    if get_origin(annotation) is Annotated:
        return another(get_args(annotation)[0], value)
    if get_origin(annotation) in (Union, UnionType):
        return another(next(part for part in get_args(annotation) if part is not NoneType), value)
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != value)
    if get_origin(annotation) is tuple:
        return ("another",)
    if get_origin(annotation) is dict:
        return {"another": "thing"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return next(changed(value, name) for name in annotation.model_fields if not execution(value, name))
    if annotation is bool:
        return not value
    if annotation is ByteSize:
        return "3GB"
    if annotation is str:
        return "longest:7"  # also a prefilter
    return annotation((value or 0.25) / 2) if annotation is float else (value or 1) + 1


def changed(section: BaseModel, name: str) -> BaseModel:
    """The section with another value of one field, checked."""
    field = type(section).model_fields[name]
    annotation = field.annotation
    assert annotation is not None
    return type(section).model_validate(
        {**section.model_dump(), name: another(annotation, getattr(section, name))}
    )


def execution(section: BaseModel, name: str) -> bool:
    return type(section).model_fields[name].json_schema_extra == EXECUTION


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=lambda part: getattr(part, "__class__", part).__name__ if isinstance(part, BaseModel) else part)  # fmt: skip
def test_a_setting_is_in_the_fingerprint_unless_it_is_marked(section, name):
    other = changed(section, name)
    assert getattr(other, name) != getattr(section, name)

    def fingerprint(settings):
        return Dependencies({}, result_settings(settings), Versions({})).fingerprint

    assert (fingerprint(other) == fingerprint(section)) is execution(section, name)


def test_what_changes_no_result_is_marked():
    endpoint = {"key_env", "concurrency", "timeout", "max_cost", "price_in", "price_out"}
    server = {"server", "server_python", "server_wait"}
    marked = {type(one): {n for n in type(one).model_fields if execution(one, n)} for one in SECTIONS}
    assert marked[RefineSettings] == endpoint and not marked[ScoreSettings]
    in_its_identity = {"server_options"}  # as far as they may change a reply
    rating = {one.name for one in settings_of(LLMRating) if one.execution}
    assert rating == endpoint | server | in_its_identity
    assert marked[JudgeSettings] == endpoint | server | {"batch", "force"}
    assert marked[TrainSettings] == {"launch", "save_every", "report_to"} and marked[BenchSettings] == {
        "batch_size"
    }
    assert marked[GenerateSettings] == server
    assert marked[PoolSettings] == {"split", "config", "encoding"}
    assert marked[SelectSettings] == {"memory"} and not marked[ModelSettings]


def test_marks_reach_the_settings_within_settings_and_those_of_scorers():
    pool = MemoryPool([{"prompt": "a", "response": "b"}])

    def planned(**score):
        asked = SelectSettings(by="llm-rating", size=1, score={"model": "m", **score})
        return plan_selection(pool, asked).settings

    assert planned() == planned(concurrency=2, price_in=1.0) == planned(sample=None)
    assert planned() != planned(dimension="helpfulness") != planned(sample=1)
    assert result_settings(LLMRating("m")) == result_settings(LLMRating("m", concurrency=2, max_cost=3.0))
    assert result_settings(LLMRating("m")) != result_settings(LLMRating("m", dimension="helpfulness"))


class Asked(Exception):
    """A stage was asked for: with which settings, methods and libraries."""


class Listening:
    """A store that makes nothing and raises what it was asked to make."""

    folder = Path("nowhere")
    made: frozenset[str] = frozenset()

    def say(self, text: str) -> None: ...

    def stage(self, name, make, *, inputs, settings, versions, **more):
        raise Asked(json.dumps(settings, sort_keys=True), versions)

    asking_stage = stage


def asked_for(stage: str, **sections: Any) -> tuple[str, Versions]:
    """What a stage says that it depends on, in an experiment with these sections."""
    written = {
        "name": "x",
        "pool": {"path": "pool.jsonl"},
        "arms": {"longest": {"by": "longest", "size": 2, **sections.pop("arm", {})}},
        "evaluate": {"prompts": [{"name": "p", "path": "p.jsonl"}], **sections.pop("evaluate", {})},
        **sections,
    }
    job = Job(Listening(), lineup(Experiment.model_validate(written)), SILENT)  # type: ignore[arg-type]
    subset = Subset(Path("s"), Path("s/selected.jsonl"), "hash", None, PoolSettings(path="p"))  # type: ignore[arg-type]
    trained = Trained(ModelSettings(), Path("adapter"), "auto", "hash", None)
    prompts = [Prompt("1", (Message("user", "Why?"),), "p")]
    calls = {
        "train": lambda: stages.train(job, "longest", subset, Trainings(CPU).train),
        "refine": lambda: stages.refine(job, "longest", subset),
        "generate": lambda: stages.generate(job, "longest", trained, prompts),
        "judge": lambda: judge_arms(job, prompts, {}),
    }
    with pytest.raises(Asked) as asked:
        calls[stage]()
    settings, versions = asked.value.args
    return settings, versions


STAGES = {
    "train": (TrainSettings(), lambda section: {"train": section}),
    "refine": (RefineSettings(model="m"), lambda section: {"arm": {"refine": section}}),
    "generate": (GenerateSettings(temperature=0.7), lambda section: {"evaluate": {"generate": section}}),
    "judge": (JudgeSettings(), lambda section: {"evaluate": {"judges": [section]}}),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_setting_of_its_section_that_is_not_marked(stage, monkeypatch, tmp_path):
    """Names of judges and prompts, and sections as a whole, are of another kind: they name files."""
    monkeypatch.setattr("handpicked.models.load.identity", lambda model: "hash")
    section, written = STAGES[stage]
    before, _ = asked_for(stage, **written(section.model_dump()))
    for name in type(section).model_fields:
        if name in ("name", "prompt"):
            continue
        after, _ = asked_for(stage, **written(changed(section, name).model_dump()))
        assert (after == before) is execution(section, name), name


def test_greedy_answers_do_not_depend_on_the_size_of_their_batch():
    for temperature, same in ((0.0, True), (0.7, False)):
        one, other = (
            asked_for("generate", evaluate={"generate": {"temperature": temperature, "batch_size": size}})
            for size in (4, 8)
        )
        assert (one == other) is same


def test_options_of_a_server_count_where_they_may_change_an_answer():
    def answers(*options):
        generate = {"engine": "vllm", "server": "auto", "server_options": options}
        return asked_for("generate", evaluate={"generate": generate})

    assert answers() == answers("--tensor-parallel-size=2", "--max-num-seqs", "8")
    assert answers() != answers("--quantization=fp8")
    assert "server_options" not in answers()[0], "as before there were any"


def test_stages_name_the_libraries_that_compute_them(monkeypatch):
    monkeypatch.setattr("handpicked.models.load.identity", lambda model: "hash")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3+cpu")
    _, training = asked_for("train")
    assert set(training.libraries) >= {"torch", "transformers", "trl", "peft", "accelerate", "tokenizers"}
    assert set(training.libraries.values()) == {"1.2.3"} and training.methods == {"train": stages.TRAIN}
    _, full = asked_for("train", train={"method": "full"})
    assert "peft" not in full.libraries
    _, answers = asked_for("generate", evaluate={"generate": {"engine": "vllm"}})
    assert "vllm" in answers.libraries and "peft" not in answers.libraries
    _, judged = asked_for("judge")
    assert "sentence-transformers" in judged.libraries and judged.methods == {"judge by similarity": 2}
    _, refined = asked_for("refine", arm={"refine": {"model": "m"}})
    assert not refined.libraries, "what computes the replies is behind the endpoint"


# What follows guards the promise of a version: results recorded once, by version. A refactoring, a docstring
# or a faster way leaves them as they are. Where one changes on purpose, raise the version beside the method,
# then write the new value here.

TEXTS = [
    "I think it is a tree. However, it may be a stone!\n\n1. Look.\n2. Think again.",
    "word " * 40,
    "",
    "```python\nprint(1)\n```\nThis ends in the mid",
    "Café, naïve: \u4f60\u597d 12345. Thank you, please do, because of you.",
]
LINTED = [
    "<think></think>Yes.",
    "<think>Hm.",
    "As an AI language model, I cannot.",
    "Sorry, I can't.",
    "Yes.",
]
ROLES = ["user assistant", "user user assistant", "system assistant", "user calls tool", "assistant"]
TOOLS = json.dumps(
    [
        {"role": "user", "content": "Sing.", "tools": json.dumps([{"name": "play", "parameters": {"required": ["a"]}}])},
        {"role": "assistant", "content": "", "calls": [{"name": name, "arguments": "{}", "id": name} for name in ("play", "sing")]},
        {"role": "tool", "content": "la", "call_id": "hum"},
        {"role": "assistant", "content": "", "calls": [{"name": "sing", "arguments": "{"}]},
    ]
)  # fmt: skip
RECORDED = Path(__file__).with_name("recorded_results.json")


def fingerprint_of(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def results() -> dict[str, list[Any]]:
    """By method: its version, the versions of its libraries, and the hash of what it made of fixed rows."""
    found: dict[str, list[Any]] = {}
    batch = pa.record_batch(
        {"prompt": pa.array(["Say."] * 5, pa.large_string()), "response": pa.array(TEXTS, pa.large_string())}
    )
    texts = {name: one for name, one in SCORERS.shipped.items() if issubclass(one, Scorer)}
    scorers = [make(one, name, {}) for name, one in texts.items()]
    scorers += [MinHash(), PromptOverlap((("p", "Think again about what it may be. " * 3),))]
    for scorer in scorers:
        if scorer.cost == "text":
            values = scorer(batch).to_pylist()
            values = [round(v, 9) if isinstance(v, float) else str(v) for v in values]
            found[f"scorer {scorer.name}"] = noted(scorer, values)
    rows = pa.record_batch({"response": LINTED, "turn_roles": ROLES, "tool_turns": [TOOLS] + [None] * 4})
    for guard in (one() for one in GUARDS.shipped.values() if issubclass(one, Lint)):
        if set(guard.libraries) <= {"jsonschema"} and guard.reads[0] in rows.schema.names:
            found[f"guard {guard.name}"] = noted(guard, guard.find(rows.select(guard.reads)).to_pylist())
    for selector in selectors():
        rows = selector.select(Scores.of(table()), 12)
        found[f"selector {selector.name}"] = noted(selector, [rows.tolist(), selector.why_not(12)])
    return found


def noted(method: Any, values: Any) -> list[Any]:
    libraries = {name: version for name in method.libraries if (version := installed(name))}
    return [method.version, libraries, fingerprint_of(values)]


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "row": np.arange(60),
            "id": [hashlib.md5(str(row).encode()).hexdigest() for row in range(60)],
            "tokens": rng.integers(1, 80, 60),
            "quality": rng.random(60),
            "kind": [f"kind {row % 4}" for row in range(60)],
            "t-shirt": rng.random(60),
            "t-shirt_spread": rng.random(60),
            "t-shirt_ifd": rng.random(60) + 0.2,
            "embedding": rng.random(60),
        }
    )


def selectors() -> list[Any]:
    from handpicked.selectors.balanced import Balanced
    from handpicked.selectors.deita import Deita
    from handpicked.selectors.facility_location import FacilityLocation
    from handpicked.selectors.full import Full
    from handpicked.selectors.k_center import KCenter
    from handpicked.selectors.length_matched import LengthMatched
    from handpicked.selectors.power_law import PowerLaw
    from handpicked.selectors.qdit import Qdit
    from handpicked.selectors.random import Random
    from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
    from handpicked.selectors.t_shirt import Steady
    from handpicked.selectors.window import Window

    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embeddings = Embeddings(np.arange(60), vectors)
    plain = [
        Full(), Random(3), Longest(), Shortest(), Top("quality"), Bottom("quality"), Steady(),
        Window("quality", 0.2, 0.8), Balanced("kind"), PowerLaw("kind"), LengthMatched(tuple(range(20, 32))),
    ]  # fmt: skip
    meaning = [KCenter(), Deita("quality"), Qdit("quality"), FacilityLocation(shards=3, sample=30)]
    return [*plain, *(replace(one, embeddings=embeddings) for one in meaning)]


def test_a_method_whose_result_changed_has_another_version():
    recorded, now = json.loads(RECORDED.read_text()), results()
    assert recorded.keys() == now.keys(), f"a method is new or gone: write {RECORDED.name} anew (see below)"
    for name, (version, libraries, digest) in now.items():
        was_version, was_libraries, was_digest = recorded[name]
        if libraries == was_libraries and digest != was_digest:
            assert version != was_version, (
                f"{name} gives another result of the same rows, but its version is {version} "
                "as before: finished runs would "
                "be kept though they are no longer what this code makes. If the result is "
                "meant to change, raise the version "
                f"beside the method, then write {RECORDED.name} anew: python "
                "tests/store/test_fingerprint.py. If not, it is a bug."
            )
        assert (version, digest) == (was_version, was_digest) or libraries != was_libraries, (
            f"{name}: write {RECORDED.name} anew: python tests/store/test_fingerprint.py"
        )


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(results(), indent=1) + "\n")
