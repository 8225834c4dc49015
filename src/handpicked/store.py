"""The only file that knows run paths: fingerprints, stage manifests, atomic writes, resume, the lock.

A run folder holds one folder a stage, such as ``model/longest/``, complete exactly when its ``stage.json`` is there.
A stage works in ``.work/<stage>/``, which survives a kill, so that the stage may resume from what it finds there; when
it is done its manifest is written last and the folder is renamed into place.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpicked.errors import EndpointError, MissingPart, StoreError

log = logging.getLogger(__name__)

LAYOUT = 1
MANIFEST = "stage.json"
LOST = "lost"
"""Among the facts of a stage: how many replies of an endpoint it lacks for a reason that may pass."""

_DISK_REASONS = {
    errno.ENOSPC: "no space is left on the disk. Free some, then run the same command again: finished work is kept.",
    errno.EDQUOT: "your disk quota is used up. Free some, then run the same command again: finished work is kept.",
    errno.EROFS: "it is on a read-only file system. Choose another folder with -o.",
    errno.EACCES: "you may not write there. Choose another folder with -o, or change its permissions.",
    errno.EPERM: "you may not write there. Choose another folder with -o, or change its permissions.",
    errno.ENOTDIR: "part of that path is a file, not a folder. Choose another folder with -o.",
    errno.EISDIR: "a folder of that name is in the way. Move it, or choose another folder with -o.",
    errno.EEXIST: "a file of that name is in the way. Choose another folder with -o.",
    errno.ENAMETOOLONG: "a name in that path is too long for this system. Choose another folder with -o.",
    errno.ELOOP: "links in that path lead to themselves. Choose another folder with -o.",
    errno.EIO: "the device has failed. Choose another folder with -o, and look after the disk.",
    errno.EFBIG: "the file would exceed the size limit of this system or of this process.",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk can refuse (full, read-only, forbidden) into a StoreError that names ``path``."""
    try:
        yield
    except OSError as error:
        reason = _DISK_REASONS.get(error.errno or 0)
        if reason is None:
            raise
        raise StoreError(f"Cannot write to {error.filename or path}: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is either the old one or the whole new one, whenever the process dies."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with aside.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """``write_text`` of indented JSON; NaN is refused, because readers of other languages cannot read it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """A JSON file of ours. Raises StoreError when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged ({error}). Delete its folder and run again.") from error


def digest(path: Path) -> str:
    """sha256 of a file, or of a folder's files with their names (hidden ones left out), as hex."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        name = file.relative_to(path).as_posix() if file != path else ""
        if any(part.startswith(".") for part in name.split("/")):
            continue
        total.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def code_version(*modules: str) -> str:
    """Hash of the code of modules, and of everything in packages (templates, prompts), so that a fingerprint changes
    when the method does. Deaf to comments and layout of Python code.
    """
    total = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        package = spec.submodule_search_locations is not None
        for file in sorted(Path(spec.origin).parent.rglob("*.*")) if package else [Path(spec.origin)]:
            if file.suffix == ".py":
                total.update(ast.dump(ast.parse(file.read_text(encoding="utf-8"))).encode())
            elif file.suffix in (".jinja", ".txt", ".yaml", ".json"):
                total.update(file.read_bytes())
    return total.hexdigest()[:16]


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder, and what it depended on."""

    name: str
    folder: Path
    fingerprint: str
    seconds: float
    skipped: bool
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """An open run folder. Make one with ``open_run``, which holds the lock."""

    folder: Path
    say: Callable[[str], None]
    made: set[str] = field(default_factory=set, compare=False)
    """Stages that were made since it was opened."""

    def stage(
        self,
        name: str,
        make: Callable[[Path], Mapping[str, Any] | None],
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, Any],
        code: str,
        again: bool = False,
    ) -> Stage:
        """Make the folder ``name`` by calling ``make(work_folder)``, unless it is there with the same fingerprint.

        ``inputs`` are hashes of what it reads, ``settings`` the arguments, ``code`` the ``code_version`` of the method.
        ``make`` may find files in its work folder: they are from an interrupted attempt with the same fingerprint.
        What it returns is kept in the manifest as ``facts``. With ``again`` a stage that is there is made once more, from
        a copy of its files, unless this run has made it already; it stays until the new one is complete.
        """
        depends = json.loads(json.dumps({"inputs": inputs, "settings": settings, "code": code}, default=str))
        fingerprint = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
        final, work = self.folder / name, self.folder / ".work" / name
        again = again and name not in self.made
        for done in () if again else (final, work):
            manifest = _manifest(done)
            if manifest is not None and manifest["fingerprint"] == fingerprint:
                if done == work:
                    _swap(work, final)
                log.info("%s: unchanged, skipped", name)
                return Stage(name, final, fingerprint, manifest["seconds"], True, manifest["facts"])
        self.made.add(name)
        if not again:
            self._say_why(name, _manifest(final), depends)
        spent = _prepare(work, fingerprint, final if again else None)
        started = time.monotonic()
        with writing(work):
            try:
                facts = dict(make(work) or {})
            finally:
                seconds = spent + time.monotonic() - started
                _keep_time(work, fingerprint, seconds, since=None)
            (work / ".started.json").unlink()
            entry = {
                "stage": name,
                "fingerprint": fingerprint,
                "seconds": round(seconds, 3),
                "facts": facts,
                **depends,
            }
            write_json(work / MANIFEST, entry)
            _swap(work, final)
        log.info("%s: done in %.1f s", name, seconds)
        return Stage(name, final, fingerprint, round(seconds, 3), False, facts)

    def asking_stage(
        self,
        name: str,
        make: Callable[[Path, int], Mapping[str, Any] | None],
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, Any],
        code: str,
        told_as: str | None = None,
    ) -> Stage:
        """``stage`` of what an endpoint is asked for. ``make`` notes as the fact ``LOST`` how many replies it lost.

        Where a finished one lost some, it is made again once in a run, ``make`` being told how many; it stays as it is if the
        endpoint is still away. ``told_as`` is its name in what is said.
        """
        shown = told_as or name
        once = self.stage(name, lambda work: make(work, 0), inputs=inputs, settings=settings, code=code)
        lost = once.facts.get(LOST, 0)
        if not once.skipped:
            self._say_lost(shown, lost)
        if not lost or name in self.made:
            return once
        self.say(f"{shown}: asks again where no reply came last time ({lost:,}); the rest is kept")
        try:
            healed = self.stage(
                name, lambda work: make(work, lost), inputs=inputs, settings=settings, code=code, again=True
            )
        except (EndpointError, MissingPart) as error:  # what is there is as good as it was
            self.say(f"{shown}: stays as it is. {error}")
            return once
        self._say_lost(shown, healed.facts.get(LOST, 0))
        return healed

    def _say_lost(self, shown: str, lost: int) -> None:
        if lost:
            self.say(
                f"{shown}: no reply came for {lost:,}; run the same command again to ask for these alone"
            )

    def _say_why(self, name: str, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
        if before is not None:
            self.say(f"{name}: runs again because {'; '.join(_changes(before, now))}")


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Which settings, inputs or code differ, each as ``settings.learning_rate was 2e-05, is 1e-05``."""
    old, new = (
        dict(_flat({key: side[key] for key in ("inputs", "settings", "code")})) for side in (before, now)
    )
    changed = []
    for key in sorted(old.keys() | new.keys()):
        was, now_is = old.get(key, "unset"), new.get(key, "unset")
        if was == now_is:
            continue
        if key == "code":
            changed.append("the code of this method changed")
        elif key.startswith("inputs."):
            changed.append(f"its input {key.removeprefix('inputs.')} changed")
        else:
            changed.append(f"{key} was {was}, is {now_is}")
    return changed or ["its manifest is from another layout"]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flat(part, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest: dict[str, Any] = read_json(path)
    return manifest


def _prepare(work: Path, fingerprint: str, earlier: Path | None) -> float:
    """Keep the work folder of an interrupted attempt with this fingerprint, else begin with a copy of ``earlier`` or with
    nothing. Seconds already spent.
    """
    with writing(work):
        note = work / ".started.json"
        spent = 0.0
        if note.is_file() and (started := read_json(note))["fingerprint"] == fingerprint:
            spent = float(started["seconds"])
            if started["since"] is not None:  # killed: it worked at least until the last file it wrote
                newest = max(path.stat().st_mtime for path in work.rglob("*"))
                spent += max(0.0, newest - started["since"])
            log.info("%s: resumes after %.1f s of earlier work", work.name, spent)
        else:
            shutil.rmtree(work, ignore_errors=True)
            if earlier is not None and (manifest := _manifest(earlier)) is not None:
                spent = float(manifest["seconds"])
                shutil.copytree(earlier, work, ignore=shutil.ignore_patterns(MANIFEST))
            work.mkdir(parents=True, exist_ok=True)
        _keep_time(work, fingerprint, spent, since=time.time())
        return spent


def _keep_time(work: Path, fingerprint: str, seconds: float, *, since: float | None) -> None:
    """Note how long was worked here; ``since`` when the present attempt began, None when it has ended."""
    write_json(work / ".started.json", {"fingerprint": fingerprint, "seconds": seconds, "since": since})


def _swap(work: Path, final: Path) -> None:
    """Put the finished work folder in the place of the final one. A kill in between leaves a complete work folder."""
    old = work.with_name(f".old-{work.name}")
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    work.rename(final)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def open_run(folder: Path, say: Callable[[str], None] = log.info) -> Iterator[Run]:
    """Lock a run folder, open its run.log and give it. Raises StoreError when another process holds it."""
    from filelock import FileLock, Timeout

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        layout = folder / ".layout"
        if layout.is_file() and layout.read_text().strip() != str(LAYOUT):
            raise StoreError(
                f"{folder} was written by another version of handpicked (layout {layout.read_text().strip()}, this one "
                f"writes {LAYOUT}). Choose another folder with -o, or delete it to start over."
            )
        holder = folder / ".holder"
        lock = FileLock(str(folder / ".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            who = holder.read_text().strip() if holder.is_file() else "another process"
            raise StoreError(
                f"{folder} is in use by {who}. Wait for it, stop it, or choose another folder with -o."
            ) from None
        try:
            write_text(layout, f"{LAYOUT}\n")
            write_text(holder, f"process {os.getpid()} on {os.uname().nodename}\n")
            with _log_to(folder / "run.log"):
                yield Run(folder, say)
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("handpicked")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
