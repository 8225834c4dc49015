"""Every way to answer wrongly: no traceback, no hang, no key shown, no value invented, always a reason."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.http_faults import FAULTS, KEY, HttpFault, serving_fault

from handpicked.config import JudgeSettings
from handpicked.endpoint import Retry, complete
from handpicked.errors import HandpickedError
from handpicked.judges import judge, read_verdicts
from handpicked.progress import SILENT
from handpicked.records import Pair
from handpicked.scorers.model.llm_rating import LLMRating
from handpicked.scorers.pool_scorer import read_scores
from memory_pool import MemoryPool

LIMIT_S = 8.0
"""Seconds for a command of four requests; each may take half a second and is tried twice."""
PAIRS = [Pair(f"p{i}", f"request {i}", "x", "y", "good answer", "bad answer", "set") for i in range(2)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setitem(complete.__kwdefaults__, "retry", Retry(2, 2, 0.01, 0.02, 1.0))


def settled(call) -> tuple[object, str]:
    """What a call gave, or what it said instead, within the time limit."""
    started = time.monotonic()
    try:
        found, said = call(), ""
    except HandpickedError as error:
        found, said = None, str(error)
        assert said and "\n" not in said
    assert time.monotonic() - started < LIMIT_S
    return found, said


def no_key_in(folder: Path, *texts: str) -> None:
    for text in texts:
        assert KEY not in text
    for file in folder.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_judge_meets_it(tmp_path, caplog, capfd, fault: HttpFault):
    said = ""
    with serving_fault(fault) as server:
        settings = JudgeSettings(name="scores", model="m", base_url=server.url, timeout=0.5, concurrency=1)
        for name in ("1", "2"):  # the second time with what the first one cached
            file = tmp_path / f"{name}.jsonl"
            verdicts, said = settled(
                lambda file=file: judge(PAIRS, settings, file, cache=tmp_path / "c.sqlite")
            )
            if verdicts is None:
                assert not fault.reads, said
                continue
            for verdict in verdicts:
                for review in verdict.reviews:
                    read = review.preferred is not None
                    assert fault.reads in (read, None), review
                    assert (review.reason is None) == read
                    assert (review.preferred, review.scores) == (
                        ("first", (8.0, 6.0)) if read else (None, None)
                    )
            lines = file.read_bytes().decode("utf-8").splitlines()
            assert [json.loads(line.encode())["prompt_id"] for line in lines] == ["p0", "p1"]
            assert read_verdicts(file) == verdicts
    no_key_in(tmp_path, said, caplog.text, *capfd.readouterr())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_rating_meets_it(tmp_path, caplog, capfd, fault: HttpFault):
    pool = MemoryPool([{"prompt": f"{n}?", "response": f"Answer {n}."} for n in ("one", "two")])
    (tmp_path / "w").mkdir()
    with serving_fault(fault) as server:
        rating = LLMRating(
            model="m", base_url=server.url, timeout=0.5, concurrency=1, cache=str(tmp_path / "c.sqlite")
        )
        for _ in range(2):
            _, said = settled(lambda: rating.score(pool, None, tmp_path / "w", SILENT))
            assert not (said and fault.reads), said
        if not said:
            table = read_scores(tmp_path / "w").to_pylist()
            for row in table:
                value, reason = row["llm-rating"], row["reason"]
                assert value in (4.5, None)
                assert (value is None) == bool(reason)
                assert fault.reads in (value is not None, None), reason
            for line in (tmp_path / "w" / "replies.jsonl").read_bytes().decode("utf-8").splitlines():
                json.loads(line)
    no_key_in(tmp_path, said, caplog.text, *capfd.readouterr())


def test_there_are_more_than_a_hundred_kinds_and_no_name_twice():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) > 100
