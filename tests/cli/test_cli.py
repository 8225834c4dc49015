"""The command line: exit codes, one clear line a mistake, nothing heavy imported, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest


def handpicked(*words, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    rows = [{"instruction": f"question {i}", "input": "", "output": "word " * (i + 1)} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_help_lists_the_commands_and_imports_nothing_heavy():
    done = handpicked("--help")
    assert done.returncode == 0
    for command in ("select", "audit", "run", "train", "generate", "judge", "report", "methods", "doctor"):
        assert f"│ {command} " in done.stdout
    code = "import sys, handpicked.cli; print([m for m in ('torch', 'daft', 'pyarrow', 'pydantic', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_import_handpicked_imports_no_torch():
    code = "import sys, handpicked as hp; hp.read; hp.Longest; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_select_keeps_the_longest_in_pool_order(pool, tmp_path):
    done = handpicked("select", pool, "--by", "longest", "--size", 3, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (0, 2), done.stderr
    kept = [json.loads(line) for line in (tmp_path / "out/selected.jsonl").read_text().splitlines()]
    assert [row["instruction"] for row in kept] == ["question 17", "question 18", "question 19"]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["counts"]["pool"] == 20
    assert "3 of 20 rows kept" in done.stdout


def test_json_summary_is_the_only_thing_on_stdout(pool, tmp_path):
    done = handpicked("select", pool, "--size", 3, "-o", tmp_path / "out", "--json")
    summary = json.loads(done.stdout)
    assert (summary["pool"], summary["kept"], summary["rejected"]) == (20, 3, 0)
    assert sum(part["rows"] for part in summary["dropped"]) == 17


def test_a_selection_tells_what_a_trainer_would_cut(pool, tmp_path):
    words = ("select", pool, "--size", 5, "-o", tmp_path / "out", "--json", "--compare-measures")
    plain = json.loads(handpicked(*words, "--max-length", 22).stdout)
    alpaca = json.loads(handpicked(*words, "--max-length", 22, "--template", "alpaca").stdout)
    cut, more = plain["audit"]["truncation"], alpaca["audit"]["truncation"]
    assert (cut["overhead"], cut["rows"]) == (1, 5) and more["overhead"] > 20
    assert 0 < cut["cut_and_lose_end_of_text"] <= more["cut_and_lose_end_of_text"] == 5
    assert plain["agreement"]["tokens"] == {"tokens": 1.0, "nltk": 1.0, "words": 1.0, "chars": 1.0}
    output = handpicked(*words[:-2], "--max-length", 22).stdout
    assert "At 22 tokens a trainer cuts" in output
    alone = handpicked("select", pool, "--size", 5, "--compare-measures", cwd=tmp_path)
    assert alone.returncode == 0 and "nltk" in alone.stdout
    wrong = handpicked(*words, "--max-length", 22, "--template", "alpac")
    assert wrong.returncode == 2 and "Did you mean 'alpaca'?" in wrong.stderr


def test_score_adds_columns_and_selects_nothing(pool, tmp_path):
    import pyarrow.parquet as pq

    done = handpicked(
        "score", pool, "--scorer", "words", "--scorer", "cut_off", "-o", tmp_path / "out", "--json"
    )
    counts = json.loads(done.stdout)
    assert (counts["pool"], counts["scored"], counts["rejected"]) == (20, 20, 0)
    table = pq.read_table(tmp_path / "out/scores.parquet")
    assert table.column_names == ["row", "id", "words", "cut_off"]
    assert table["words"].to_pylist() == list(range(1, 21)) and table["row"].to_pylist() == list(range(20))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert [score["name"] for score in manifest["scores"]] == ["words", "cut_off"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["select", "{pool}", "--size", "21", "-o", "{out}"], ["21", "20"]),
        (["select", "{pool}", "--by", "longes", "--size", "2", "-o", "{out}"], ["longest"]),
        (["select", "{pool}", "--measure", "token", "--size", "2", "-o", "{out}"], ["--measure", "tokens"]),
        (["select", "{pool}", "--size", "two", "-o", "{out}"], ["--size"]),
        (["select", "{pool}", "--siz", "2", "-o", "{out}"], ["--size"]),
        (["select", "{pool}", "--size", "2"], ["-o"]),
        (["select", "{pool}.missing", "--size", "2", "-o", "{out}"], ["pool.jsonl.missing"]),
        (["select", "{empty}", "--size", "2", "-o", "{out}"], ["empty.jsonl", "empty"]),
        (["select", "{text}", "--size", "2", "-o", "{out}"], ["text.json"]),
        (["select", "{dict}", "--size", "2", "-o", "{out}"], ["dict.json", "version"]),
        (["select", "{strings}", "--size", "2", "-o", "{out}"], ["strings.json"]),
        (["select", "{fields}", "--size", "2", "-o", "{out}"], ["instructoin", "instruction"]),
        (["select", "{pool}", "--size", "2", "-o", "{pool}"], ["pool.jsonl"]),
        (["score", "{pool}", "--scorer", "wrods", "-o", "{out}"], ["'wrods'", "words"]),
        (["selec", "{pool}"], ["selec"]),
        (["run", "{pool}.yaml"], ["There is no experiment file"]),
        (["report", "{out}"], ["results.json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_clear_line_and_leaves_nothing(pool, tmp_path, words, said):
    files = {
        "empty": ("empty.jsonl", ""),
        "text": ("text.json", "once upon a time"),
        "dict": ("dict.json", '{"version": 1, "name": "x"}'),
        "strings": ("strings.json", '["a", "b"]'),
        "fields": ("fields.jsonl", '{"instructoin": "a", "outptu": "b"}\n'),
    }
    places = {"pool": pool, "out": tmp_path / "out"}
    for key, (name, text) in files.items():
        places[key] = tmp_path / name
        places[key].write_text(text)
    done = handpicked(*(word.format(**places) for word in words))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("handpicked: "), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    for part in said:
        assert part in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_and_leaves_no_partial_subset(pool, tmp_path):
    out = tmp_path / "out"
    limit = f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); import sys; sys.argv = ['handpicked', 'select', {str(pool)!r}, '--size', '15', '-o', {str(out)!r}]; from handpicked.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", limit], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert not out.exists() or not list(out.iterdir())


def test_ctrl_c_is_exit_130_and_leaves_no_partial_subset(tmp_path):
    pool = tmp_path / "big.jsonl"
    row = json.dumps({"instruction": "q", "output": "word " * 100}) + "\n"
    pool.write_text(row * 300_000)
    out = tmp_path / "out"
    words = [sys.executable, "-m", "handpicked", "select", str(pool), "--size", "3", "-o", str(out)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        # Scoring is under way: an interrupt during an import may be swallowed by Python itself.
        scores = out / ".handpicked-unfinished" / "scores.arrow"
        while process.poll() is None and not (scores.exists() and scores.stat().st_size > 100_000):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130 and "handpicked: stopped." in said and "Traceback" not in said, said
    assert not (out / "manifest.json").exists() and not (out / "selected.jsonl").exists()


def test_a_key_is_never_shown(tmp_path):
    done = handpicked("doctor", OPENAI_API_KEY="sk-very-secret", cwd=tmp_path)
    assert done.returncode == 0 and "sk-very-secret" not in done.stdout + done.stderr
    assert "OPENAI_API_KEY" in done.stdout
