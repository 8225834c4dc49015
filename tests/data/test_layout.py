"""Splits and configs of folders on this machine, by README.md and by names."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.data.layout import chosen, front_matter, licence, matches
from handpicked.errors import PoolError


def folder_of(tmp_path, card, *names):
    for name in names:
        file = tmp_path / "ds" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"prompt": "q", "response": name}) + "\n")
    if card is not None:
        (tmp_path / "ds" / "README.md").write_text(f"---\n{card}\n---\n# Words\n")
    return tmp_path / "ds"


def said(pool):
    return [example.response for example in pool.examples()]


SFT = "\n".join(
    ["license: mit", "configs:", "- config_name: default", "  data_files:"]
    + [f"  - split: {name}\n    path: data/{name}-*" for name in ("train_sft", "test_sft", "train_gen")]
)
SHARDS = [f"data/{name}-00000-of-00001.jsonl" for name in ("train_sft", "test_sft", "train_gen")]


def test_a_cloned_hub_layout_is_read_by_its_card(tmp_path):
    folder = folder_of(tmp_path, SFT, *SHARDS)
    pool = read(folder, split="train_sft")
    assert said(pool) == [SHARDS[0]]
    assert pool.inputs()[0]["licence"] == "mit"
    with pytest.raises(
        PoolError, match=r"no split 'train', but train_sft, test_sft, train_gen\. Name one \(--split\)"
    ):
        read(folder)


@pytest.mark.parametrize(
    ("split", "expected"),
    [("train_sft", SHARDS[:1]), ("test_sft", SHARDS[1:2]), ("train", [SHARDS[0], SHARDS[2]])],
)
def test_without_a_card_the_names_of_shards_say_the_split(tmp_path, split, expected):
    assert said(read(folder_of(tmp_path, None, *SHARDS), split=split)) == sorted(expected)


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["train.jsonl", "valid.jsonl"], "validation", ["valid.jsonl"]),
        (["train/a.jsonl", "dev/b.jsonl"], "validation", ["dev/b.jsonl"]),
        (["a.jsonl", "b.jsonl"], "train", ["a.jsonl", "b.jsonl"]),
        (["test.jsonl", "train.jsonl"], "test", ["test.jsonl"]),
    ],
)
def test_a_split_by_its_name_or_another_word_for_it(tmp_path, names, split, expected):
    assert said(read(folder_of(tmp_path, None, *names), split=split)) == expected


@pytest.mark.parametrize(
    ("card", "options", "says"),
    [
        (None, {"config": "x"}, "has no config 'x': its README.md lists none"),
        (None, {"split": "test"}, "The names of its files say no split"),
        (SFT, {"config": "x"}, "has no config 'x'. Known: default"),
        (
            "configs:\n- config_name: default\n  data_files: no/*.jsonl",
            {},
            r"in no/\*\.jsonl, and no file matches",
        ),
        ("configs: [a: b\n- c", {}, "is not YAML"),
        (
            "configs:\n- config_name: a\n  data_files: a*\n- config_name: b\n  data_files: b*",
            {},
            "several configs",
        ),
    ],
)
def test_what_the_card_does_not_have_is_reported(tmp_path, card, options, says):
    with pytest.raises(PoolError, match=says):
        read(folder_of(tmp_path, card, "a.jsonl"), **options)


def test_a_card_without_configs_changes_nothing(tmp_path):
    assert said(read(folder_of(tmp_path, "license: mit", "a.jsonl", "b.jsonl"))) == ["a.jsonl", "b.jsonl"]


def test_a_data_dir_bounds_what_is_read(tmp_path):
    card = "configs:\n- config_name: en\n  data_dir: en\n- config_name: de\n  data_dir: de\n  data_files: '*.jsonl'"
    folder = folder_of(
        tmp_path, card, "en/a.jsonl", "en/test.jsonl", "en/train.jsonl", "de/b.jsonl", "b.jsonl"
    )
    assert said(read(folder, config="en")) == ["en/a.jsonl", "en/train.jsonl"]
    assert said(read(folder, config="de")) == ["de/b.jsonl"]


def test_a_split_of_a_file_is_refused(tmp_path):
    file = folder_of(tmp_path, None, "a.jsonl") / "a.jsonl"
    with pytest.raises(PoolError, match=r"a\.jsonl has no split 'test': it is neither a folder"):
        read(file, split="test")


@pytest.mark.parametrize(
    ("file", "pattern", "fits"),
    [
        ("a/b.jsonl", "a/*.jsonl", True),
        ("a/b/c.jsonl", "a/*.jsonl", False),
        ("a/b/c.jsonl", "a/**/*.jsonl", True),
        ("a/c.jsonl", "a/**/*.jsonl", True),
        ("a/b/c.jsonl", "**", True),
        ("x/a/b.jsonl", "a/*.jsonl", False),
        ("p-00001.json", "p-0000?.json", True),
        ("p1.json", "p[0-9].json", True),
        ("px.json", "p[!0-9].json", True),
        ("a+(b).json", "a+(b).json", True),
        ("p[1].json", "p[1].json", True),
    ],
)
def test_globs_are_those_of_the_hub(file, pattern, fits):
    assert matches(file, pattern) is fits


def test_splits_agree_with_the_datasets_library(tmp_path):
    """What ``load_dataset`` takes for train of the same folder is what is read."""
    datasets = pytest.importorskip("datasets", reason="needs the train extra")
    card = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: ['d/*.jsonl', 'e/**/y.jsonl']"
    names = ["d/a.jsonl", "d/b.jsonl", "d/deep/c.jsonl", "e/y.jsonl", "e/f/g/y.jsonl", "z.jsonl"]
    folder = folder_of(tmp_path, card, *names)
    theirs = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(theirs["response"]) == sorted(said(read(folder)))
    assert len(theirs) == 4


def test_front_matter_and_licences():
    assert front_matter("no card", "x") == front_matter("---\nnever: closed", "x") == {}
    assert licence(front_matter("---\nlicense: [mit, apache-2.0]\n---\n", "x")) == "mit, apache-2.0"
    assert licence({}) is None
    assert chosen(["a.jsonl", "b.txt"], {}, "x", None, None) == (["a.jsonl"], [])
