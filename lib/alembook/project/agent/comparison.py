"""The project's models against the database: what ``alembic check`` would say, in words, on a read-only connection."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from alembic.autogenerate import RevisionContext
from sqlalchemy import Column

from .description import Look
from .environment import Environment
from .failure import Caught, describe
from .stillness import HARMLESS
from .tape import LITERAL
from .wire import Wire

_COMMAND = ("message", "rev_id", "branch_label", "version_path", "depends_on")


def compare(
    wire: Wire, look: Look, environment: Environment, own_schema: Optional[str], *, is_behind: bool = False
) -> None:
    """Tells the differences in one event, "compared".

    In it: differences (sentences), structural (of those of the structure: sentence, table, kind, name of the part, and
    where it is: "models" or "database"), why (it could not be judged, or "").

    Args:
        wire: where the event goes.
        look: already installed, on read-only connections.
        environment: the project.
        own_schema: Alembook's schema in the target, which no model has; None = there is none.
        is_behind: compare also where revisions are not applied, whose work then counts as differences.
    """
    comparison = _Comparison(environment, own_schema, is_behind)
    look.visit(environment, also=comparison.take)
    writes = [text for text in look.left_out if not HARMLESS.match(text)]
    if writes:
        comparison.why = "env.py writes while it is looked at: {}".format(
            LITERAL.sub("?", " ".join(writes[0].split()))[:200]
        )
    found = [] if comparison.why else comparison.differences
    structural = [(text, *place) for text, place in found if place]
    wire.send("compared", differences=[text for text, _ in found], structural=structural, why=comparison.why)
    wire.send("finished")


class _Comparison:
    """What Alembic's comparison says, once env.py has got to its revisions."""

    def __init__(self, environment: Environment, own_schema: Optional[str], is_behind: bool) -> None:
        self._environment = environment
        self._is_behind = is_behind
        self._own_schema = own_schema
        self.differences: List[Tuple[str, Tuple[str, ...]]] = []
        self.why = ""

    def take(self, heads: Sequence[str], context: Any) -> None:
        """Compares, unless it would say nothing of the models: they are those of the heads."""
        self.differences, self.why = [], self._obstacle(heads, context)
        if self.why:
            return
        with Caught() as caught:
            for entry in self._entries(context):
                self.differences.append((words(entry, context.dialect), _of_structure(entry)))
        if caught.error is not None:
            self.why = "Alembic's comparison failed: {}".format(describe(caught.error)["message"])

    def _obstacle(self, heads: Sequence[str], context: Any) -> str:
        applied = self._environment.closure(heads)
        left = [script.revision for script in self._environment.revisions() if script.revision not in applied]
        if left and not self._is_behind:
            return "the models are those of the heads, and {} revisions are not applied".format(len(left))
        if context.opts.get("target_metadata") is None:
            return "env.py gives Alembic no target_metadata"
        return ""

    def _entries(self, context: Any) -> Iterator[Tuple[Any, ...]]:
        """Yields Alembic's differences, after the project's own filters, as ``alembic check`` has them."""
        command: Dict[str, Any] = dict.fromkeys(_COMMAND)
        command.update(autogenerate=True, sql=False, head="head", splice=False)
        script = self._environment.script
        revision = RevisionContext(self._environment.config, script, command)
        revision.run_autogenerate(tuple(script.get_heads()), context)
        for found in revision.generated_revisions:
            for operations in found.upgrade_ops_list:
                for entry in _flat(operations):
                    if self._own_schema is None or _place(entry)[0] != self._own_schema:
                        yield entry


def _flat(operation: Any) -> Iterator[Tuple[Any, ...]]:
    """Yields an operation's differences; one of an extension that has none is named by its class."""
    if hasattr(operation, "ops"):
        for inner in operation.ops:
            yield from _flat(inner)
        return
    with Caught() as caught:
        found = operation.to_diff_tuple()
    if caught.error is not None:
        found = (type(operation).__name__, operation)
    yield from found if isinstance(found, list) else [found]


