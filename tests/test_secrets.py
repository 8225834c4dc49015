"""No key is shown: not in logs, messages, files or on the terminal, whoever writes it."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.config import JudgeSettings
from handpicked.endpoint import Request, Retry, base_url_of, complete, key_of
from handpicked.endpoint.request import authorization_of, url_of
from handpicked.errors import ConfigError, EndpointError, PoolError
from handpicked.judges import judge
from handpicked.records import Message, Pair
from handpicked.secrets import HIDDEN, Redacting, masked, protect, redacted
from handpicked.store import open_run, private_folder, write_json, write_text
from local_endpoint import Act, local_endpoint

KEY = "sk-test/0123+456789=abc"
ONE = [Request((Message("user", "q"),), 8)]
QUICK = Retry(2, 2, 0.01, 0.02)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    protect(KEY)


@pytest.mark.parametrize(
    "shown",
    [
        f"Bearer {KEY}",
        json.dumps({"key": KEY}),
        repr({"Authorization": f"Bearer {KEY}"}),
        "sk-test%2F0123%2B456789%3Dabc",
        "c2stdGVzdC8wMTIzKzQ1Njc4OT1hYmM=",
        f"<p>{KEY}</p>",
        "https://someone:s3cret-pass@host/v1",
        "https://host/v1?api_key=unknown-key-1&x=1",
        "{'Authorization': 'Bearer abc'}",
        "authorization: Basic dTpw",
        "x-api-key: abcdef",
    ],
)
def test_every_spelling_is_hidden(shown):
    hidden = redacted(shown)
    assert HIDDEN in hidden
    for part in (KEY, "sk-test", "c2stdGVz", "s3cret-pass", "unknown-key-1", "Bearer abc", "dTpw", "abcdef"):
        assert part not in hidden


@given(st.text(max_size=60))
def test_other_text_stays_as_it_is(text):
    assert masked(text) == text or KEY in text


@pytest.mark.parametrize("value", ["", "EMPTY", "ollama", "not-needed", "no-key-needed", "x"])
def test_placeholders_and_short_words_stay_readable(value):
    protect(value)
    assert masked(f"the {value} word") == f"the {value} word"


def test_a_value_of_the_environment_is_known_by_its_variables_name(monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_API_KEY", "abcdef-12345678")
    monkeypatch.setenv("HF_TOKEN", "hf_ABCdef12345678")
    protect()
    assert redacted("abcdef-12345678 hf_ABCdef12345678") == f"{HIDDEN} {HIDDEN}"


def test_the_token_file_of_the_hub_is_known(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("hf_fromTheFile123\n")
    monkeypatch.delenv("HF_TOKEN_PATH", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    protect()
    assert redacted("hf_fromTheFile123") == HIDDEN


def test_logs_of_any_library_messages_and_tracebacks_hide_it(caplog):
    logger = logging.getLogger("lm_eval.models.api_models")
    logger.error("Exception: %r", {"Authorization": f"Bearer {KEY}"})
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError:
        logger.exception("it broke")
    assert KEY not in caplog.text
    assert caplog.text.count(HIDDEN) >= 2
    assert "ValueError: refused ***" in caplog.text
    assert KEY not in str(PoolError(f"no {KEY}"))
    assert KEY not in str(ConfigError("fine", f"no {KEY}")) + repr(ConfigError(KEY).mistakes)


def test_a_stream_hides_it_and_is_else_the_stream(tmp_path):
    inner = io.StringIO()
    stream = Redacting(inner)
    print(f"the key is {KEY}", "and more", file=stream)
    stream.writelines([KEY, "\n"])
    assert inner.getvalue() == f"the key is {HIDDEN} and more\n{HIDDEN}\n"
    assert stream.isatty() is False


def test_what_a_process_prints_logs_and_dies_of_hides_it(tmp_path):
    lines = (
        "import logging, os, sys, warnings",
        "from handpicked.secrets import guard_process",
        "guard_process()",
        "key = os.environ['OPENAI_API_KEY']",
        "print(key)",
        "print(key, file=sys.stderr)",
        "logging.warning('see %s', key)",
        "warnings.warn(key)",
        "raise RuntimeError('with ' + key)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout == "***\n"
    assert "RuntimeError: with ***" in done.stderr
    assert done.stderr.count("***") == 4
    assert KEY not in done.stderr


def test_files_hide_it(tmp_path):
    write_text(tmp_path / "a.txt", f"the key {KEY}")
    write_json(tmp_path / "b.json", {"command": ["--key", KEY], "key": f"{KEY}\n"})
    assert (tmp_path / "a.txt").read_text() == "the key ***"
    assert json.loads((tmp_path / "b.json").read_text()) == {"command": ["--key", "***"], "key": "***\n"}


# -- addresses and keys
# ------------------------------------------------------------------------------------------------


def test_an_address_with_a_password_and_keys_is_shown_without_and_used_with_them():
    url = "https://someone:p%40ss-word1@host:8/v1/?api-version=2&api_key=query-key-1"
    settings = JudgeSettings(model="m", base_url=url)
    assert base_url_of(settings) == "https://host:8/v1?api-version=2"
    assert url_of(settings, "chat/completions") == (
        "https://host:8/v1/chat/completions?api-version=2&api_key=query-key-1"
    )
    assert authorization_of(settings) == "Basic c29tZW9uZTpwQHNzLXdvcmQx"
    for hidden in ("p%40ss-word1", "p@ss-word1", "query-key-1", "c29tZW9uZTpwQHNzLXdvcmQx"):
        assert redacted(f"x {hidden} y") == "x *** y"


def test_an_address_with_a_password_and_a_query_works(tmp_path):
    with local_endpoint(lambda *_: Act("8 6")) as server:
        url = server.url.replace("http://", "http://someone:pass-word-1@") + "?api-version=7&key=query-key-2"
        reply = complete(ONE, JudgeSettings(model="m", base_url=url), tmp_path / "c.sqlite")[0]
    assert reply.text == "8 6"
    assert server.keys == ["basic c29tzw9uztpwyxnzlxdvcmqtmq=="]  # the server lowers it


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\n\n"])
def test_a_line_end_around_a_key_is_dropped(monkeypatch, tmp_path, end):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + end)
    with local_endpoint(lambda *_: Act("ok")) as server:
        complete(ONE, JudgeSettings(model="m", base_url=server.url), tmp_path / "c.sqlite")
    assert server.keys == [f"bearer {KEY}"]


@pytest.mark.parametrize("key", ["sk-first\nsk-second", "sk-with blank", "sk-\u2013dash", "sk-tab\tbed"])
def test_a_key_that_no_header_can_carry_is_refused_in_words(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds a line end, a blank or another") as caught:
        key_of(JudgeSettings(model="m"))
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "http://", "http://[::1/v1", "http://host:port/v1", "localhost:1"]
)
def test_what_is_no_address_is_one_line(url):
    with pytest.raises(ConfigError, match="is not an address of an endpoint"):
        base_url_of(JudgeSettings(model="m", base_url=url))


def test_a_key_that_an_endpoint_echoes_is_nowhere(tmp_path, caplog):
    body = json.dumps({"error": {"message": f"{'long ' * 55}bad key {KEY}"}}).encode()

    def act(asked, count):
        wrong = "request 1" in asked["messages"][-1]["content"]
        return Act(status=400, body=body) if wrong else Act(f"8 6\nyour key is {KEY}")

    pairs = [Pair(f"p{i}", f"request {i}", "x", "y", "good", "bad") for i in range(3)]
    with local_endpoint(act) as server, open_run(tmp_path / "run") as run:
        settings = JudgeSettings(name="scores", model="m", base_url=server.url)
        verdicts = judge(pairs, settings, run.folder / "v.jsonl", cache=run.folder / "c.sqlite")
        with pytest.raises(EndpointError, match="HTTP 400"):
            judge(pairs[1:2], settings, run.folder / "w.jsonl", cache=run.folder / "c.sqlite", earlier=())
    assert "8 6\nyour key is ***" in [review.raw for review in verdicts[0].reviews]
    assert "HTTP 400" in str(verdicts[1].reviews[0].reason)
    assert KEY[:10] not in caplog.text + str(verdicts)
    for file in (tmp_path / "run").rglob("*"):
        if file.is_file():
            assert KEY[:10].encode() not in file.read_bytes(), file


# -- rights
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_caches_verdicts_and_logs_are_the_owners_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        pairs = [Pair("p", "request", "x", "y", "good", "bad")]
        with local_endpoint(lambda *_: Act("8 6")) as server, open_run(tmp_path / "run") as run:
            settings = JudgeSettings(name="scores", model="m", base_url=server.url)
            judge(pairs, settings, run.folder / "s" / "v.jsonl", cache=run.folder / "cache" / "c.sqlite")
            found = {file: stat.S_IMODE(file.stat().st_mode) for file in run.folder.rglob("*")}
            private_folder(tmp_path / "deep" / "deeper")
            rights = [
                stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("run", "deep", "deep/deeper")
            ]
    finally:
        os.umask(before)
    assert rights == [0o700] * 3
    named = {file.name: rights for file, rights in found.items()}
    assert [named[name] for name in ("s", "cache")] == [0o700] * 2
    assert [named[name] for name in ("v.jsonl", "c.sqlite", "run.log")] == [0o600] * 3


def test_hiding_is_linear():
    def seconds(size: int) -> float:
        texts = [
            "://" * size,
            "://a:" * size,
            "?key=" * size,
            "authorization: " * size,
            "x" * 3 * size,
            "?" * size,
        ]
        best = []
        for text in texts:
            times = []
            for _ in range(3):
                started = time.process_time()
                redacted(text)
                times.append(time.process_time() - started)
            best.append(min(times))
        return max(best)

    assert seconds(80_000) < 10 * max(seconds(20_000), 0.005)


def test_importing_changes_no_stream_and_no_logging():
    code = "import sys, logging; a = sys.stderr, logging.getLogRecordFactory(); import handpicked.judges, handpicked.cli\n"
    code += "assert a == (sys.stderr, logging.getLogRecordFactory())"
    subprocess.run([sys.executable, "-c", code], check=True)
