"""Odd environments of a command: pipes, devices, names, locales, closed and full streams, signals. One line,
exit code 2, nothing overwritten.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "handpicked"]
SIZE = ("--size", "5", "--measure", "chars")


def shell(line, cwd, **environment):
    """A line of bash in which ``handpicked`` is this checkout's."""
    command = f'handpicked() {{ {" ".join(COMMAND)} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, cwd=cwd, env={**os.environ, **environment}, timeout=60,
        encoding="utf-8", errors="replace",
    )  # fmt: skip


def refused(done, *said):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("handpicked: ") and done.stderr.count("\n") == 1, done.stderr
    for part in said:
        assert part in done.stderr
    assert len(done.stderr) < 1200


def chosen(folder):
    return [json.loads(line)["prompt"] for line in (folder / "selected.jsonl").open()]


LONGEST = [f"question {i}" for i in range(15, 20)]


@pytest.mark.parametrize(
    "line",
    [
        "handpicked select <(cat pool.jsonl) -o out",
        "cat pool.jsonl | handpicked select /dev/stdin -o out",
        "handpicked select /dev/stdin -o out < pool.jsonl",
        "mkfifo named; (cat pool.jsonl > named &); handpicked select named -o out",
        "gzip -c pool.jsonl | handpicked select /dev/stdin -o out",
    ],
)
def test_a_pipe_is_read_as_a_file_is(pool, tmp_path, line):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = shell(line + " --size 5 --measure chars", tmp_path, TMPDIR=str(scratch))
    assert done.returncode == 0, done.stderr
    assert chosen(tmp_path / "out") == LONGEST
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert str(scratch) not in json.dumps(manifest["pool"])
    assert list(scratch.iterdir()) == [], "the copy is gone"


