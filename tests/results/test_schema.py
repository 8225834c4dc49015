"""results.json and its published schema: what is written is read back into the same classes, and nothing else
is read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

import made_run
from handpicked.errors import StoreError
from handpicked.report import read, render, write
from handpicked.results.schema import FORMAT, Results, from_json, schema, schema_text, to_json
from made_run import made, plain, round_robin, unhealthy, usual
from oldest import same_words

PUBLISHED = Path(__file__).parents[2] / "docs" / "results.schema.json"


def by_category() -> Results:
    found = [replace(v, category=("coding", "writing")[i % 2]) for i, v in enumerate(made_run.verdicts())]
    return made(verdicts=found)


@pytest.mark.parametrize("run", [usual, unhealthy, round_robin, by_category])
def test_what_is_written_is_read_back_into_the_same_classes(run) -> None:
    again = from_json(json.loads(to_json(run())))
    assert to_json(again) == to_json(run())
    assert (again.answer, again.comparisons, again.judges) == (run().answer, run().comparisons, run().judges)
    assert render(again) == render(run())


@same_words
def test_the_published_schema_is_that_of_the_classes() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), "is stale: run python tools/reference.py"
    assert schema()["properties"]["format"]["const"] == FORMAT


def test_every_key_of_results_is_in_the_schema() -> None:
    assert list(plain(usual())) == list(schema()["properties"])


def test_a_file_of_the_format_before_is_read() -> None:
    """There, comparisons by category named neither arms nor judge, and an arm of one training had no
    ``seeds``.
    """
    old = plain(by_category()) | {"format": 3}
    for comparison in old["comparisons"]:
        del comparison["seeds"]
        for group in comparison["categories"].values():
            for key in ("judge", "test_set", "a", "b", "holm", "seeds", "categories"):
                del group[key]
    assert to_json(from_json(old)) == to_json(by_category())


def test_a_wrong_value_is_refused_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    write(usual(), tmp_path)
    wrong = plain(usual())
    wrong["arms"][0]["rows"] = "many"
    with pytest.raises(ValidationError):
        from_json(wrong)
    (tmp_path / "results.json").write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(StoreError, match=r"arms\.0\.rows.*run the experiment again"):
        read(tmp_path)
