"""Named data sets: taken from HANDPICKED_DATA or the cache, else fetched; never
another file than the published.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from handpicked.config import Experiment
from handpicked.data import named, read, read_prompts
from handpicked.errors import PoolError
from handpicked.experiment.file import load
from local_http import serving

DATA = (json.dumps({"prompt": "a", "response": "published"}) + "\n").encode()
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def github(tmp_path, monkeypatch):
    """A data set ``mine`` that a local server publishes; the requests that came, and what it answers with."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HANDPICKED_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[str] = []
    answers = {"body": DATA, "length": len(DATA), "status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(answers["status"])
            self.send_header("content-length", str(answers["length"]))
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_):
            pass

    one = named.Named(
        "mine", "a made-up one", "github", "owner/name", "abc", "data/mine.jsonl", hashlib.sha256(DATA).hexdigest(),
        "mit", "mine.jsonl",
    )  # fmt: skip
    monkeypatch.setitem(named.NAMED, "mine", one)
    with serving(Handler) as port:
        monkeypatch.setattr(named, "GITHUB", f"http://127.0.0.1:{port}")
        yield asked, answers


def said(pool):
    return [example.response for example in pool.examples()]


def test_it_is_fetched_once_and_pinned_in_the_manifest(github):
    asked, _ = github
    pool = read("named:mine")
    assert said(pool) == ["published"] and said(read("named:mine")) == ["published"]
    assert asked == ["/owner/name/abc/data/mine.jsonl"]
    (about,) = pool.inputs()
    assert about["path"] == "named:mine" and about["licence"] == "mit" and about["url"].endswith(asked[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"body": b"other", "length": 5}, "is not the file of named:mine"),
        ({"body": DATA[:10]}, "is not the file of named:mine|cannot be fetched"),
        ({"status": 404}, "cannot be fetched from .*HTTP Error 404"),
        ({"status": 503}, "cannot be fetched from .*HTTP Error 503"),
    ],
)
def test_another_or_half_a_file_is_never_taken(github, change, says):
    _, answers = github
    before = dict(answers)
    answers |= change
    with pytest.raises(PoolError, match=says) as error:
        read("named:mine")
    assert "\n" not in str(error.value)
    answers |= before
    assert said(read("named:mine")) == ["published"]


@pytest.mark.parametrize("place", ["mine.jsonl", "native/mine.jsonl", "mine.jsonl.gz"])
def test_the_file_of_a_folder_is_taken_without_a_network(github, tmp_path, monkeypatch, place):
    asked, _ = github
    file = tmp_path / "data" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(DATA) if place.endswith(".gz") else DATA)
    monkeypatch.setenv("HANDPICKED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert said(read("named:mine")) == ["published"] and not asked
    other = b'{"prompt": "a", "response": "mine"}\n'
    file.write_bytes(gzip.compress(other) if place.endswith(".gz") else other)
    with pytest.raises(PoolError, match=r"set to be offline. Fetch it elsewhere .*fetch mine -o FOLDER"):
        read("named:mine")


def test_one_on_the_hub_is_read_at_its_commit_and_checked(hub, monkeypatch):
    monkeypatch.delenv("HANDPICKED_DATA", raising=False)
    commit = hub.put("owner/name", {"mine.jsonl": DATA})
    hub.put("owner/name", {"mine.jsonl": b"later"})
    one = named.Named("mine", "", "hub", "owner/name", commit, "mine.jsonl", None, "mit", "mine.jsonl")
    monkeypatch.setitem(named.NAMED, "mine", one)
    pool = read("named:mine")
    assert said(pool) == ["published"] and pool.inputs()[0]["commit"] == commit
    monkeypatch.setitem(named.NAMED, "mine", replace(one, sha256="0" * 64))
    with pytest.raises(PoolError, match="is not the file of named:mine"):
        read("named:mine")


def test_a_wrong_name_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PoolError, match=r"named:alpcaa: no data set has this name. Did you mean 'alpaca'"):
        read("named:alpcaa")
    with pytest.raises(PoolError, match=r"no such file or folder. The data set of this name is named:alpaca"):
        read("alpaca")


def test_the_table_pins_every_one():
    for name, one in named.NAMED.items():
        assert name == one.name and len(one.revision) == 40 and one.licence and one.about
        assert one.sha256 is None or len(one.sha256) == 64
        assert one.host == "hub" or one.sha256 is not None


def run(*words, **env):
    return subprocess.run([sys.executable, "-m", "handpicked", *words], capture_output=True, text=True, **env)


@pytest.mark.data
def test_the_real_files_are_the_published_ones(real_data, tmp_path, monkeypatch):
    """By their sha256; the command copies them into a folder that serves another machine."""
    monkeypatch.setenv("HANDPICKED_DATA", str(real_data))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = [name for name, one in named.NAMED.items() if one.sha256 is not None]
    done = run("fetch", *here, "-o", str(tmp_path / "copies"), "--json")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in json.loads(done.stdout)] == [f"named:{name}" for name in here]
    monkeypatch.setenv("HANDPICKED_DATA", str(tmp_path / "copies"))
    counts = {
        name: len(read_prompts(f"named:{name}", name)) for name in ("vicuna", "koala", "wizardlm", "lima")
    }
    assert counts == {"vicuna": 80, "koala": 180, "wizardlm": 217, "lima": 300}  # one of 218 twice
    assert read("named:alpaca").rows == 52_002 and read("named:dolly").rows == 15_011


def test_the_command_lists_them_and_refuses_what_it_cannot_do(tmp_path):
    done = run("fetch")
    assert done.returncode == 0 and "named:alpaca" in done.stdout and "CC-BY-NC-4.0" in done.stdout
    for words, says in (
        (["fetch", "alpcaa"], "no data set has this name. Did you mean 'alpaca'?"),
        (["fetch", "owner/name", "-o", str(tmp_path)], "-o copies named data sets"),
        (["fetch", "alpaca", "--split", "test"], "a named data set is one file"),
        (["fetch", str(REPOSITORY / "tests")], "is on this machine already"),
    ):
        done = run(*words)
        assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1, (
            done.stderr
        )


def paths(experiment: Experiment):
    yield from [experiment.pool.path, *(one.path for one in experiment.pools.values())]
    for prompts in experiment.evaluate.prompts:
        yield prompts.path
        yield prompts.references.path if prompts.references else None


@pytest.mark.parametrize(
    "file",
    sorted((REPOSITORY / "src/handpicked/experiment/shipped").glob("*.yaml")),
    ids=lambda file: file.stem,
)
def test_a_shipped_experiment_needs_no_private_folder(file, monkeypatch):
    monkeypatch.delenv("HANDPICKED_DATA", raising=False)
    for path in filter(None, paths(load(file))):
        assert (
            path == "python-stdlib"
            or path.removeprefix("named:") in named.NAMED
            or Path(path).resolve().parent == file.parent
        ), path
