"""Runs and their stages: manifests, fingerprints, resume, the lock.

A run folder holds one folder a stage, such as ``model/longest/``, complete exactly when its ``stage.json`` is
there. A stage works in ``.work/<stage>/``, which survives a kill, so that the stage may resume from what it
finds there; when it is done its manifest is written last and the folder is renamed into place.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from handpicked._version import __version__
from handpicked.errors import EndpointError, MissingPart, StoreError
from handpicked.records import Json
from handpicked.store.files import private_file, private_folder, read_json, write_json, write_text, writing
from handpicked.store.foreign import refuse_foreign
from handpicked.store.stage import Facts, Origin, Stage
from handpicked.store.versions import (
    Dependencies,
    Versions,
    differences,
    only_versions_differ,
    unchanged_since_earlier,
)

log = logging.getLogger(__name__)

LAYOUT = 2
READS = (1, 2)
"""Layouts of run folders that are read. Manifests of layout 1 noted no versions."""
WRITTEN = (
    "experiment.json",
    "results.json",
    "report.html",
    "report.md",
    "prompts.jsonl",
    "benchmarks.json",
    "run.log",
)
"""Files that a run writes beside the folders of its stages."""
MANIFEST = "stage.json"
STARTED = ".started.json"
LOST = "lost"
"""Among the facts of a stage: how many replies of an endpoint it lacks for a reason that may pass."""


@dataclass(frozen=True)
class Run:
    """An open run folder. Make one with ``open_run``, which holds the lock."""

    folder: Path
    say: Callable[[str], None]
    keep_versions: bool = False
    """Go on with stages that other versions of methods or libraries made."""
    made: set[str] = field(default_factory=set, compare=False)
    """Stages that were made since it was opened."""
    earlier: set[str] = field(default_factory=set, compare=False)
    """Stages that layout 1 made, which are kept."""

    def stage(
        self,
        name: str,
        make: Callable[[Path], Facts | None],
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, object],
        versions: Versions,
        again: bool = False,
        shown_as: str | None = None,
    ) -> Stage:
        """Make the folder ``name`` by calling ``make(work_folder)``, unless it is there
        with the same fingerprint.

        ``inputs`` are hashes of what it reads, ``settings`` the arguments that its result depends on,
        ``versions`` those of its methods and libraries. ``make`` may find files in its work folder: they are
        from an interrupted attempt with the same fingerprint. What it returns is kept in the manifest as
        ``facts``. With ``again`` a stage that is there is made again, from a copy of its files, unless
        this run has made it already; it stays until the new one is complete. ``shown_as`` is its name in
        messages.
        """
        depends = Dependencies(inputs, settings, versions)
        final, work = self.folder / name, self.folder / ".work" / name
        again = again and name not in self.made
        for done in () if again else (final, work):
            manifest = _manifest(done)
            if manifest is None or (kept := self._stays(shown_as or name, manifest, depends)) is None:
                continue
            if done == work:
                _swap(work, final)
            log.info("%s: unchanged, skipped", name)
            origin = Origin.read(manifest, kept)
            return Stage(
                name, final, manifest["fingerprint"], manifest["seconds"], True, manifest["facts"], origin
            )
        self.made.add(name)
        if not again:
            self._say_why(shown_as or name, _manifest(final), depends)
        return self._make(name, shown_as or name, make, depends, final if again else None)

    def _stays(self, shown: str, manifest: Json, depends: Dependencies) -> Sequence[str] | None:
        """None where the stage must be made again, else the differences in versions that are kept."""
        now = depends.recorded
        if manifest["fingerprint"] == depends.fingerprint:
            return ()
        if unchanged_since_earlier(manifest, now):
            if not self.earlier:
                self.say(
                    "An earlier version of handpicked made stages of this run and noted no "
                    "versions of libraries. They are "
                    "kept where inputs and settings are the same; delete a "
                    "stage's folder to have it made again."
                )
            self.earlier.add(shown)
            return ()
        if self.keep_versions and "versions" in manifest and only_versions_differ(manifest, now):
            kept = differences(manifest, now)
            self.say(f"{shown}: kept, although {'; '.join(kept)}")
            return kept
        return None

    def _make(
        self,
        name: str,
        shown: str,
        make: Callable[[Path], Facts | None],
        depends: Dependencies,
        earlier: Path | None,
    ) -> Stage:
        final, work = self.folder / name, self.folder / ".work" / name
        spent, kept = self._prepare(shown, work, depends, earlier)
        started = time.monotonic()
        with writing(work):
            try:
                facts = dict(make(work) or {})
            finally:
                seconds = spent + time.monotonic() - started
                _keep_time(work, depends, seconds, kept, since=None)
            (work / STARTED).unlink()
            entry = {
                "stage": name,
                "fingerprint": depends.fingerprint,
                "seconds": round(seconds, 3),
                "facts": facts,
                **depends.recorded,
                "made": _made_here(),
                **({"kept": kept} if kept else {}),
            }
            write_json(work / MANIFEST, entry)
            _swap(work, final)
        log.info("%s: done in %.1f s", name, seconds)
        origin = Origin.read(entry)
        return Stage(name, final, depends.fingerprint, round(seconds, 3), False, facts, origin)

    def _prepare(
        self, shown: str, work: Path, depends: Dependencies, earlier: Path | None
    ) -> tuple[float, list[str]]:
        """Keep the work folder of an interrupted attempt at the same, else begin with a copy of
        ``earlier`` or with nothing.

        Seconds already spent, and in what versions the attempt differs that is gone on with.
        """
        with writing(work):
            started = read_json(work / STARTED) if (work / STARTED).is_file() else {}
            same, kept = started.get("fingerprint") == depends.fingerprint, list(started.get("kept", ()))
            if (
                not same
                and "depends" in started
                and only_versions_differ(started["depends"], depends.recorded)
            ):
                found = differences(started["depends"], depends.recorded)
                same = self.keep_versions
                goes = "continues unfinished work" if same else "begins again"
                self.say(f"{shown}: {goes}, {'although' if same else 'because'} {'; '.join(found)}")
                kept += found if same else []
            if same:
                spent = float(started["seconds"])
                if started["since"] is not None:  # killed: it worked at least until the last file it wrote
                    newest = max(path.stat().st_mtime for path in work.rglob("*"))
                    spent += max(0.0, newest - started["since"])
                log.info("%s: resumes after %.1f s of earlier work", shown, spent)
            else:
                spent, kept = _begin(work, earlier, depends)
            _keep_time(work, depends, spent, kept, since=time.time())
            return spent, kept

    def asking_stage(
        self,
        name: str,
        make: Callable[[Path, int], Facts | None],
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, object],
        versions: Versions,
        shown_as: str | None = None,
    ) -> Stage:
        """``stage`` for requests to an endpoint. ``make`` records the number of lost replies as the fact
        ``LOST``.

        Where a finished one lost some, it is made again once in a run, and ``make`` gets their number; it
        stays as it is if the endpoint is still away. ``shown_as`` is its name in messages.
        """
        shown = shown_as or name
        once = self.stage(
            name,
            lambda work: make(work, 0),
            inputs=inputs,
            settings=settings,
            versions=versions,
            shown_as=shown_as,
        )
        lost = once.facts.get(LOST, 0)
        if not once.skipped:
            self._say_lost(shown, lost)
        if not lost or name in self.made:
            return once
        self.say(f"{shown}: requests the replies again that were lost last time ({lost:,}); the rest is kept")
        try:
            healed = self.stage(
                name,
                lambda work: make(work, lost),
                inputs=inputs,
                settings=settings,
                versions=versions,
                again=True,
                shown_as=shown_as,
            )
        except (EndpointError, MissingPart) as error:  # what is there is as good as it was
            self.say(f"{shown}: stays as it is. {error}")
            return once
        self._say_lost(shown, healed.facts.get(LOST, 0))
        return healed

    def _say_lost(self, shown: str, lost: int) -> None:
        if lost:
            self.say(f"{shown}: lost replies: {lost:,}; run the same command again to request only these")

    def _say_why(self, shown: str, before: Json | None, depends: Dependencies) -> None:
        if before is None:
            return
        now = depends.recorded
        if "versions" not in before:  # of layout 1: what it did not note is not a reason
            now = {**now, "libraries": {}}
            before = {
                **before,
                "settings": _of_today(before["settings"], now["settings"]),
                "versions": dict.fromkeys(now["versions"], 1),
            }
        self.say(f"{shown}: runs again because {'; '.join(differences(before, now))}")


def _of_today(before: Json, now: Json) -> Json:
    """The settings of layout 1 without those that no longer count."""
    return {
        key: _of_today(value, now[key]) if isinstance(value, dict) and isinstance(now[key], dict) else value
        for key, value in before.items()
        if key in now
    }


def _manifest(folder: Path) -> Json | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest: Json = read_json(path)
    return manifest


def _begin(work: Path, earlier: Path | None, depends: Dependencies) -> tuple[float, list[str]]:
    """An empty work folder, or a copy of the finished stage in ``earlier``; the seconds that it took, and in
    what versions it differs.
    """
    shutil.rmtree(work, ignore_errors=True)
    spent, kept = 0.0, []
    if earlier is not None and (manifest := _manifest(earlier)) is not None:
        spent, kept = float(manifest["seconds"]), list(manifest.get("kept", ()))
        kept += differences(manifest, depends.recorded) if "versions" in manifest else []
        shutil.copytree(earlier, work, ignore=shutil.ignore_patterns(MANIFEST))
    work.mkdir(parents=True, exist_ok=True)
    return spent, kept


def _keep_time(
    work: Path, depends: Dependencies, seconds: float, kept: Sequence[str], *, since: float | None
) -> None:
    """Note how long was worked here, and at what; ``since`` when the present attempt
    began, None when it has ended.
    """
    note = {
        "fingerprint": depends.fingerprint,
        "seconds": seconds,
        "since": since,
        "kept": list(kept),
        "depends": depends.recorded,
    }
    write_json(work / STARTED, note)


def _made_here() -> dict[str, object]:
    """When and by what a stage was made. The machine is described but not named, because results are
    published.
    """
    torch = sys.modules.get("torch")  # not imported for this
    gpu = f", {torch.cuda.get_device_name()}" if torch is not None and torch.cuda.is_available() else ""
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "handpicked": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs{gpu}",
    }


def _swap(work: Path, final: Path) -> None:
    """Put the finished work folder in the place of the final one. A kill in between
    leaves a complete work folder.
    """
    old = work.with_name(f".old-{work.name}")
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    work.rename(final)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def open_run(
    folder: Path, say: Callable[[str], None] = log.info, *, keep_versions: bool = False
) -> Iterator[Run]:
    """Lock a run folder, open its run.log and give it. Raises StoreError when another process holds it."""
    with writing(folder):
        private_folder(folder)
        layout = folder / ".layout"
        if layout.is_file() and layout.read_text().strip() not in map(str, READS):
            raise StoreError(
                f"{folder} was written by another version of handpicked (layout "
                f"{layout.read_text().strip()}, this one "
                f"reads {' and '.join(map(str, READS))}). Choose another folder with "
                "-o, or delete it to start over."
            )
        refuse_foreign(folder, WRITTEN, ours=layout.is_file())
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
            write_text(holder, f"process {os.getpid()} on {platform.node()}\n")
            with _log_to(folder / "run.log"):
                yield Run(folder, say, keep_versions)
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    private_file(path)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
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
