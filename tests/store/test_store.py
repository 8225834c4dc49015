"""The store: a stage is done exactly once, resumes after a kill, and says which setting made it run again."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked import store
from handpicked.errors import EndpointError, MissingPart, StoreError
from handpicked.store.versions import Versions, installed


def versions(method=1, **libraries):
    return Versions({"train": method}, libraries or {"torch": "2.13.0", "transformers": "5.24.0"})


V = versions()


def make_stage(run, calls, name="model/longest", *, settings=None, inputs=None, versions=V):
    def make(work):
        calls.append(name)
        (work / "weights.txt").write_text("trained")
        return {"rows": 3}

    return run.stage(
        name, make, inputs=inputs or {"subset": "abc"}, settings=settings or {"lr": 1e-5}, versions=versions
    )


def test_a_finished_stage_is_skipped(tmp_path):
    calls = []
    with store.open_run(tmp_path / "r") as run:
        first = make_stage(run, calls)
    with store.open_run(tmp_path / "r") as run:
        second = make_stage(run, calls)
    assert calls == ["model/longest"]
    assert (first.skipped, second.skipped) == (False, True)
    assert second.facts == {"rows": 3} and (second.folder / "weights.txt").read_text() == "trained"


def test_a_stage_that_lost_replies_is_made_again_once_in_each_run_until_it_lacks_none(tmp_path):
    asked, heard, fails = [], [], []

    def once():
        with store.open_run(tmp_path / "r", heard.append) as run:
            for _ in range(2):  # two arms share it
                stage = run.asking_stage("verdicts/x", make, inputs={"a": "1"}, settings={}, versions=V)
        return (stage.folder / "replies.txt").read_text(), stage.facts[store.LOST]

    def make(work, lost):
        file = work / "replies.txt"
        asked.append((lost, file.read_text() if lost else ""))
        if fails:
            raise fails.pop()
        file.write_text("two of three" if len(asked) == 1 else "all three")
        return {store.LOST: int(len(asked) == 1)}

    assert once() == ("two of three", 1)
    assert heard == ["verdicts/x: lost replies: 1; run the same command again to request only these"]
    for fault in (EndpointError("away"), MissingPart("no key")):
        fails.append(fault)
        assert once() == ("two of three", 1)
        assert "requests the replies again that were lost last time (1)" in heard[-2] and heard[-1].endswith(
            f"as it is. {fault}"
        )
    assert once() == ("all three", 0)
    heard.clear()
    assert once() == ("all three", 0) and heard == []
    assert asked == [(0, ""), *[(1, "two of three")] * 3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"lr": 2e-5}}, "settings.lr was 1e-05, is 2e-05"),
        ({"settings": {"lr": 1e-5, "epochs": 3}}, "settings.epochs was unset, is 3"),
        ({"inputs": {"subset": "abd"}}, "its input subset changed"),
        ({"versions": versions(2)}, "the method 'train' was version 1, is 2"),
        (
            {"versions": versions(torch="2.13.0", transformers="5.25.0")},
            "transformers was 5.24.0, is 5.25.0",
        ),
    ],
)
def test_a_changed_setting_runs_again_and_is_named(tmp_path, change, said):
    calls, heard = [], []
    with store.open_run(tmp_path / "r", heard.append) as run:
        make_stage(run, calls)
        make_stage(run, calls, **change)
    assert len(calls) == 2
    assert heard == [f"model/longest: runs again because {said}"]


def test_a_failed_stage_leaves_its_work_for_the_next_attempt(tmp_path):
    def fail(work):
        (work / "half").write_text("1")
        raise RuntimeError("power cut")

    def resume(work):
        assert (work / "half").read_text() == "1"

    arguments = {"inputs": {}, "settings": {"a": 1}, "versions": V}
    with store.open_run(tmp_path / "r") as run:
        with pytest.raises(RuntimeError):
            run.stage("answers/x", fail, **arguments)
        assert not (run.folder / "answers/x").exists()
        run.stage("answers/x", resume, **arguments)
        assert (run.folder / "answers/x/stage.json").is_file()


def test_a_stage_made_again_begins_with_what_was_there_and_is_made_once_a_run(tmp_path):
    calls = []

    def more(work):
        calls.append((work / "rows").read_text() if (work / "rows").exists() else "")
        assert not (work / store.MANIFEST).exists()
        if calls[-1] == "x" and len(calls) == 2:
            raise RuntimeError("power cut")
        (work / "rows").write_text(calls[-1] + "x")

    arguments = {"inputs": {}, "settings": {}, "versions": V}
    heard = []
    with store.open_run(tmp_path / "r", heard.append) as run:
        run.stage("scores/a", more, **arguments)
        assert run.stage("scores/a", more, **arguments, again=True).skipped
    with store.open_run(tmp_path / "r", heard.append) as run, pytest.raises(RuntimeError):
        run.stage("scores/a", more, **arguments, again=True)
    with store.open_run(tmp_path / "r", heard.append) as run:
        kept = run.stage("scores/a", more, **arguments)
        assert kept.skipped and (kept.folder / "rows").read_text() == "x"
        made = run.stage("scores/a", more, **arguments, again=True)
        assert not made.skipped and (made.folder / "rows").read_text() == "xx"
    assert calls == ["", "x", "x"] and heard == []


def test_the_time_of_a_killed_attempt_counts(tmp_path):
    code = textwrap.dedent(f"""
        import os, signal, time
        from pathlib import Path
        from handpicked import store
        from handpicked.store.versions import Versions, installed

        def die(work):
            time.sleep(0.5)
            (work / "half").write_text("1")
            os.kill(os.getpid(), signal.SIGKILL)

        with store.open_run(Path({str(tmp_path / "r")!r})) as run:
            run.stage("answers/x", die, inputs={{}}, settings={{}}, versions=Versions({{"generate": 1}}))
    """)
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    with store.open_run(tmp_path / "r") as run:
        stage = run.stage(
            "answers/x", lambda work: None, inputs={}, settings={}, versions=Versions({"generate": 1})
        )
    assert stage.seconds >= 0.4  # file times are coarser than the clock


def test_half_done_work_of_other_settings_is_not_resumed(tmp_path):
    def fail(work):
        (work / "half").write_text("1")
        raise RuntimeError

    def check(work):
        assert not (work / "half").exists()

    with store.open_run(tmp_path / "r") as run:
        with pytest.raises(RuntimeError):
            run.stage("answers/x", fail, inputs={}, settings={"a": 1}, versions=V)
        run.stage("answers/x", check, inputs={}, settings={"a": 2}, versions=V)


def test_a_second_run_in_one_folder_is_reported_and_stops(tmp_path):
    with (
        store.open_run(tmp_path / "r"),
        pytest.raises(StoreError, match=rf"in use by process {os.getpid()}"),
        store.open_run(tmp_path / "r"),
    ):
        pass


def test_the_lock_of_a_killed_run_does_not_stay(tmp_path):
    child = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from handpicked import store
        with store.open_run(Path({str(tmp_path / "r")!r})):
            print("open", flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match="in use by"), store.open_run(tmp_path / "r"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with store.open_run(tmp_path / "r"):
        pass


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    calls = []
    with store.open_run(tmp_path / "r") as run:
        stage = make_stage(run, calls)
        (run.folder / ".work/model").mkdir(parents=True, exist_ok=True)
        stage.folder.rename(run.folder / ".work/model/longest")
        again = make_stage(run, calls)
    assert again.skipped and calls == ["model/longest"] and again.folder.is_dir()


def test_a_run_folder_of_another_layout_is_refused(tmp_path):
    (tmp_path / ".layout").write_text("0\n")
    with pytest.raises(StoreError, match="another version of handpicked"), store.open_run(tmp_path):
        pass


@pytest.mark.parametrize("name", ["results.json", "report.html", "benchmarks.json", "run.log"])
def test_a_folder_with_files_that_are_not_of_a_run_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=f"already holds {name}"), store.open_run(tmp_path):
        pass
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_a_disk_refuses_is_a_sentence_with_the_path(tmp_path, number):
    with pytest.raises(StoreError, match=r"Cannot write to /x/y: .*\."), store.writing(tmp_path):
        raise OSError(number, os.strerror(number), "/x/y")


def test_the_file_that_was_asked_for_is_named_not_the_one_beside_it(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(StoreError) as caught:
        store.write_text(tmp_path / "notes.jsonl", "new")
    assert str(caught.value) == (
        f"Cannot write to {tmp_path / 'notes.jsonl'}: it is on a read-only file system. Choose another folder."
    )


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    target = tmp_path / "results.json"
    store.write_text(target, "old")
    code = textwrap.dedent(f"""
        import resource, signal
        from pathlib import Path
        from handpicked import store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        store.write_text(Path({str(target)!r}), "new" * 10_000)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "StoreError" in done.stderr
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_damaged_manifests_are_named(tmp_path):
    (tmp_path / "stage.json").write_text("{")
    with pytest.raises(StoreError, match=r"stage\.json is damaged"):
        store.read_json(tmp_path / "stage.json")


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=50), min_size=1))
def test_a_digest_tells_content_and_names_apart_and_nothing_else(tmp_path_factory, files):
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder, names in ((one, list(files)), (two, list(files)[::-1])):
        for name in names:
            (folder / name).write_bytes(files[name])
    assert store.digest(one) == store.digest(two)
    (two / next(iter(files))).write_bytes(b"changed" + files[next(iter(files))])
    assert store.digest(one) != store.digest(two)


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        store.write_json(tmp_path / "x.json", {"win_rate": float("nan")})


