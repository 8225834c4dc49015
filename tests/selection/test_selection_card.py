"""Every written subset is a data set: ``load_dataset`` gives its rows alone, from disk and from the hub."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import handpicked as hp
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import MissingPart
from handpicked.selection import pick
from handpicked.selection.hub import push
from handpicked.selection.result import Form
from oldest import OLDEST

datasets = pytest.importorskip("datasets", reason="needs the train extra")

ROWS = [{"instruction": f"Say {n} | times.", "input": "", "output": "so " * n} for n in range(1, 31)]
BEST = ROWS[-5:]


@pytest.fixture
def pool(tmp_path):
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "{broken\n")
    return file


def loaded(folder, tmp_path, **more):
    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "datasets"), **more)


@pytest.mark.parametrize("container", ["jsonl", "parquet", "datasets"])
def test_load_dataset_gives_the_subset_and_nothing_else(pool, tmp_path, container):
    pick(read(pool), SelectSettings(by="longest", size=5), tmp_path / "out", form=Form(container=container))
    found = loaded(tmp_path / "out", tmp_path)
    assert list(found) == ["train"]
    assert found["train"].to_list() == BEST


@pytest.mark.parametrize("format", ["alpaca", "sharegpt", "messages", "trl"])
def test_every_format_is_loadable(pool, tmp_path, format):
    pick(read(pool), SelectSettings(by="longest", size=5), tmp_path / "out", form=Form(format))
    written = [json.loads(line) for line in (tmp_path / "out/selected.jsonl").read_text().splitlines()]
    assert loaded(tmp_path / "out", tmp_path, split="train").to_list() == written


def test_a_subset_is_a_pool_again(pool, tmp_path):
    hp.select(hp.read(pool), hp.Longest(), size=5).write(tmp_path / "out")
    again = read(tmp_path / "out")
    assert [example.original for example in again.examples()] == BEST and not list(again.rejected())


def test_the_card_says_how_and_from_what(pool, tmp_path):
    words = ["select", "pool.jsonl", "--by", "longest", "--size", "5", "--guard", "duplicates", "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "out/README.md").read_text()
    sha256 = json.loads((tmp_path / "out/manifest.json").read_text())["pool"]["inputs"][0]["sha256"]
    for part in (
        "# 5 rows of pool.jsonl, selected by longest",
        "| rows of the pool | 31 |",
        "| rows kept | 5 |",
        "| rows that could not be read | 1 |",
        "| not kept: not among the 5 longest | 25 |",
        "| filter `duplicates` |",
        "handpicked select pool.jsonl --by longest --size 5 --guard duplicates -o out",
        f"| pool.jsonl | 31 | not stated |  | `{sha256[:16]}` |",
        "size_categories: ['n<1K']",
    ):
        assert part in card, card
    assert str(tmp_path) not in card and "license" not in card


def test_the_card_is_in_the_manifest_and_is_replaced_with_it(pool, tmp_path):
    for size in (5, 6):
        hp.select(hp.read(pool), hp.Longest(), size=size).write(tmp_path / "out")
        assert f"# {size} rows" in (tmp_path / "out/README.md").read_text()
    assert "README.md" in json.loads((tmp_path / "out/manifest.json").read_text())["outputs"]


def test_the_licence_and_the_source_of_a_pool_on_the_hub_are_in_the_card(hub, tmp_path):
    from huggingface_hub import DatasetCard

    card = "---\nlicense: CC-BY-4.0\n---\n"
    commit = hub.put(
        "me/pool", {"README.md": card, "a.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS)}
    )
    hp.select(hp.read("me/pool"), hp.Longest(), size=5).write(tmp_path / "out")
    written = DatasetCard.load(tmp_path / "out/README.md")
    if not OLDEST:  # huggingface-hub 1.5 asks the public hub, whatever HF_ENDPOINT says
        written.validate(repo_type="dataset")
    assert written.data.license == "cc-by-4.0" and written.data.source_datasets == ["me/pool"]
    assert f"| hf://datasets/me/pool/a.jsonl | 30 | CC-BY-4.0 | commit {commit[:12]} |" in written.text


def test_what_is_pushed_to_the_hub_comes_back_the_same(hub, pool, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    # One value is long, so that its file is uploaded by LFS.
    with pool.open("a") as file:
        file.write(json.dumps({"instruction": "Long?", "input": "", "output": "word " * 3000}) + "\n")
    hp.select(hp.read(pool), hp.Longest(), size=6).write(tmp_path / "out")
    assert push(tmp_path / "out", "me/subset") == "uploaded to the private data set me/subset"
    assert hub.repositories["datasets/me/subset"].private and hub.lfs
    written = [json.loads(line) for line in (tmp_path / "out/selected.jsonl").read_text().splitlines()]
    assert len(written) == 6
    assert [example.original for example in read("me/subset").examples()] == written
    code = "import datasets, json; print(json.dumps(datasets.load_dataset('me/subset', split='train').to_list()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == written


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("hf_wrong", 401)])
def test_a_hub_that_does_not_take_it_leaves_the_folder_and_says_so(
    hub, pool, tmp_path, monkeypatch, token, status
):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hp.select(hp.read(pool), hp.Longest(), size=5).write(tmp_path / "out")
    with pytest.raises(
        MissingPart, match=rf"is written to .*/out, but the hub did not accept it.*{status}"
    ) as error:
        push(tmp_path / "out", "me/subset")
    assert "\n" not in str(error.value)
    assert loaded(tmp_path / "out", tmp_path, split="train").to_list() == BEST