def test_answers_and_reviews_come_through_pipes_too(tmp_path):
    rows = [
        {"instruction": f"q{i}", "output_1": "x", "output_2": "y", "generator_1": "one", "generator_2": "two", "annotator": "j",
         "preference": 1 + i % 2} for i in range(6)
    ]  # fmt: skip
    (tmp_path / "reviews.json").write_text(json.dumps(rows))
    done = shell("handpicked judge --replay <(cat reviews.json) --json", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pairs"] == 6


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("handpicked select /dev/zero -o out", "device"),
        ("handpicked select /dev/null -o out", "device"),
        ("handpicked select <(true) -o out", "empty"),
        ("handpicked select $(printf 'x%.0s' {1..300}).jsonl -o out", "too long"),
        ("handpicked select pool.jsonl -o $(printf 'x%.0s' {1..300})", "too long"),
        ("ln -s b a; ln -s a b; handpicked select a -o out", "symbolic links"),
        ("ln -s b a; ln -s a b; handpicked select pool.jsonl -o a", "a"),
        ("ln -s b a; ln -s a b; handpicked select pool.jsonl -o a/b", "a"),
        ("handpicked select pool.jsonl -o /proc/x", "/proc/x"),
        ("handpicked score pool.jsonl --scorer words -o /proc/x", "/proc/x"),
        ("handpicked judge pool.jsonl pool.jsonl -o /proc/x", "/proc/x"),
        ("handpicked select pool.jsonl -o /dev/null", "/dev/null"),
        ("handpicked select pool.jsonl -o /dev/full/x", "/dev/full"),
        ("handpicked select '~nobody-of-this-name/x' -o out", "home"),
        ("handpicked select $'\\xff.jsonl' -o out", "UTF-8"),
        ("mkdir gone; cd gone; rmdir ../gone; handpicked select ../pool.jsonl -o out", "current folder"),
        ("handpicked select pool.jsonl -o out >&-", "standard output is closed"),
        ("handpicked methods >&-", "standard output is closed"),
        ("handpicked methods > /dev/full", "No space left"),
        ("handpicked --help > /dev/full", "No space left"),
        ("handpicked methods --json > /dev/full", "No space left"),
        ("handpicked methods | head -0", "Broken pipe"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_is_refused_in_a_line(pool, tmp_path, line, said, unbuffered):
    before = pool.read_bytes()
    options = " --size 5 --measure chars" if " select " in line else ""
    line = line.replace(" -o ", options + " -o ", 1)
    done = shell(line, tmp_path, PYTHONUNBUFFERED=unbuffered)
    refused(done, said)
    assert pool.read_bytes() == before
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_results_are_kept_though_nobody_reads_what_is_reported_of_them(pool, tmp_path):
    refused(
        shell("handpicked select pool.jsonl --size 5 --measure chars -o out --json > /dev/full", tmp_path),
        "is complete",
    )
    assert chosen(tmp_path / "out") == LONGEST
    done = shell("handpicked select pool.jsonl --size 5 --measure chars -o other 2>&1 | head -0", tmp_path)
    assert done.returncode == 2
    assert chosen(tmp_path / "other") == LONGEST
    assert (
        shell("handpicked select pool.jsonl --size 5 --measure chars -o third 2>&-", tmp_path).returncode == 0
    )
    assert (
        shell("handpicked select pool.jsonl --size 5 --measure chars -o fourth <&-", tmp_path).returncode == 0
    )
    assert chosen(tmp_path / "third") == chosen(tmp_path / "fourth") == LONGEST


@pytest.mark.parametrize(
    "manifest", ["5", '"handpicked"', '["handpicked"]', "null", '{"handpicked": 5}', "[" * 5000, "", "{"]
)
@pytest.mark.parametrize(
    "words", [("select", *SIZE), ("score", "--scorer", "words")], ids=["select", "score"]
)
def test_a_manifest_of_another_program_is_not_overwritten(pool, tmp_path, manifest, words):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(manifest)
    done = shell(f"handpicked {words[0]} pool.jsonl {' '.join(words[1:])} -o out", tmp_path)
    refused(done, "manifest.json", "did not write")
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_text() == manifest


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1"])
@pytest.mark.parametrize(
    "more", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_names_are_read_in_every_locale(pool, tmp_path, locale, more):
    folder = tmp_path / "päö é 日本"
    folder.mkdir()
    (folder / "pool ü.jsonl").write_bytes(pool.read_bytes())
    words = ["select", folder / "pool ü.jsonl", *SIZE, "-o", folder / "out ø"]
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        env={**os.environ, "LC_ALL": locale, "LANG": locale, **more},
    )
    assert done.returncode == 0, done.stderr
    assert chosen(folder / "out ø") == LONGEST
    assert "pool ü.jsonl" in (folder / "out ø" / "manifest.json").read_text("utf-8")


def test_without_a_home_a_line_says_where_the_cache_may_be(pool, tmp_path):
    code = (
        "import os, pwd, sys; os.environ.pop('HOME', None); from handpicked.cli import main\n"
        "def unknown(_): raise KeyError\n"
        "pwd.getpwuid = unknown; sys.argv = ['handpicked', *sys.argv[1:]]; main()"
    )

    def homeless(*words):
        return subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path
        )

    refused(homeless("select", "~/pool.jsonl", *SIZE, "-o", "out"), "HOME", "HANDPICKED_CACHE")
    assert homeless("select", "pool.jsonl", *SIZE, "-o", "out").returncode == 0


def test_a_cache_that_cannot_be_written_is_a_line(pool, tmp_path):
    words = [
        "score",
        "pool.jsonl",
        "--scorer",
        "llm-rating",
        "--model",
        "m",
        "--set",
        "score.base_url=http://127.0.0.1:9/v1",
    ]
    (tmp_path / "file").write_text("")
    for place in ("/proc/cache", str(tmp_path / "file"), "n" * 300):
        done = shell(
            f"handpicked {' '.join(words)} -o out", tmp_path, HANDPICKED_CACHE=place, OPENAI_API_KEY="sk-x"
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert [line for line in done.stderr.splitlines() if line.startswith("handpicked: ")], done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_signals_end_it_in_a_line_and_leave_nothing_half_done(tmp_path, number, code):
    pool = tmp_path / "big.jsonl"
    pool.write_text((json.dumps({"prompt": "q", "response": "word " * 100}) + "\n") * 300_000)
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    words = [*COMMAND, "select", "/dev/stdin", "--size", "3", "-o", str(out)]
    with (
        subprocess.Popen(["cat", str(pool)], stdout=subprocess.PIPE) as source,
        subprocess.Popen(
            words,
            stdin=source.stdout,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(scratch)},
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
        ) as process,
    ):
        scores = out / ".handpicked-unfinished" / "scores.arrow"
        while process.poll() is None and not (scores.exists() and scores.stat().st_size > 100_000):
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == code, said
    assert said.count("handpicked: stopped.") == 1 and "Traceback" not in said, said
    assert not out.exists()
    assert list(scratch.iterdir()) == []


def test_a_hangup_that_is_to_be_ignored_is_ignored(pool, tmp_path):
    """As ``nohup`` has it. The pool comes through a pipe that ends after the signal."""
    os.mkfifo(tmp_path / "slow")
    words = [*COMMAND, "select", str(tmp_path / "slow"), *SIZE, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        words, stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )

    def feed():
        with (tmp_path / "slow").open("wb") as pipe:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            pipe.write(pool.read_bytes())

    threading.Thread(target=feed, daemon=True).start()
    assert process.wait(60) == 0
    assert chosen(tmp_path / "out") == LONGEST


def test_what_a_file_says_does_not_reach_the_terminal_as_commands(tmp_path):
    rows = [
        {"instruction": "q", "output": "x", "generator": f"\x1b[31m{name}\x07" + name * 3000} for name in "ab"
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = shell("handpicked judge a.jsonl a.jsonl -o out", tmp_path)
    refused(done, "2 models", "\\x1b[31ma\\x07")
    assert "\x1b" not in done.stderr


def test_the_copy_of_a_pipe_is_made_once_and_cleared(tmp_path):
    from handpicked.data import spool

    os.mkfifo(tmp_path / "p")
    threading.Thread(target=lambda: (tmp_path / "p").write_text("once"), daemon=True).start()
    copy = spool.spooled(tmp_path / "p")
    assert copy.read_text() == "once" and spool.spooled(tmp_path / "p") == copy
    assert spool.given_name(copy) == str(tmp_path / "p") and copy.is_relative_to(
        Path(tempfile.gettempdir()).resolve()
    )
    spool.clear()
    assert not copy.parent.exists()
    assert spool.spooled(tmp_path) == tmp_path and spool.given_name(tmp_path) == str(tmp_path)