def _of_structure(entry: Tuple[Any, ...]) -> Tuple[str, ...]:
    """Returns table, kind, name and side ("models", "database") of a part that is on one side only; else ().

    Alembic errs by nature in types, defaults and comments, which are no parts, and in the expressions of an index.
    """
    verb, _, noun = str(entry[0]).partition("_")
    if noun not in _NOUNS or verb not in _SIDES:
        return ()
    if noun == "index" and not all(isinstance(part, Column) for part in entry[1].expressions):
        return ()
    part = entry[3] if noun == "column" else entry[1]
    name = "" if noun == "table" else str(getattr(part, "name", None) or "")
    return _joined(*_place(entry)), "constraint" if noun == "fk" else noun, name, _SIDES[verb]


def words(entry: Tuple[Any, ...], dialect: Any) -> str:
    """Returns one of Alembic's differences as a sentence."""
    kind = str(entry[0])
    verb, _, noun = kind.partition("_")
    if verb == "modify" and len(entry) == 7:
        return _modified(noun, entry, dialect)
    if verb == "add" and not noun.endswith("comment"):
        return "{} {} is in the models and not in the database.".format(_NOUNS.get(noun, noun), _name(entry))
    if verb == "remove" and not noun.endswith("comment"):
        return "{} {} is in the database and not in the models.".format(_NOUNS.get(noun, noun), _name(entry))
    if noun.endswith("comment"):
        return "The comment of {} differs.".format(_name(entry))
    return "{} differs: {}.".format(kind, _name(entry))


_NOUNS = {
    "table": "Table",
    "column": "Column",
    "index": "Index",
    "constraint": "Constraint",
    "fk": "Foreign key",
}
#: Where the part is that a difference would add or remove.
_SIDES = {"add": "models", "remove": "database"}


def _modified(noun: str, entry: Tuple[Any, ...], dialect: Any) -> str:
    column = "{}.{}".format(_joined(*_place(entry)), entry[3])
    there, here = entry[5], entry[6]
    if noun == "nullable":
        shown = {True: "nullable", False: "NOT NULL"}
        return "Column {} is {} in the database and {} in the models.".format(
            column, shown.get(there, there), shown.get(here, here)
        )
    if noun == "comment":
        return "The comment of {} differs.".format(column)
    texts = [_type(each, dialect) if noun == "type" else _default(each) for each in (there, here)]
    return "The {} of {} is {} in the database and {} in the models.".format(noun, column, *texts)


def _type(value: Any, dialect: Any) -> str:
    with Caught() as caught:
        text = str(value.compile(dialect=dialect))
    return repr(value) if caught.error is not None else text


def _default(value: Any) -> str:
    if value is None or value is False:
        return "none"
    found = getattr(value, "arg", value)
    return str(getattr(found, "text", found))


def _place(entry: Tuple[Any, ...]) -> Tuple[Optional[str], str]:
    """Returns schema and table of a difference."""
    first = entry[1]
    if first is None or isinstance(first, str):
        return first, str(entry[2])
    table = getattr(first, "table", first)
    return getattr(table, "schema", None), str(getattr(table, "name", table))


def _joined(schema: Optional[str], table: str) -> str:
    return table if schema is None else "{}.{}".format(schema, table)


def _name(entry: Tuple[Any, ...]) -> str:
    """Returns the name of what differs: "t", "t.c", "i on t", "(a, b) on t" for a constraint without a name."""
    first, place = entry[1], _joined(*_place(entry))
    if first is None or isinstance(first, str):
        return "{}.{}".format(place, entry[3].name) if len(entry) > 3 and hasattr(entry[3], "name") else place
    if getattr(first, "table", None) is None:
        return place
    columns = ", ".join(str(getattr(column, "name", column)) for column in getattr(first, "columns", ()))
    return "{} on {}".format(getattr(first, "name", None) or "({})".format(columns), place)
