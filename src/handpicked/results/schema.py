"""The contents of results.json: one frozen dataclass a section, ``Results`` at the top, and how they are
written and read.

The fields are the keys of the file, in its order. ``docs/results.schema.json`` is the JSON schema of
``Results``, made by ``schema``. Every reported number is an Estimate (value, low, high, n, missing, method).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from handpicked.records import LINE, Json
from handpicked.results.facts import StageFacts
from handpicked.results.sections.arms import ArmSection, PoolSection, PromptSet, SeedSection, SizeCurve
from handpicked.results.sections.benchmarks import BenchmarkRow, ShortAnswers
from handpicked.results.sections.comparisons import ArmComparison, Ranking
from handpicked.results.sections.people import People
from handpicked.results.sections.samples import Sample
from handpicked.results.sections.selected import Instructions, SelectionAudit
from handpicked.statistics.health import Health
from handpicked.statistics.preference import StylePreference

FORMAT = 4
"""Version of the shape of results.json: raised when a key changes its meaning, moves or goes."""
READ = (3, FORMAT)
"""The versions that are read."""
AnswerKind = Literal["clear", "mixed", "lost", "undecided", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the experiment in words.

    ``kind``: clear (every rival is beaten), mixed, lost, undecided, or refused (no winner may be named).
    ``headline`` is the answer without numbers, ``sentence`` with them. ``certainty`` says what the numbers
    cover and what they do not; ``by_loss`` what the loss on the references says, empty where there is none.
    """

    kind: AnswerKind
    headline: str
    sentence: str
    certainty: str
    by_loss: str


@dataclass(frozen=True, slots=True)
class Banner:
    """What a reader must know before believing the numbers. ``stop``: the verdicts decide nothing."""

    level: Literal["stop", "warn", "note"]
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that results.json says, in its order. A section is ``None`` or empty where the run has no
    such part.
    """

    format: int
    name: str
    why: str
    expected: str
    cost: str
    candidate: str
    candidates: tuple[str, ...]
    answer: Answer
    pool: PoolSection
    pools: tuple[PoolSection, ...]
    length_bins: tuple[int, ...]
    prompts: tuple[PromptSet, ...]
    arms: tuple[ArmSection, ...]
    members: tuple[SeedSection, ...]
    comparisons: tuple[ArmComparison, ...]
    size_curves: tuple[SizeCurve, ...]
    judges: tuple[Health, ...]
    rankings: tuple[Ranking, ...]
    benchmarks: tuple[BenchmarkRow, ...]
    short_answers: tuple[ShortAnswers, ...]
    samples: tuple[Sample, ...]
    audit: SelectionAudit | None
    instructions: Instructions | None
    preference: StylePreference | None
    people: People | None
    stages: tuple[StageFacts, ...]
    settings: Mapping[str, JsonValue]
    provenance: Mapping[str, JsonValue]
    banners: tuple[Banner, ...] = ()


def to_json(results: Results) -> str:
    """The text of results.json."""
    return json.dumps(results, default=LINE.default, indent=1, allow_nan=False) + "\n"


def from_json(plain: Mapping[str, JsonValue]) -> Results:
    """The results of a parsed results.json of this format or the one before.

    Raises pydantic's ValidationError, which names every wrong key.
    """
    return _adapter().validate_python(_of_format_3(plain) if plain.get("format") == 3 else plain)


def _of_format_3(plain: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same in this format: there, a comparison by category did not name its arms and judge."""
    comparisons: list[JsonValue] = []
    listed = plain.get("comparisons")
    for comparison in listed if isinstance(listed, list) else []:
        if isinstance(comparison, dict) and isinstance(categories := comparison.get("categories"), dict):
            named: dict[str, JsonValue] = {
                name: {
                    **{key: comparison.get(key) for key in ("judge", "test_set", "a", "b")},
                    "holm": None,
                    **group,
                }
                for name, group in categories.items()
                if isinstance(group, dict)
            }
            comparison = {**comparison, "categories": named}
        comparisons.append(comparison)
    return {**plain, "format": FORMAT, "comparisons": comparisons}


def schema() -> Json:
    """The JSON schema of results.json, with the version of its shape."""
    made = _adapter().json_schema()
    made["properties"]["format"]["const"] = FORMAT
    title = f"handpicked results.json, format {FORMAT}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}


def schema_text() -> str:
    """``schema`` as docs/results.schema.json holds it."""
    return json.dumps(schema(), indent=1) + "\n"


@cache
def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)
