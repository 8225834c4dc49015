"""``import handpicked as hp``: every public name is there, whatever was imported before."""

from __future__ import annotations

import json
import subprocess
import sys

import handpicked as hp


def test_every_public_name_is_there_and_they_are_few():
    assert len(hp.__all__) <= 50
    for name in hp.__all__:
        assert getattr(hp, name) is not None
    assert set(hp.__all__) <= set(dir(hp))


def test_a_submodule_of_the_same_name_does_not_hide_a_function():
    code = "import handpicked.selectors.random, handpicked.experiment.run, handpicked.pool_audit.make, handpicked as hp; print(hp.select.__module__, hp.run.__name__, hp.audit.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "handpicked.selection.choice run audit\n", done.stderr


def test_select_by_the_same_words_as_the_readme(tmp_path):
    rows = [{"instruction": str(i), "output": "word " * i} for i in range(1, 30)]
    (tmp_path / "pool.json").write_text(json.dumps(rows))
    pool = hp.read(tmp_path / "pool.json")
    for _ in range(2):
        summary = hp.select(pool, hp.Longest(), size=4).write(tmp_path / "out")
    assert (summary.pool, summary.kept) == (29, 4)
    kept = [
        json.loads(line)["instruction"] for line in (tmp_path / "out/selected.jsonl").read_text().splitlines()
    ]
    assert kept == ["26", "27", "28", "29"]


def test_every_kind_of_error_is_public():
    from handpicked import errors

    kinds = {
        one.__name__ for one in errors.HandpickedError.__subclasses__() if one.__module__ == errors.__name__
    }
    assert kinds <= set(hp.__all__)
