"""Commands that ask an endpoint: what they say of what came, their exit codes, and no key on the terminal."""

from __future__ import annotations

import json

import pytest
from test_cli import handpicked

from handpicked.config import RefineSettings
from handpicked.errors import EndpointError
from handpicked.experiment.refine import rewrite
from handpicked.records import Example, Message
from local_endpoint import Act, local_endpoint

KEY = "sk-terminal-0123456789"


def refused(words: str, status: int = 400) -> Act:
    return Act(status=status, body=json.dumps({"error": {"message": words}}).encode())


@pytest.fixture
def answers(tmp_path):
    for name in ("a", "b"):
        rows = [{"prompt": f"question {i}", "output": f"{name} {i}"} for i in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "a.jsonl", tmp_path / "b.jsonl"


def judged(answers, server, out, *more):
    words = ("--judge", "scores", "--model", "m", "--base-url", server.url, "-o", out, *more)
    return handpicked("judge", *answers, *words, OPENAI_API_KEY=f"{KEY}\n")


def test_judge_tells_how_many_verdicts_could_be_read(answers, tmp_path):
    def act(body, _):
        unread = "question 1" in body["messages"][-1]["content"]
        return Act(None, finish="content_filter") if unread else Act("8 6")

    with local_endpoint(act) as server:
        done = judged(answers, server, tmp_path / "out")
    assert done.returncode == 0
    assert (
        "2 of 3 verdicts could be read; of the others: the endpoint's content "
        "filter cut the reply (2 replies)" in (done.stderr)
    )


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (
            refused("no such model m"),
            "refused every request: HTTP 400: no such model m. Check base_url, model",
        ),
        (refused(f"bad key {KEY}", 401), "refused the key (HTTP 401: bad key ***)"),
        (Act(None, finish="length"), "not one of 3 verdicts could be read. the reply was cut at max_tokens"),
        (Act("I like both"), "judge scores/m: not one of 3 verdicts could be read. no line with two scores"),
    ],
    ids=["400", "401", "thought", "prose"],
)
def test_a_judgement_of_nothing_is_exit_code_2_and_says_why(answers, tmp_path, act, says):
    with local_endpoint(lambda *_: act) as server:
        done = judged(answers, server, tmp_path / "out")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    for file in (tmp_path / "out").rglob("*"):
        assert KEY.encode() not in file.read_bytes()
        assert file.suffix not in (".sqlite", ".jsonl") or file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_an_address_with_a_password_is_nowhere(answers, tmp_path):
    with local_endpoint(lambda *_: refused("no")) as server:
        url = server.url.replace("http://", "http://me:pass-word-77@") + "?api_key=query-key-77"
        done = judged(answers, type("At", (), {"url": url}), tmp_path / "out")
    assert done.returncode == 2
    assert f"{server.url} refused every request: HTTP 400: no" in done.stderr
    assert server.keys[0].startswith("basic ")
    shown = [done.stderr.encode(), *(f.read_bytes() for f in (tmp_path / "out").rglob("*") if f.is_file())]
    assert not any(secret in text for text in shown for secret in (b"pass-word-77", b"query-key-77"))


def test_score_counts_values_and_not_rows(tmp_path):
    pool = tmp_path / "pool.jsonl"
    rows = [{"instruction": f"question {i}", "output": f"answer {i}."} for i in range(4)]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def act(body, _):
        return Act("4.5") if "answer 0." in body["messages"][-1]["content"] else Act("very good")

    def score(server, out):
        words = ("--scorer", "llm-rating", "--model", "m", "--set", f"score.base_url={server.url}", "-o", out)
        return handpicked("score", pool, *words, HANDPICKED_CACHE=tmp_path / "cache", OPENAI_API_KEY=KEY)

    with local_endpoint(act) as server:
        done = score(server, tmp_path / "one")
    assert done.returncode == 0
    assert (
        "llm-rating: 1 of 4 rows have a value; of the others: no line holds a rating: 'very good' (3)"
        in done.stdout
    )
    with local_endpoint(lambda *_: Act("very good")) as server:
        done = score(server, tmp_path / "none")
    assert done.returncode == 2
    assert "llm-rating: not one of 4 rows has a value; of the others: no line holds a rating" in done.stderr
    for words in ("bad request", "still bad"):  # the second time they are asked again
        with local_endpoint(lambda *_, words=words: refused(words)) as server:
            done = score(server, tmp_path / "refused")
            assert len(server.bodies) == 4
        assert done.returncode == 2
        assert f"refused every request: HTTP 400: {words}" in done.stderr


# -- rewriting
# ---------------------------------------------------------------------------------------------------------


def example(row: int, response: str) -> Example:
    turns = (Message("user", f"question {row}"), Message("assistant", response))
    return Example(row, f"id{row}", turns, turns[0].content, response, "pool", {})


def test_rewritten_rows_are_utf8_and_every_row_keeps_its_own_reason(tmp_path):
    acts = {
        0: Act("new \ud800 text"),
        1: Act(None, finish="content_filter"),
        2: Act(None, finish="length"),
        3: refused("flagged", 403),
        4: Act("new text"),
    }

    def act(body, _):
        return next(acts[i] for i in acts if f"question {i}" in body["messages"][-1]["content"])

    examples = [example(i, "old \udfff text" if i == 0 else "old text") for i in acts]
    with local_endpoint(act) as server:
        settings = RefineSettings(model="m", base_url=server.url)
        done = rewrite(examples, settings, tmp_path, arm="x", cache=tmp_path / "c.sqlite")
    lines = [
        json.loads(line) for line in (tmp_path / "refined.jsonl").read_bytes().decode("utf-8").splitlines()
    ]
    assert [line["refined"] for line in lines] == ["new \ufffd text", None, None, None, "new text"]
    assert lines[0]["original"] == "old \ufffd text"
    reasons = [line["reason"] for line in lines[1:4]]
    assert [
        "content filter" in reasons[0],
        "max_tokens" in reasons[1],
        "HTTP 403: flagged" in reasons[2],
    ] == [True] * 3
    assert (done.rewritten, len(done.left_out), done.rows) == (2, 3, 5)
    assert len((tmp_path / "selected.jsonl").read_bytes().decode("utf-8").splitlines()) == 2


def test_a_rewriting_that_is_refused_says_what_to_change(tmp_path):
    act = refused("max_tokens is too large: at most 4096")
    with (
        local_endpoint(lambda *_: act) as server,
        pytest.raises(EndpointError, match="Change the setting max_tokens"),
    ):
        settings = RefineSettings(model="m", base_url=server.url)
        rewrite([example(0, "old")], settings, tmp_path, arm="x", cache=tmp_path / "c.sqlite")
    assert not (tmp_path / "selected.jsonl").exists()
