"""Every method that an experiment file or the command line can name: what it does, its source, cost and
settings.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from handpicked.bench import AVERAGES, BENCHMARKS, Benchmark
from handpicked.catalogue import GUARDS, SCORERS, SELECTORS, is_file
from handpicked.errors import ConfigError, did_you_mean
from handpicked.judges import listed_judges, load_judge
from handpicked.method import Method, Setting, settings_of
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scorer
from handpicked.selection.methods import EVERY_SCORER_TAKES, any_class_of, measures

UNTOUCHED = "the base model: an arm without a subset"


@dataclass(frozen=True)
class SettingEntry:
    """One setting of a method, for reading."""

    name: str
    type: str
    default: object
    about: str


@dataclass(frozen=True)
class Entry:
    """One method, for reading. ``needs`` is what it takes beyond the light core; ``unit`` and
    ``better`` are a scorer's.
    """

    name: str
    about: str
    source: str = ""
    cost: str = "text"
    needs: str = ""
    unit: str = ""
    better: str = ""
    columns: tuple[str, ...] = ()
    settings: tuple[SettingEntry, ...] = ()
    details: str = ""


def listed() -> dict[str, list[Entry]]:
    """All methods, by kind."""
    counts = measures()
    scorers = {name: _scorer(name, one) for name, one in SCORERS.shipped.items()}
    by_models = [name for name, one in SCORERS.shipped.items() if issubclass(one, PoolScorer)]
    features = [name for name in scorers if name not in by_models and name not in counts]
    added = [name for name in SCORERS.names if name not in scorers]
    selectors = [_method(name, one) for name, one in SELECTORS.shipped.items()]
    selectors += [_method(name, one) for name in SELECTORS.names if (one := _added(name)) is not None]
    return {
        "Selectors (--by)": [Entry("none", UNTOUCHED), *selectors],
        "Scorers by a model, an endpoint or a target set (--scorer; --by keeps the better end)": [
            *(scorers[name] for name in by_models),
            *(_scorer(name, SCORERS.find(name, "scorer")) for name in added),
        ],
        "Measures (--measure)": [scorers[name] for name in counts],
        "Features (--scorer; --by top or bottom with --field)": [scorers[name] for name in features],
        "Guards (--guard)": [_method(name, GUARDS.find(name, "guard")) for name in GUARDS.names],
        "Judges (--judge)": [_judge(name) for name in listed_judges()],
        "Benchmarks (evaluate.benchmarks, bench --benchmark; also any task of lm-evaluation-harness)": [
            *(_benchmark(one) for one in BENCHMARKS.values()),
            *(
                Entry(name, f"the mean of {', '.join(members)}", cost="all of theirs", needs="bench")
                for name, members in AVERAGES.items()
            ),
        ],
    }


def explained(name: str) -> list[Entry]:
    """Every method of that name, with its settings: a selector and a scorer may share one.

    Raises:
        ConfigError: there is none.
    """
    if is_file(name) and (method := any_class_of(name)) is not None:
        return [_scorer(name, method) if issubclass(method, Scorer | PoolScorer) else _method(name, method)]
    every = [entry for entries in listed().values() for entry in entries]
    found = [entry for entry in every if entry.name == name]
    if not found:
        raise ConfigError(f"There is no method '{name}'.{did_you_mean(name, [one.name for one in every])}")
    return found


def _added(name: str) -> type[Method] | None:
    return None if name in SELECTORS.shipped else SELECTORS.get(name)


def _method(name: str, method: type[Method]) -> Entry:
    about = method.variants.get(name, method.about)
    details = inspect.cleandoc(method.__doc__ or "")
    kind: Any = method
    settings = tuple(map(_setting, settings_of(kind)))
    return Entry(name, about, method.source, method.cost, method.needs, settings=settings, details=details)


def _scorer(name: str, scorer: type[Scorer] | type[PoolScorer]) -> Entry:
    columns = scorer.made_columns(name) if issubclass(scorer, PoolScorer) else (name,)
    return replace(_method(name, scorer), unit=scorer.unit, better=scorer.better, columns=columns)


def _setting(one: Setting) -> SettingEntry:
    default = None if one.required else one.default
    return SettingEntry(one.name, "needed" if one.required else _type(one.kind), default, one.about)


def _type(kind: object) -> str:
    """A type as the docs show it: ``int``, ``nearest | random | longest``."""
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return " | ".join(map(str, arguments))
    if hasattr(kind, "__metadata__"):
        return _type(arguments[0])
    if arguments:
        return " | ".join(_type(one) for one in arguments if one not in (type(None), ...))
    return getattr(kind, "__name__", str(kind))


def _judge(name: str) -> Entry:
    judge = load_judge(name)
    cost, needs = ("paid API", "an endpoint") if judge.asks else ("embedding", "embed, demo")
    return Entry(name, judge.about, cost=cost, needs=needs)


def _benchmark(benchmark: Benchmark) -> Entry:
    requests = benchmark.size * benchmark.requests
    what = "answers generated" if benchmark.generates else "likelihoods"
    cost = f"model forward, {requests:,} {what} after some {benchmark.prompt_tokens:,} tokens each"
    needs = f"bench; its files, or {benchmark.hub} on the hub"
    return Entry(benchmark.name, benchmark.about, benchmark.source, cost, needs)


def text_of(found: Mapping[str, Sequence[Entry]]) -> str:
    """The methods as ``handpicked methods`` lists them."""
    lines: list[str] = []
    for kind, entries in found.items():
        lines.append(kind)
        width = max(len(entry.name) for entry in entries)
        for entry in entries:
            lines.append(f"  {entry.name:<{width}}  {entry.about}")
            more = [entry.source, f"cost: {entry.cost}", entry.needs and f"needs: {entry.needs}"]
            lines.append(" " * (width + 4) + "; ".join(part for part in more if part))
        lines.append("")
    return "\n".join(lines)


def explanation(entry: Entry) -> str:
    """One method with its settings, as ``handpicked methods NAME`` shows it."""
    facts = {
        "source": entry.source, "cost": entry.cost, "needs": entry.needs, "unit": entry.unit,
        "better": entry.better, "columns": ", ".join(entry.columns),
    }  # fmt: skip
    lines = [
        f"{entry.name}: {entry.about}",
        "",
        *(f"  {key}: {value}" for key, value in facts.items() if value),
    ]
    lines += ["", "  settings:" if entry.settings else "  It has no settings."]
    for one in entry.settings:
        shown = one.type if one.type == "needed" else f"{one.type}, default {one.default}"
        lines += [f"    {one.name} ({shown})", f"        {' '.join(one.about.split())}"]
    if entry.columns and entry.cost != "text":
        lines.append(f"  Every scorer also takes {', '.join(EVERY_SCORER_TAKES)}.")
    return "\n".join([*lines, "", entry.details, ""]).replace("``", "'")
