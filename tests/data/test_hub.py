"""Pools on the hub, read from a local one: which files of which commit, and every
way in which it can fail.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from handpicked.data import read, read_prompts
from handpicked.errors import PoolError


def rows(*responses):
    return "".join(json.dumps({"prompt": f"to {one}", "response": one}) + "\n" for one in responses)


def said(pool):
    return [example.response for example in pool.examples()]


CARD = """---
license: cc-by-4.0
configs:
- config_name: small
  data_files: small/*.jsonl
- config_name: all
  default: true
  data_files:
  - split: train
    path: ["data/tr-*.jsonl", "more/**/*.jsonl"]
  - split: test
    path: data/te.jsonl
---
# A data set
"""
FILES = {
    "README.md": CARD,
    "data/tr-0.jsonl": rows("zero"),
    "data/tr-1.jsonl": rows("one"),
    "more/deep/er/x.jsonl": rows("deep"),
    "data/te.jsonl": rows("held out"),
    "small/s.jsonl": rows("small"),
    "stray.jsonl": rows("stray"),
}


@pytest.fixture
def pool(hub):
    return hub.put("me/pool", FILES)


@pytest.mark.parametrize(
    "name", ["me/pool", "hf://datasets/me/pool", "https://huggingface.co/datasets/me/pool"]
)
def test_train_of_the_default_config_is_read_as_the_card_says(pool, name):
    found = read(name)
    assert said(found) == ["zero", "one", "deep"]
    assert "the config 'all' of small, all is read" in found.why and "test left out" in found.why


def test_the_commit_and_the_licence_are_in_the_manifest(pool):
    inputs = read("me/pool").inputs()
    assert inputs[0]["path"] == f"hf://datasets/me/pool@{pool}/data/tr-0.jsonl"
    assert {(one["commit"], one["licence"]) for one in inputs} == {(pool, "cc-by-4.0")}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"split": "test"}, ["held out"]),
        ({"config": "small"}, ["small"]),
        ({"config": "all", "split": "train"}, ["zero", "one", "deep"]),
    ],
)
def test_a_split_and_a_config_are_chosen(pool, options, expected):
    assert said(read("me/pool", **options)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/tr-1.jsonl", ["one"]),
        ("data/tr-*.jsonl", ["zero", "one"]),
        ("small", ["small"]),
        ("more", ["deep"]),
    ],
)
def test_a_path_names_files_of_it(pool, path, expected):
    assert said(read(f"hf://datasets/me/pool/{path}")) == expected


def test_a_revision_is_read_and_a_later_commit_is_not(hub, pool):
    later = hub.put("me/pool", {"only.jsonl": rows("later")})
    assert said(read("me/pool")) == ["later"]
    assert said(read(f"me/pool@{pool}")) == ["zero", "one", "deep"]
    assert said(read(f"hf://datasets/me/pool@{later}/only.jsonl")) == ["later"]


def test_a_commit_between_two_calls_changes_nothing_of_what_is_read(hub, pool):
    hub.after["/revision/"] = hub.after["/api/datasets/me/pool"] = lambda: hub.put(
        "me/pool", {name: rows("changed") for name in FILES if name.endswith(".jsonl")}
    )
    found = read("me/pool")
    assert len(hub.repositories["datasets/me/pool"].commits) > 1
    assert said(found) == ["zero", "one", "deep"] and found.inputs()[0]["commit"] == pool


def test_a_model_is_asked_for_as_a_model_and_a_pool_as_a_data_set(hub):
    hub.put("me/both", {"config.json": "{}"}, kind="models")
    hub.put("me/both", {"train.jsonl": rows("data")})
    assert said(read("me/both")) == ["data"]


def test_prompts_are_read_from_the_hub_too(hub):
    hub.put("me/prompts", {"test.jsonl": json.dumps({"prompt": "Why?"}) + "\n"})
    (prompt,) = read_prompts("me/prompts", "mine")
    assert prompt.text == "Why?"


def test_what_exists_here_is_read_here(pool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me").mkdir()
    with pytest.raises(PoolError, match=r"no such file.* on the hub is hf://datasets/me/pool"):
        read("me/pool")
    (tmp_path / "me/pool").write_text(rows("here"))
    assert said(read("me/pool")) == ["here"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "tset"}, "me/pool has no split 'tset'. Did you mean 'test'?"),
        ({"config": "al"}, "me/pool has no config 'al'. Did you mean 'all'?"),
        ({"config": "small", "split": "test"}, "has no split 'test'. Known: train."),
    ],
)
def test_a_split_or_config_that_is_not_there_names_those_that_are(pool, options, says):
    with pytest.raises(PoolError) as error:
        read("me/pool", **options)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "me/pol",
            "there is none of this name, or it is private and no token is set. .* Did you mean 'me/pool'",
        ),
        ("me/pool@version-9", "it has no revision 'version-9'. Did you mean 'version-0'"),
        (
            "hf://datasets/me/pool/data/tr-7.jsonl",
            r"no data file at 'data/tr-7.jsonl'.*Did you mean 'data/tr-",
        ),
        ("hf://me/pool", "hf://datasets/OWNER/NAME"),
        ("me/empty", "no data file .* it holds .*script.py.*refs%2Fconvert%2Fparquet"),
    ],
)
def test_a_wrong_name_is_told_with_a_hint(hub, pool, name, says):
    hub.put("me/empty", {"script.py": "", "README.md": "words"})
    with pytest.raises(PoolError, match=says) as error:
        read(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "the hub refuses the token"),
        (403, "it is gated. Accept its terms at .*/datasets/me/pool"),
        (429, "too many requests from here \\(429\\). Wait"),
        (500, "the hub itself fails \\(500\\). Try again later"),
        (503, "the hub itself fails \\(503\\)"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(hub, pool, status, says):
    hub.faults["/datasets/me/pool"] = [status] * 20
    with pytest.raises(PoolError, match=says) as error:
        read("me/pool")
    assert "\n" not in str(error.value)
    hub.faults.clear()
    assert said(read("me/pool")) == ["zero", "one", "deep"]


def test_a_gated_or_private_data_set_is_read_with_the_token_alone(hub, monkeypatch, tmp_path):
    hub.put("me/gated", {"a.jsonl": rows("gated")}, gated=True)
    hub.put("me/private", {"a.jsonl": rows("private")}, private=True)
    for name, says in (("me/gated", "it is gated"), ("me/private", "or it is private and no token is set")):
        with pytest.raises(PoolError, match=says):
            read(name)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PoolError, match="it is private and the token may not see it"):
        read("me/private")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert said(read("me/gated")) + said(read("me/private")) == ["gated", "private"]
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "hf-home" / "token").write_text(hub.token)  # as hf auth login leaves it
    shutil.rmtree(tmp_path / "hf-home" / "hub")
    assert said(read("me/private")) == ["private"]


def test_a_connection_that_breaks_is_resumed(hub):
    hub.put("me/long", {"a.jsonl": rows("x" * 5000)})
    hub.cut = 1
    assert said(read("me/long")) == ["x" * 5000]
    ranges = [asked for asked in hub.asked.elements() if asked.startswith("GET") and "/resolve/" in asked]
    assert len(ranges) == 2


def test_a_connection_that_breaks_again_and_again_leaves_no_half_of_a_pool(hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.put("me/long", {"a.jsonl": rows(*"abcdefgh"), "b.jsonl": rows("b")})
    hub.cut = 99
    with pytest.raises(PoolError, match=r"the connection failed or broke .* Run the same command again"):
        read("me/long")
    hub.cut = 0
    assert len(said(read("me/long"))) == 9


def test_without_the_hub_a_whole_copy_in_the_cache_is_read_and_a_part_is_not(hub, pool, monkeypatch):
    read("me/pool", config="small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert said(read("me/pool", config="small")) == ["small"]
    with pytest.raises(
        PoolError, match=r"in the cache of this machine only in part.*handpicked fetch me/pool"
    ):
        read("me/pool")
    with pytest.raises(
        PoolError, match=r"HF_HUB_OFFLINE says that this machine is offline.*handpicked fetch me/new"
    ):
        read("me/new")


def test_a_hub_out_of_reach_gives_what_it_gave_last_and_says_so(hub, pool, monkeypatch, caplog):
    read("me/pool")
    for name, value in (
        ("ENDPOINT", "http://127.0.0.1:9"),
        ("HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/x"),
    ):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    found = read("me/pool")
    assert said(found) == ["zero", "one", "deep"] and found.inputs()[0]["commit"] == pool
    assert "the hub is out of reach" in found.why and "out of reach" in caplog.text
    with pytest.raises(PoolError, match="the connection failed or broke"):
        read("me/new")


def test_the_command_reads_it_by_its_environment_and_names_the_row_that_it_rejects(hub, tmp_path):
    commit = hub.put(
        "me/pool", {"train.jsonl": rows("good", "better") + "{broken\n", "test.jsonl": rows("test")}
    )
    words = ["select", "me/pool", "--size", "1", "-o", str(tmp_path / "out"), "--json"]
    done = subprocess.run([sys.executable, "-m", "handpicked", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] == 1
    (rejected,) = map(json.loads, (tmp_path / "out/rejected.jsonl").read_text().splitlines())
    assert (rejected["file"], rejected["place"]) == (f"hf://datasets/me/pool@{commit}/train.jsonl", "line 3")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["pool"]["inputs"][0]["commit"] == commit
    hub.faults["/api/datasets/"] = [429]
    again = subprocess.run([sys.executable, "-m", "handpicked", *words], capture_output=True, text=True)
    assert again.returncode == 2 and again.stdout == ""
    (line,) = again.stderr.splitlines()
    assert line.startswith("handpicked: The data set 'me/pool' cannot be read") and "429" in line
