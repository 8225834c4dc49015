"""The page's query of a table: which rows, in which order. Read from untrusted JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from handpicked.errors import ConfigError, did_you_mean
from handpicked.explore.columns import Condition

LONGEST_SEARCH = 1000
FIELDS = ("low", "high", "values", "contains", "missing", "exclude")
PLACES = {"both": ("prompt", "response"), "prompt": ("prompt",), "response": ("response",)}


@dataclass(frozen=True)
class Query:
    """Rows in which ``search`` is in one of the texts ``within`` and that satisfy every condition of
    ``where``, sorted by the column ``sort`` (None: by row).
    """

    search: str = ""
    within: tuple[str, ...] = PLACES["both"]
    where: tuple[Condition, ...] = ()
    sort: str | None = None
    descending: bool = False


def query_of(request: Mapping[str, object]) -> Query:
    """The query in a request. Raises ConfigError where it is invalid."""
    where = request.get("where", [])
    if not isinstance(where, list) or len(where) > 50:
        raise ConfigError("where: a list of at most 50 filters is needed.")
    within = PLACES.get(str(request.get("within", "both")))
    if within is None:
        raise ConfigError(f"within is one of {', '.join(PLACES)}.")
    return Query(
        search=text_in(request, "search"),
        within=within,
        where=tuple(map(_condition, where)),
        sort=text_in(request, "sort") or None,
        descending=request.get("descending", False) is True,
    )


def text_in(request: Mapping[str, object], name: str) -> str:
    """A text of a request, empty where it has none. Raises ConfigError for what is not text that Arrow takes."""
    found = request.get(name) or ""
    if not isinstance(found, str) or len(found) > LONGEST_SEARCH:
        raise ConfigError(f"{name}: a text of at most {LONGEST_SEARCH:,} letters is needed.")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name}: the text holds half a character (a lone surrogate).") from None
    return found


def whole_in(request: Mapping[str, object], name: str, most: int, default: int | None = None) -> int:
    """A whole number of a request from 0 to ``most``. Raises ConfigError for anything else."""
    found = request.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        raise ConfigError(f"{name}: a whole number from 0 to {most:,} is needed.")
    return found


def _condition(request: object) -> Condition:
    if not isinstance(request, dict) or not isinstance(request.get("column"), str):
        raise ConfigError("where: each filter is an object that names its column.")
    unknown = [name for name in request if name not in ("column", *FIELDS)]
    if unknown:
        raise ConfigError(f"where: a filter has no '{unknown[0]}'.{did_you_mean(unknown[0], FIELDS)}")
    values = request.get("values")
    if values is not None and not (isinstance(values, list) and all(isinstance(one, str) for one in values)):
        raise ConfigError(f"{request['column']}: values are a list of texts.")
    return Condition(
        request["column"],
        low=_bound(request, "low"),
        high=_bound(request, "high"),
        values=None if values is None else tuple(values),
        contains=text_in(request, "contains") or None,
        missing=request["missing"] if isinstance(request.get("missing"), bool) else None,
        exclude=request.get("exclude", False) is True,
    )


def _bound(request: Mapping[str, object], name: str) -> float | None:
    found = request.get(name)
    if found is None:
        return None
    try:
        bound = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan
    except OverflowError:
        bound = math.nan
    if math.isnan(bound):
        raise ConfigError(f"{request['column']}: '{name}' is not a number.")
    return bound
