"""Judging from Python: what files give, objects give."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

import handpicked as hp
from handpicked.errors import StoreError
from local_endpoint import Act, local_endpoint

REVIEWS = Path(__file__).parents[1] / "readme" / "reviews.jsonl"
GOOD = [{"prompt": f"What is {n}?", "answer": f"{n} is a number. {'More. ' * n}"} for n in range(6)]
BAD = [{"prompt": f"What is {n}?", "answer": "No idea."} for n in range(1, 7)]


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def likes_more(body, _):
    """Gives 9 to an answer with a number and 2 to another, wherever it stands."""
    text = "".join(message["content"] for message in body["messages"])
    first = text.index("number") < text.index("No idea")
    return Act("9 2\nMore." if first else "2 9\nMore.")


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with local_endpoint(likes_more) as server:
        yield {"model": "m", "base_url": server.url}


def test_answers_as_objects_and_as_files_give_the_same_verdicts(tmp_path, endpoint):
    files = []
    for name, rows in (("A", GOOD), ("B", BAD)):
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    of_files = hp.judge(*files, "scores", out=tmp_path / "files", **endpoint)
    of_objects = hp.judge(GOOD, pa.Table.from_pylist(BAD), "scores", out=tmp_path / "objects", **endpoint)
    assert [(v.prompt_id, v.a, v.b, v.strict) for v in of_objects.verdicts] == [
        (v.prompt_id, v.a, v.b, v.strict) for v in of_files.verdicts
    ]
    assert [v.strict for v in of_objects.verdicts] == ["win"] * 5
    assert of_objects.said[:3] == (
        "A: prompt and answer, 6 answers",
        "B: prompt and answer, 6 answers",
        "not paired: 1 prompts only in A, 1 only in B",
    )
    assert "A" in str(of_objects) and (tmp_path / "objects" / "verdicts.jsonl").is_file()
    assert of_objects.verdicts[0].reviews[0].raw == "9 2\nMore."


def test_a_model_is_called_by_its_own_name(tmp_path, endpoint):
    named = [{"instruction": row["prompt"], "output": row["answer"], "generator": "mine"} for row in GOOD]
    judged = hp.judge(named, BAD, "scores", out=tmp_path / "out", **endpoint)
    assert {(v.a, v.b) for v in judged.verdicts} == {("mine", "B")}


@pytest.mark.models
def test_a_judge_that_nobody_pays_for_needs_no_folder(scratch):
    pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    answers = [row | {"reference": row["answer"]} for row in GOOD]
    judged = hp.judge(answers, BAD)
    assert [v.strict for v in judged.verdicts] == ["win"] * 5
    assert not [file for file in scratch.iterdir() if file.name.startswith("handpicked-")]


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "says"),
    [
        ((GOOD, BAD, "scores"), {"model": "m"}, hp.ConfigError, "out: name a folder. 'scores' asks a model"),
        ((GOOD, BAD, "scroes"), {"out": "x"}, hp.ConfigError, "scroes"),
        (
            (GOOD, BAD, "scores"),
            {"modle": "m"},
            hp.ConfigError,
            "modle is not a setting. Did you mean 'model'",
        ),
        (([{"a": 1}], BAD), {}, hp.PoolError, "A holds no answers in a known format. Fields seen: a"),
        ((GOOD, [{"prompt": "other", "answer": "x"}]), {}, hp.PoolError, "no prompt in common"),
        ((GOOD, iter([])), {}, hp.PoolError, "the iterable is empty"),
        ((GOOD, "nothing.json"), {}, hp.PoolError, "there is no such file"),
    ],
)
def test_a_mistake_is_a_typed_error_of_a_sentence(arguments, settings, error, says, scratch):
    with pytest.raises(error, match=says) as caught:
        hp.judge(*arguments, **settings)
    assert str(scratch) not in str(caught.value)
    assert not list(scratch.iterdir())


def test_a_judge_whose_every_reply_is_unreadable_is_an_endpoint_error(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with (
        local_endpoint(lambda *_: Act("I cannot say.")) as server,
        pytest.raises(hp.EndpointError, match="not one of 5 verdicts could be read"),
    ):
        hp.judge(GOOD, BAD, "scores", out=tmp_path / "out", model="m", base_url=server.url)
    assert len((tmp_path / "out" / "verdicts.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("name", ["verdicts.jsonl", "judgements.json", "report.html"])
def test_files_that_handpicked_did_not_write_are_not_overwritten(tmp_path, monkeypatch, name):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with local_endpoint(likes_more) as server:
        with pytest.raises(StoreError, match=f"already holds {name}"):
            hp.judge(GOOD, BAD, "scores", out=out, model="m", base_url=server.url)
        with pytest.raises(StoreError, match=f"already holds {name}"):
            hp.replay(REVIEWS, out=out)
        assert not server.bodies, "the folder is refused before a reply is paid for"
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [(name, "mine")]


def test_a_folder_of_judge_is_written_again(tmp_path, endpoint):
    out = tmp_path / "out"
    hp.judge(GOOD, BAD, "scores", out=out, **endpoint)
    (out / "judgements.json").unlink()  # as a kill leaves it
    hp.judge(GOOD, BAD, "scores", out=out, **endpoint)
    (out / "verdicts.jsonl").unlink()  # as stored grades without pairs leave it
    assert hp.replay(REVIEWS, out=out).results.judges


def test_stored_reviews_as_objects_give_what_their_file_gives(tmp_path):
    rows = [json.loads(line) for line in REVIEWS.read_text().splitlines()]
    of_file, of_object = hp.replay(REVIEWS), hp.replay(rows, out=tmp_path / "out")
    assert of_object.results == of_file.results and of_object.verdicts == of_file.verdicts
    assert of_object.said[0].startswith("reviews: ")
    assert (tmp_path / "out" / "judgements.json").is_file()
    with pytest.raises(hp.PoolError, match="reviews"):
        hp.replay([{"a": 1}])


LABELLED = [
    {"input": f"What is {n}?", "output_1": f"{n} is a number.", "output_2": "No idea.", "label": 1 + (n == 4)}
    for n in range(5)
]


def test_a_judge_is_compared_with_people_on_labelled_objects(tmp_path, endpoint):
    judged = hp.calibrate(LABELLED, "scores", out=tmp_path / "out", **endpoint)
    (found,) = judged.results.judges
    assert found.people["all"].agreement.value == 0.8 and found.people["all"].agreement.n == 5
    with pytest.raises(hp.ConfigError, match="by: the pairs hold labels but no verdicts"):
        hp.calibrate(LABELLED)
