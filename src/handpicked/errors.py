"""All errors of handpicked, as a tree of classes.

    HandpickedError               the user can fix it: one line, exit code 2, no traceback
    ├── PoolError                 a pool, prompt or answer file that cannot be read as what it should be
    ├── ConfigError               mistakes in an experiment file or in options, all of them at once
    ├── MissingPart               an extra, a model, a key or a device that this machine lacks
    ├── EndpointError             a model endpoint that refused, timed out or sent an unusable reply
    ├── StoreError                a run folder that is locked, read-only, full or from an incompatible version
    ├── WorkerError               workers that died or refused; what they finished is kept
    ├── TrainingError             settings that would silently spoil a training
    ├── BenchmarkError            a benchmark that failed, after the others are done
    └── NotYet                    nothing is wrong: a batch is still being processed; exit code 75, run it again

Anything else that escapes is a bug in handpicked (exit code 1).

Every message says what, where, why it matters and what to do. ``did_you_mean``
supplies the last part for names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from handpicked.secrets import redacted


class HandpickedError(Exception):
    """Base of every error that the user can fix. ``str(error)`` is the whole message, without any known key."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class PoolError(HandpickedError):
    """A pool, prompt or answer file cannot be read as what it should be."""


class ConfigError(HandpickedError):
    """Mistakes in an experiment file or in options.

    ``mistakes`` holds every one found, each a complete sentence with its place.
    """

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = tuple(map(redacted, mistakes))
        super().__init__("\n".join(mistakes))


class MissingPart(HandpickedError):
    """An optional extra, a model, a key or a device that this machine lacks. The message says how to get it."""


class EndpointError(HandpickedError):
    """A model endpoint refused, timed out or sent an unusable reply, and retrying cannot help."""


class StoreError(HandpickedError):
    """A run folder is locked by another run, read-only, full, or from an incompatible version."""


class WorkerError(HandpickedError):
    """The processes or hosts that share the work failed too often. Finished work is kept."""


class TrainingError(HandpickedError):
    """Settings that would silently spoil a training, such as a template without an end-of-text token."""


class Refused(TrainingError):
    """A chat template refuses one conversation, or would render it wrongly. ``reason`` says why."""

    def __init__(self, template: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The chat template '{template}' refuses a conversation: {reason}. Leave "
            "it out, or set another template "
            "(chatml, alpaca, vicuna, plain)."
        )


class BenchmarkError(HandpickedError):
    """Benchmarks failed in their own code; the others are done and kept."""


class NotYet(HandpickedError):
    """Nothing is wrong: an endpoint is still working on a batch. Run the same command later to continue."""


def first_line(error: Exception) -> str:
    """The first line of a foreign error's message, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the closest known name, or a list of the known names.

    The result begins with a space so that it can be appended to a sentence; it is
    empty when nothing is known.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""