def test_the_log_is_kept_in_the_run_folder(tmp_path):
    with store.open_run(tmp_path / "r") as run:
        make_stage(run, [])
    assert "model/longest: done" in (tmp_path / "r/run.log").read_text()
    assert json.loads((tmp_path / "r/model/longest/stage.json").read_text())["facts"] == {"rows": 3}


NEWER = versions(torch="2.13.0", transformers="5.25.0")


def test_keep_versions_goes_on_with_what_is_there_and_says_so(tmp_path):
    calls, heard = [], []
    with store.open_run(tmp_path / "r") as run:
        first = make_stage(run, calls)
    with store.open_run(tmp_path / "r", heard.append, keep_versions=True) as run:
        kept = make_stage(run, calls, versions=NEWER)
    assert calls == ["model/longest"] and kept.skipped and kept.fingerprint == first.fingerprint
    assert heard == ["model/longest: kept, although transformers was 5.24.0, is 5.25.0"]
    assert list(kept.origin.kept) == ["transformers was 5.24.0, is 5.25.0"]
    assert kept.origin.versions.libraries["transformers"] == "5.24.0", "what made it, not what is installed"
    with store.open_run(tmp_path / "r", heard.append, keep_versions=True) as run:
        again = make_stage(run, calls, versions=NEWER, settings={"lr": 2e-5})
    assert not again.skipped and not again.origin.kept, "other settings are no matter of versions"


