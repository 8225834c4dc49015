"""``handpicked audit`` as a user meets it: exit codes, one line a mistake, nothing read for a wrong rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from made_pools import pair, two_files, write


def handpicked(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", "audit", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_text_on_stdout_and_files_where_they_are_asked(tmp_path):
    done = handpicked(*two_files(tmp_path), "-o", tmp_path / "out", "--max-length", 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 files: 9 rows, 7 readable, 2 rejected\n")
    assert json.loads((tmp_path / "out/audit.json").read_text())["readable"] == 7
    assert "<title>Audit of 2 files</title>" in (tmp_path / "out/audit.html").read_text()


def test_json_alone_is_on_stdout_and_a_failed_rule_gives_3(tmp_path):
    done = handpicked(
        tmp_path / "*.jsonl", "--json", "--fail-on", "duplicates>1%", "--fail-on", "rows>100", *glob(tmp_path)
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["copies"][0]["rows"] == 1
    *_, line = done.stderr.splitlines()
    assert line == "handpicked: --fail-on duplicates>1%: duplicates is 1 of 7 rows, 14.29%"
    assert "rows>100" not in done.stderr


def glob(folder):
    two_files(folder)
    return ()


def test_a_rule_that_holds_not_gives_0(tmp_path):
    done = handpicked(*two_files(tmp_path), "--fail-on", "duplicates>20%", "--fail-on", "readable<7")
    assert done.returncode == 0, done.stderr


def test_a_wrong_rule_is_reported_before_the_pool_is_looked_for():
    done = handpicked("missing.jsonl", "--fail-on", "duplicate>1%")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'duplicates'?" in done.stderr and "missing.jsonl" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_options_of_select_are_taken(tmp_path):
    rows = [{"q": "Why?", "a": "Because."}, {"q": "How?", "a": "So. " * 1_000_000}]
    file = write(tmp_path / "odd.jsonl", rows)
    done = handpicked(file, "--map", "prompt=q,response=a", "--max-row-mb", 1, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["readable"], found["rejected"]) == (1, 1)
    chat = [{"role": role, "content": f"{role} {n}"} for n in range(2) for role in ("user", "assistant")]
    file = write(tmp_path / "chat.jsonl", [{"messages": chat}])
    lengths = [
        json.loads(
            handpicked(
                file, "--turns", rule, "--pool-format", "messages", "--json", "--measure", "words"
            ).stdout
        )
        for rule in ("last", "all")
    ]
    assert [found["lengths"][1]["total"] for found in lengths] == [2, 4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (
            '{"instruction": "a", "output": ""}\n',
            "none of the 1 rows of the pool can be read, so nothing is audited",
        ),
        ("no json at all\n", "none of its first 1 rows can be parsed"),
    ],
)
def test_a_file_without_a_readable_row(tmp_path, text, says):
    file = tmp_path / "pool.jsonl"
    file.write_text(text)
    done = handpicked(file, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("missing.jsonl",), "missing.jsonl"),
        (("--against", "missing.json"), "no such file"),
        (("--template", "chatlm"), "Did you mean 'chatml'?"),
        (("--max-length", "none"), "--max-length"),
        (("--max-length", "0"), "leaves no room"),
        (("--guard", "repetitoin"), "Did you mean 'repetition'?"),
        (("--guard", "repetition=2"), "less than or equal to 1"),
        (("--guard", "decontaminate"), "Give them with --against"),
        (("--measure", "letters"), "--measure"),
        (("--tokenizer", "./missing.json"), "missing.json"),
        (("--sample", "0"), "--sample"),
    ],
)
def test_a_mistake_is_one_line_and_2(tmp_path, words, says):
    file = write(tmp_path / "pool.jsonl", [pair("a", "b")])
    done = handpicked(file, *words)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_folder_that_cannot_take_it_is_reported_first(tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = handpicked("missing.jsonl", "-o", tmp_path / "taken")
    assert done.returncode == 2 and "is a file" in done.stderr
