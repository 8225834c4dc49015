"""The requests of the page: each is sent to the server, answered with plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from handpicked.errors import ConfigError
from handpicked.explore import figures
from handpicked.explore.columns import Category, Column, Number
from handpicked.explore.notes import Note, note_of
from handpicked.explore.opened import Opened
from handpicked.explore.pairs import Pairs
from handpicked.explore.query import Query, query_of, whole_in
from handpicked.explore.table import Table
from handpicked.records import Json, Message

MOST_ROWS = 200
LONGEST = 1_000_000
"""Letters of a text that the page is sent."""
MOST_COLUMNS = 12
LISTED = 200
"""Values of a category that the page offers to choose among."""


@dataclass(frozen=True)
class Session:
    """Answers questions about what was opened."""

    opened: Opened

    def about(self, request: Mapping[str, object]) -> Json:
        """What the first screen shows. No column is loaded for it."""
        opened = self.opened
        columns = {} if opened.table is None else opened.table.columns
        return {
            "title": opened.title,
            "kind": opened.kind,
            "rows": 0 if opened.table is None else opened.table.rows,
            "accounts": dict(opened.accounts),
            "source": None if opened.index is None else {
                "files": list(opened.index.paths), "format": opened.index.format, "why": opened.index.why,
            },
            "columns": [
                {"name": name, "kind": column.kind, "about": column.about, "group": opened.groups[name]}
                for name, column in columns.items()
            ],
            "shown": list(opened.shown),
            "arms": {arm: state.name for arm, state in opened.arms.items()},
            "map": None if opened.map is None else {
                "x": opened.map.axes[0].name, "y": opened.map.axes[1].name, "about": opened.map.about,
                "clusters": None if opened.map.clusters is None else opened.map.clusters.name,
            },
            "pairs": None if opened.pairs is None else opened.pairs.about(),
            "remarks": list(opened.remarks),
            "notes": {"file": str(opened.notes.path), "count": len(opened.notes.standing())},
            "annotators": list(dict.fromkeys(who for who, _, _ in opened.notes.standing())),
        }  # fmt: skip

    def rows(self, request: Mapping[str, object]) -> Json:
        """A page of the rows that a query finds."""
        table = self._table
        found = table.found(query_of(request))
        offset, limit = whole_in(request, "offset", 10**12, 0), whole_in(request, "limit", MOST_ROWS, 50)
        rows = found[offset : offset + limit]
        names = [*self._named(request), "state", "note"]
        shown = {name: table.column(name).shown(rows) for name in ("prompt", "response", *names)}
        return {
            "total": len(found),
            "rows": [
                {"row": row, **{name: values[place] for name, values in shown.items()}}
                for place, row in enumerate(rows.tolist())
            ],
        }

    def row(self, request: Mapping[str, object]) -> Json:
        """One row: its conversation, every value it has, why it was rejected, and people's notes on it."""
        index, row = self.opened.index, self._row(request)
        assert index is not None
        id_ = index.value(row, "id") or ""
        place = np.array([row])
        values = {
            name: column.shown(place)[0]
            for name, column in self._table.columns.items()
            if name not in ("prompt", "response", "note")
        }
        return {
            "row": row,
            "id": id_,
            "messages": [_shown(message) for message in index.messages(row)],
            "values": values,
            "rejected": index.rejections.get(row),
            "notes": [asdict(note) for note in self.opened.notes.on("row", id_, row)],
        }

    def histogram(self, request: Mapping[str, object]) -> Json:
        """How the values of a column of numbers are spread, in the table and among the found rows."""
        column = self._table.number(request.get("column"))
        return {"column": column.name, **asdict(figures.histogram(column, self._mask(request)))}

    def counts(self, request: Mapping[str, object]) -> Json:
        """How many rows have each value of a category, in the table and among the found rows."""
        column = self._table.category(request.get("column"))
        counts = figures.value_counts(column, self._mask(request), LISTED)
        return {"column": column.name, "values": counts, "different": len(column.texts)}

    def spread(self, request: Mapping[str, object]) -> Json:
        """Smallest and largest value of a column of numbers."""
        return figures.spread(self._table.number(request.get("column")))

    def scatter(self, request: Mapping[str, object]) -> Json:
        """The found rows by two columns of numbers, coloured by a third column."""
        table = self._table
        colour = table.column(request["colour"]) if request.get("colour") else None
        if colour is not None and not isinstance(colour, Category | Number):
            raise ConfigError(f"{colour.name} is a text: colours are of numbers and categories.")
        x, y = table.number(request.get("x")), table.number(request.get("y"))
        return asdict(figures.points(x, y, colour, self._mask(request)))

    def overlap(self, request: Mapping[str, object]) -> Json:
        """How the subsets of the arms overlap among the found rows."""
        if not self.opened.arms:
            raise ConfigError("There are no arms here: overlap is of a run.")
        kept = {arm: state.codes == 0 for arm, state in self.opened.arms.items()}
        return asdict(figures.overlap(kept, self._mask(request)))

    def pairs(self, request: Mapping[str, object]) -> Json:
        """A page of the pairs that match the request."""
        return self._pairs.found(request)

    def pair(self, request: Mapping[str, object]) -> Json:
        """One pair with its texts, its verdicts and people's notes on it."""
        found = self._pairs.one(request)
        return {**found, "notes": [asdict(note) for note in self.opened.notes.on("pair", found["id"])]}

    def note(self, request: Mapping[str, object]) -> Json:
        """Keep a note on a row or pair; the notes of everyone on it, once it is on the disk."""
        if request.get("about") == "pair":
            note = note_of(request, "pair", -1, self._pairs.case(request).id)
        else:
            index, row = self.opened.index, self._row(request)
            assert index is not None
            note = note_of(request, "row", row, index.value(row, "id") or "")
        self.opened.notes.add(note)
        return {"notes": [asdict(one) for one in self._notes_beside(note)]}

    def _notes_beside(self, note: Note) -> list[Note]:
        return self.opened.notes.on(note.about, note.id, note.row)

    def export(self) -> str:
        """All notes that count, one JSON line each."""
        return self.opened.notes.export()

    @property
    def _table(self) -> Table:
        if self.opened.table is None:
            raise ConfigError("There are no rows here: these are judged pairs alone.")
        return self.opened.table

    @property
    def _pairs(self) -> Pairs:
        if self.opened.pairs is None:
            raise ConfigError("There are no pairs here: nothing was judged.")
        return self.opened.pairs

    def _row(self, request: Mapping[str, object]) -> int:
        most = self._table.rows - 1
        return whole_in(request, "row", most)

    def _mask(self, request: Mapping[str, object]) -> np.ndarray | None:
        query: Query = query_of(request)
        return self._table.mask(query)

    def _named(self, request: Mapping[str, object]) -> list[str]:
        names = request.get("columns", list(self.opened.shown))
        if not isinstance(names, list) or len(names) > MOST_COLUMNS:
            raise ConfigError(f"columns: a list of at most {MOST_COLUMNS} names is needed.")
        columns: list[Column] = [self._table.column(name) for name in names]
        return [column.name for column in columns]


def _shown(message: Message) -> Json:
    """A turn for the page, with the thought apart from the answer and very long texts cut."""
    mine = message.role == "assistant"
    texts = {
        "content": message.answer if mine else message.content,
        "reasoning": message.thought if mine else message.reasoning,
        "tools": message.tools,
    }
    calls = [
        {"name": call.name, "arguments": call.arguments[:LONGEST], "id": call.id} for call in message.calls
    ]
    cut = any(len(text) > LONGEST for text in (*texts.values(), *(call.arguments for call in message.calls)))
    shown = {name: text[:LONGEST] for name, text in texts.items()}
    return {**message.fields(), **shown, "calls": calls, "cut": cut}