def test_keep_versions_also_goes_on_with_unfinished_work_and_the_manifest_says_of_which_versions(tmp_path):
    def fail(work):
        (work / "half").write_text("1")
        raise RuntimeError("power cut")

    def resume(work):
        found.append((work / "half").exists())

    found, heard = [], []
    arguments = {"inputs": {}, "settings": {}}
    for keep in (True, False):
        folder = tmp_path / str(keep)
        with store.open_run(folder) as run, pytest.raises(RuntimeError):
            run.stage("model/x", fail, **arguments, versions=V)
        with store.open_run(folder, heard.append, keep_versions=keep) as run:
            stage = run.stage("model/x", resume, **arguments, versions=NEWER)
        assert list(stage.origin.kept) == (["transformers was 5.24.0, is 5.25.0"] if keep else [])
        assert json.loads((stage.folder / "stage.json").read_text()).get("kept", []) == stage.origin.kept
    assert found == [True, False]
    assert heard == [
        "model/x: continues unfinished work, although transformers was 5.24.0, is 5.25.0",
        "model/x: begins again, because transformers was 5.24.0, is 5.25.0",
    ]


def test_a_manifest_says_when_and_on_what_its_stage_was_made(tmp_path):
    with store.open_run(tmp_path / "r") as run:
        made = make_stage(run, [])
        again = make_stage(run, [])
    assert made.origin == again.origin
    assert set(made.origin.made) == {"finished", "handpicked", "python", "machine"}
    assert made.origin.made["finished"].endswith("Z")
    assert os.uname().nodename not in made.origin.made["machine"], "results are published"


def layout_1(folder, settings, inputs):
    """A stage as the version before left it."""
    (folder / "model/longest").mkdir(parents=True)
    (folder / ".layout").write_text("1\n")
    manifest = {
        "stage": "model/longest",
        "fingerprint": "0" * 64,
        "seconds": 5.0,
        "facts": {"rows": 3},
        "inputs": inputs,
        "settings": settings,
        "code": "0123456789abcdef",
    }
    (folder / "model/longest/stage.json").write_text(json.dumps(manifest))


def test_a_run_of_the_layout_before_is_read_and_said_once(tmp_path):
    calls, heard = [], []
    layout_1(
        tmp_path, {"lr": 1e-5, "timeout": 120}, {"subset": "abc"}
    )  # it noted settings that no longer count
    for _ in range(2):
        with store.open_run(tmp_path, heard.append) as run:
            stage = make_stage(run, calls)
            make_stage(run, calls)
        assert stage.skipped and stage.earlier and stage.facts == {"rows": 3} and not calls
        assert len(heard) == 1 and "An earlier version of handpicked" in heard.pop()
    with store.open_run(tmp_path, heard.append) as run:
        make_stage(run, calls, settings={"lr": 2e-5})
    assert calls and heard == ["model/longest: runs again because settings.lr was 1e-05, is 2e-05"]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"settings": {"lr": 1e-5, "epochs": 3}}, "settings.epochs was unset, is 3"),
        ({"inputs": {"subset": "abd"}}, "its input subset changed"),
    ],
)
def test_what_differs_from_the_layout_before_runs_again(tmp_path, now, said):
    calls, heard = [], []
    layout_1(tmp_path, {"lr": 1e-5, "timeout": 120}, {"subset": "abc"})
    with store.open_run(tmp_path, heard.append) as run:
        stage = make_stage(run, calls, **now)
    assert calls and not stage.earlier and heard == [f"model/longest: runs again because {said}"]


def test_another_build_of_a_library_is_the_same_version(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"torch": "2.13.0+cu130"}.__getitem__)
    assert installed("torch") == "2.13.0"


def test_what_is_made_again_for_its_losses_says_which_versions_the_rest_is_of(tmp_path):
    def make(work, lost):
        (work / "replies.txt").write_text("all" if lost else "some")
        return {store.LOST: int(not lost)}

    for versions_now in (V, NEWER):
        with store.open_run(tmp_path / "r", keep_versions=True) as run:
            stage = run.asking_stage("verdicts/x", make, inputs={}, settings={}, versions=versions_now)
    assert (stage.folder / "replies.txt").read_text() == "all"
    assert stage.origin.kept == ["transformers was 5.24.0, is 5.25.0"]
