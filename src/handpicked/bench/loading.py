"""Loads benchmarks as lm-eval's task objects, with data from the hub or from local files."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from handpicked.bench.catalogue import AVERAGES, BENCHMARKS, Benchmark
from handpicked.bench.local import LocalData, Row, find
from handpicked.errors import ConfigError, MissingPart, did_you_mean

OURS = Path(__file__).parent / "definitions"
_NAMED = re.compile(
    r"""^["']?(?:task|group|tag)["']?:[ \t]*(?:["']?([^\s"'#\[]+)["']?|((?:\r?\n[ \t]*-[^\r\n]*)+))""",
    re.MULTILINE,
)


def load_tasks(name: str, data: LocalData | None = None) -> dict[str, Any]:
    """What ``lm_eval.evaluate`` takes: the tasks and the group of one of our benchmarks, or of
    any name that lm-eval knows.

    ``data`` puts local rows in the place of the hub's; all else in the definitions stays. Raises MissingPart
    without lm-eval or what a task of it needs.
    """
    benchmark = BENCHMARKS.get(name)
    manager = _manager(None if benchmark is None else _folder(benchmark))
    try:
        if benchmark is None:
            return dict(manager.load([name]))
        names = _members(manager, benchmark.task)
        rows = data.rows() if data else None
        chosen = [_member(manager, task, benchmark, data, rows) for task in names]
        tasks = manager.load([{"group": name, "task": [task for task in chosen if task]}])["tasks"]
    except ModuleNotFoundError as error:
        raise MissingPart(
            f"The benchmark '{name}' needs {error.name}, which is not installed: "
            "pip install 'handpicked[bench]'"
        ) from error
    for task in tasks.values():
        task.set_config(key="num_fewshot", value=benchmark.shots)
    return {"tasks": tasks, "groups": _groups(manager, benchmark, tasks) if benchmark.group else {}}


def check_names(names: list[str]) -> None:
    """Raise ConfigError for names that neither handpicked nor lm-eval knows."""
    ours = [*BENCHMARKS, *AVERAGES]
    unknown = [name for name in names if name not in ours]
    known = lm_eval_names() if unknown else frozenset()
    mistakes = [
        f"There is no benchmark '{name}'.{_hint(name, ours, known)}" for name in unknown if name not in known
    ]
    if mistakes:
        raise ConfigError(*mistakes)


def check_files(tasks: Sequence[str], folder: str | None) -> dict[str, LocalData]:
    """The local files of each task that is ours, read through once; nothing where
    ``folder`` is None (the hub).

    Raises ConfigError for unknown names and for files that are missing, PoolError for wrong fields.
    """
    check_names(list(tasks))
    if folder is None:
        return {}
    found = {task: find(BENCHMARKS[task], Path(folder).expanduser()) for task in tasks if task in BENCHMARKS}
    for data in found.values():
        data.rows()
    return found


def _hint(name: str, ours: list[str], known: frozenset[str]) -> str:
    """The nearest of our names, else of lm-eval's, else all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return did_you_mean(name, near if near and not difflib.get_close_matches(name, ours, n=1) else ours)


@cache
def lm_eval_names() -> frozenset[str]:
    """Every task, group and tag that the installed lm-eval defines, read off its files: 15 times
    as fast as its own index.
    """
    found: set[str] = set()
    for file in (
        file for file in _tasks_folder().rglob("*") if file.suffix in ("", ".yaml") and file.is_file()
    ):
        for one, several in _NAMED.findall(file.read_text(encoding="utf-8")):
            found.add(one)
            found.update(line.strip().lstrip("- ").strip("\"' ") for line in several.splitlines())
    return frozenset(found - {""})


def _tasks_folder() -> Path:
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise MissingPart("Benchmarks need lm-evaluation-harness: pip install 'handpicked[bench]'")
    return Path(spec.origin).parent / "tasks"


@cache
def _manager(folder: Path | None) -> Any:
    """lm-eval's index of one folder, or of all its tasks (which takes it 15 s)."""
    tasks = _tasks_folder()
    from lm_eval.tasks import TaskManager

    if folder is None:
        return TaskManager()
    return TaskManager(include_defaults=False, include_path=str(tasks / folder))


def _folder(benchmark: Benchmark) -> Path:
    return Path(benchmark.folder) if benchmark.folder else OURS


def _members(manager: Any, name: str) -> list[str]:
    """The tasks of a group, of its groups and of its tags; a task is its own."""
    entry = manager.task_index[name]
    if entry.tags and not entry.cfg:
        return sorted(entry.tags)
    if "group" not in (entry.cfg or {}):
        return [name]
    return [task for member in entry.cfg["task"] for task in _members(manager, member)]


def _groups(manager: Any, benchmark: Benchmark, tasks: Mapping[str, Any]) -> dict[str, Any]:
    """The group over ``tasks``, which averages as lm-eval's own does."""
    from lm_eval.api.group import Group

    metrics = manager.task_index[benchmark.task].cfg["aggregate_metric_list"]
    group = Group.from_config({"group": benchmark.name, "aggregate_metric_list": metrics})
    for task in tasks.values():
        group.add(task)
    return {benchmark.name: group}


def _member(
    manager: Any,
    task: str,
    benchmark: Benchmark,
    data: LocalData | None,
    rows: Mapping[str, list[Row]] | None,
) -> dict[str, Any] | None:
    """One task of the group that is loaded, with what changes in it; None where the
    local files hold no row of it.
    """
    if data is None or rows is None:
        return {"task": task}
    config = manager.task_index[task].cfg
    if benchmark.group:
        subject = config["dataset_name"]
        rows = {
            split: [row for row in part if row[benchmark.group] == subject] for split, part in rows.items()
        }
    if not rows[data.evaluated]:
        return None
    changed: dict[str, Any] = {"task": task, "custom_dataset": _local(rows), "dataset_kwargs": None}
    if data.shots_from is not None and data.shots_from != benchmark.shots_from:
        # lm-eval leaves the evaluated row out of its examples where both come from one split that is called test
        changed |= {"training_split": None, "fewshot_split": data.shots_from, "test_split": data.evaluated}
    return changed


def _local(rows: Mapping[str, list[Row]]) -> Callable[..., Any]:
    """What lm-eval calls for a task's data set, with the task's metadata, which says nothing here."""

    def dataset(**_: Any) -> Any:
        from datasets import Dataset

        return {split: Dataset.from_list(part) for split, part in rows.items() if part}

    return dataset
