"""What goes wrong between this machine and the Hugging Face hub, each as one line that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from handpicked.errors import first_line

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo


LOG_IN = "log in (hf auth login, or HF_TOKEN)"


def hub_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises when it refuses or is out of reach, whichever
    HTTP library it was built on.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
    )

    unreachable = (sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)
    return (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        EntryNotFoundError,
        OSError,
        *unreachable,
    )


def status_of(error: BaseException) -> int | None:
    """The HTTP status with which the hub refused, where it answered at all."""
    return getattr(getattr(error, "response", None), "status_code", None)


def cause_of(error: BaseException) -> BaseException:
    """The error behind "not in the cache either", which is what the client says last."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    while isinstance(error, LocalEntryNotFoundError) and (error.__cause__ or error.__context__) is not None:
        error = error.__cause__ or error.__context__ or error
    return error


def is_out_of_reach(error: BaseException) -> bool:
    """Whether the hub did not answer: no network, a broken connection, or a machine set to be offline."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    error = cause_of(error)
    silent = tuple(sys.modules[name].TransportError for name in ("httpx", "httpx2") if name in sys.modules)
    return isinstance(error, (OfflineModeIsEnabled, *silent))


def silence(seconds: float) -> str | None:
    """Why the hub does not answer within ``seconds``; None: it answers, if only to refuse."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=seconds)
    except hub_errors() as error:
        return None if status_of(error) is not None else first_line(_as_error(error))
    return None


def message_of(error: BaseException, name: str, revision: str | None = None) -> str:
    """Why the hub did not give the data set ``name`` (at ``revision``), and what to do."""
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    error = cause_of(error)
    place, status = constants.ENDPOINT, status_of(error)
    said = f"The data set '{name}' cannot be read from {place}: "
    if isinstance(error, HFValidationError):
        return f"{said}{first_line(error)}"
    if isinstance(error, GatedRepoError):
        return (
            f"{said}it is gated. Accept its terms at {place}/datasets/{name}, then {LOG_IN} with an account "
            "that has accepted them."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{said}it has no revision '{revision}'.{_close(str(revision), lambda: _revisions(name))}"
    if isinstance(error, RepositoryNotFoundError):
        private = "the token may not see it" if get_token() else f"no token is set: {LOG_IN}"
        guess = _close(name, lambda: _of_owner(name.split("/")[0]))
        return f"{said}there is none of this name, or it is private and {private}.{guess}"
    if status == 401:
        return f"{said}the hub refuses the token. Make a new one, then {LOG_IN}."
    if status == 403:
        return f"{said}this account may not read it (403). Ask its owner, or {LOG_IN} with another account."
    if status == 429:
        after = getattr(error, "response", None)
        seconds = after.headers.get("retry-after") if after is not None else None
        wait = f"{seconds} seconds" if seconds else "some minutes"
        return f"{said}the hub has had too many requests from here (429). Wait {wait} and run the same command; {LOG_IN} for a higher limit."
    if status is not None and status >= 500:
        return f"{said}the hub itself fails ({status}). Try again later; finished files are kept."
    return f"{said}the connection failed or broke ({first_line(_as_error(error))}). Run the same command again; what has arrived is kept."


def _as_error(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def _close(name: str, known: Callable[[], Iterable[str]]) -> str:
    """`` Did you mean 'x'?`` where the hub knows a name like it; empty where the hub does not answer."""
    try:
        close = get_close_matches(name, list(known()), n=1, cutoff=0.6)
    except hub_errors():
        return ""
    return f" Did you mean '{close[0]}'?" if close else ""


def _of_owner(owner: str) -> Iterable[str]:
    from huggingface_hub import HfApi

    found: Iterable[DatasetInfo] = HfApi().list_datasets(author=owner, limit=500)
    return [one.id for one in found]


def _revisions(name: str) -> Iterable[str]:
    from huggingface_hub import HfApi

    refs = HfApi().list_repo_refs(name, repo_type="dataset")
    return [one.name for one in (*refs.branches, *refs.tags)]
