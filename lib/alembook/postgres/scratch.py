"""Scratch databases: where a backup is restored for proof and rehearsal, and how each is found again and dropped.

A scratch database belongs to a run, and its name says to which: ``alembook_20261122t120301z-4f2a9c``. A comment on it
says more. It lies on the server that ``rehearsal.scratch`` names; without that on an embedded server kept for nothing
else, whatever the target is. The target's own server is used only when ``rehearsal.scratch`` is the very reference by
which the target names it: another one that turns out to lead there is refused.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psycopg2 import sql

from alembook import config, errors
from alembook.postgres import cluster, embedded, needs, statements
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.needs import Needs

_NAME = r"^alembook_[0-9]{8}t[0-9]{6}z-[0-9a-f]{6}(_[0-9]+)?$"
_APPLICATION = "alembook scratch"
_NEXT = (
    "Set rehearsal.scratch of the target to a server that has it, with a role that may create databases: "
    'scratch = "env:SCRATCH_URL". A small database can be restored beside itself: write scratch as database is written.'
)
#: SQLSTATEs of a setting that the role may not set, or that the server does not know.
_MAY_NOT_SET = frozenset({"42501", "42704", "22023", "55P02"})
#: Settings of a database with which nothing could be restored into it.
_NOT_SET = frozenset({"default_transaction_read_only", "role", "session_authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server on which scratch databases are made.

    Attributes:
        kind: "embedded", "another server" or "the target's own server".
        database: by which it is reached.
        version: of the server, "18.4".
        remarks: what is other there than on the target's server, and does no harm.
    """

    kind: str
    database: Database
    version: str
    remarks: tuple[str, ...] = ()

    def label(self) -> str:
        """Returns what a person is shown."""
        return f"{self.kind}, PostgreSQL {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A scratch database.

    Attributes:
        name: of the database.
        place: where it lies.
        run_id: of the run it belongs to.
        target: name of that run's target; "" when its maker was killed before it could say so.
        is_kept: it was asked to stay when its run ends.
        size_bytes: None where the role may not ask.
    """

    name: str
    place: Place
    run_id: str
    target: str = ""
    is_kept: bool = False
    size_bytes: int | None = None

    @property
    def database(self) -> Database:
        """Returns where it is."""
        return self.place.database.with_dbname(self.name)

    def drop_command(self) -> str:
        """Returns how a person drops it."""
        return f'DROP DATABASE "{self.name}" WITH (FORCE)'


def place(target: config.Target, needed: Needs) -> Place:
    """Returns where scratch databases of a target go, which fits what its database uses.

    Args:
        target: its ``scratch`` says where; None is the embedded server.
        needed: as ``needs.read`` returns it.

    Raises:
        errors.ScratchUnfit: the server lacks what the database uses, the role may not make databases, or it is the
            target's own and was not named so.
        errors.ConfigurationError: the reference leads nowhere.
        errors.Unreachable, errors.AccessRefused: no server answered, or it refused.
        errors.EmbeddedServerFailed: the embedded server cannot be started.
    """
    if _is_embedded(target):
        _require_embedded(target, needed)
        return _fitting("embedded", _embedded(target, needed.major).ensure(), needed)
    assert target.scratch is not None  # noqa: S101 - else it is embedded
    database = Database.parse(config.resolve(target.scratch))
    with _connected(database) as connection:
        is_own = needs.is_same_server(needs.server_of(connection), needed.server)
    if is_own and target.scratch not in {target.database, target.direct}:
        raise _is_the_targets_own(target)
    return _fitting("the target's own server" if is_own else "another server", database, needed)


def existing(target: config.Target) -> Iterator[Place]:
    """Yields the places where scratch databases of a target may lie; makes none. Raises as ``place``, fit left out."""
    if not _is_embedded(target):
        assert target.scratch is not None  # noqa: S101 - else it is embedded
        database = Database.parse(config.resolve(target.scratch))
        yield Place(kind="the server of rehearsal.scratch", database=database, version=_version(database))
        return
    for major in cluster.majors():
        server = _embedded(target, major)
        if server.places.data.exists():
            database = server.ensure()
            yield Place(kind="embedded", database=database, version=_version(database))


def tried(target: config.Target, needed: Needs) -> Place:
    """Returns where scratch databases of a target would go, and makes nothing that stays; raises as ``place``.

    An embedded server that is not there yet is made in a temporary folder and removed again.
    """
    if not _is_embedded(target) or _embedded(target, needed.major).places.data.exists():
        return place(target, needed)
    with tempfile.TemporaryDirectory(prefix="alembook-scratch-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs as nobody, who has to get through
        elsewhere = replace(target, folder=Path(folder))
        try:
            return place(elsewhere, needed)
        finally:
            server = _embedded(elsewhere, needed.major)
            server.stop()
            server.release()


def create(place: Place, needed: Needs, *, run_id: str, target: str, keep: bool = False) -> Scratch:
    """Makes an empty database like the target's and returns it. It is nobody's else: PUBLIC may not connect.

    On the embedded server the target's roles are made too, without login and without rights: revisions name them.

    Raises:
        errors.ScratchUnfit: the server does not know the locale.
        errors.QueryFailed: the server refused something else (a full disk, a name taken in between).
    """
    taken = {each.name for each in find(place)}
    stem = f"alembook_{run_id.lower()}"
    name = next(n for n in (stem, *(f"{stem}_{number}" for number in range(2, 10_000))) if n not in taken)
    told = json.dumps({"by": "alembook", "run": run_id, "target": target, "keep": keep})
    with _connected(place.database) as connection:
        if place.kind == "embedded":
            _make_roles(connection, needed.roles)
        _create(connection, place, needed, name)
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(told))
        connections.execute(connection, comment)
        revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
        connections.execute(connection, revoke)
        _set(connection, name, needed.settings)
    return Scratch(name=name, place=place, run_id=run_id, target=target, is_kept=keep)


def find(place: Place) -> list[Scratch]:
    """Returns every scratch database on a server, whoever made it, by name.

    Raises:
        errors.QueryFailed, errors.Unreachable: the server did not answer.
    """
    with _connected(place.database) as connection:
        query = statements.load(__package__, "scratch_find.sql")
        return [_scratch(place, row) for row in connections.rows(connection, query, {"pattern": _NAME})]


def named(place: Place, name: str) -> Scratch | None:
    """Returns the scratch database of a name (a receipt has it), or None when it is gone."""
    return next((each for each in find(place) if each.name == name), None)


def drop(scratch: Scratch) -> None:
    """Drops a scratch database, with whatever is still connected to it; one that is gone already is no error.

    A subscription that a revision made in it is parted from its replication slot first: dropping it would drop the
    slot on the publisher.

    Raises:
        errors.QueryFailed: the server refused.
    """
    with _connected(scratch.place.database) as connection:
        query = """
            SELECT s.subname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
             WHERE d.datname = %(name)s
        """
        subscriptions = [row["subname"] for row in connections.rows(connection, query, {"name": scratch.name})]
        if subscriptions:
            _part(scratch, subscriptions)
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(scratch.name))
        connections.execute(connection, statement)


def _part(scratch: Scratch, subscriptions: Collection[str]) -> None:
    with _connected(scratch.database) as connection:
        for name in subscriptions:
            for action in ("ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)"):
                connections.execute(connection, sql.SQL(action).format(sql.Identifier(name)))
            connections.execute(connection, sql.SQL("DROP SUBSCRIPTION {}").format(sql.Identifier(name)))


def _is_embedded(target: config.Target) -> bool:
    return target.scratch is None or target.scratch.kind == "embedded"


def _embedded(target: config.Target, major: int) -> embedded.Server:
    """Returns the server for scratch databases alone: what is lost with it can be made again, so it need not sync."""
    return embedded.Server(folder(target), major, fast=True)


def folder(target: config.Target) -> Path:
    """Returns where the embedded server for scratch databases keeps its data."""
    return target.state_folder / "scratch"


def _require_embedded(target: config.Target, needed: Needs) -> None:
    if needed.major in cluster.majors():
        return
    raise errors.ScratchUnfit(
        f"The embedded PostgreSQL is no place to restore a backup of {target.name}.",
        why=f"the target's server is PostgreSQL {needed.major}, and the embedded one exists as "
        f"{' and '.join(map(str, cluster.majors()))}.",
        next=_NEXT,
    )


def _fitting(kind: str, database: Database, needed: Needs) -> Place:
    icu = {name for name, provider in needed.collations.items() if provider == "i"}
    names = {"extensions": sorted(needed.extensions), "collations": sorted({*needed.collations} - icu)}
    with _connected(database) as connection:
        offer = connections.rows(connection, statements.load(__package__, "scratch_server.sql"), names)[0]
    if not offer["may_create"]:
        raise errors.ScratchUnfit(
            f"{offer['user']} may not create databases on {_server(kind, database)}.",
            why="a backup is proven by restoring it into a database of its own.",
            next=f"Have an administrator of that server run: ALTER ROLE {offer['user']} CREATEDB.",
        )
    if lacks := needs.lacking(needed, offer):
        raise errors.ScratchUnfit(
            f"The database cannot be restored on {_server(kind, database)}.",
            why=f"it needs {', '.join(lacks)}, which that server does not have.",
            next=_NEXT,
        )
    return Place(kind=kind, database=database, version=offer["version"], remarks=tuple(needs.different(needed, offer)))


def _server(kind: str, database: Database) -> str:
    return "the embedded PostgreSQL" if kind == "embedded" else database.label()


def _is_the_targets_own(target: config.Target) -> errors.ScratchUnfit:
    return errors.ScratchUnfit(
        f"rehearsal.scratch of {target.name} leads to the target's own server.",
        why="restoring and rehearsing there would take its disk, its memory and its connections, and was not asked for "
        "by name.",
        next=f'Point it at another server; or, when that is what you want, write scratch = "{target.database}", the '
        "reference that names the target itself.",
    )


def _create(connection: connections.Connection, place: Place, needed: Needs, name: str) -> None:
    try:
        connections.execute(connection, needed.creation(name, major=int(place.version.partition(".")[0])))
    except errors.QueryFailed as error:
        if getattr(error.__cause__, "pgcode", "") not in {"42809", "22023", "42704", "0A000"}:
            raise
        raise errors.ScratchUnfit(
            f"No database like the target's can be made on {_server(place.kind, place.database)}.",
            why=f"{error.what} {error.why} The target has encoding {needed.encoding}, collation {needed.collate}.",
            next="Install that locale there, or set rehearsal.scratch of the target to a server that has it.",
        ) from error


def _make_roles(connection: connections.Connection, roles: Collection[str]) -> None:
    query = "SELECT rolname FROM pg_roles"
    there = {row["rolname"] for row in connections.rows(connection, query)}
    for role in roles:
        if role not in there:
            connections.execute(connection, sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


def _set(connection: connections.Connection, name: str, settings: Collection[str]) -> None:
    """Gives the database the settings of the target's; one that the role may not set is left out."""
    for parameter, _, value in (setting.partition("=") for setting in settings):
        if parameter in _NOT_SET:
            continue
        parts = sql.SQL(".").join(sql.Identifier(part) for part in parameter.split("."))
        statement = sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(sql.Identifier(name), parts)
        connections.execute(connection, "BEGIN")
        try:
            bound = {"name": parameter, "value": value}
            connections.execute(connection, "SELECT set_config(%(name)s, %(value)s, true)", bound)
            connections.execute(connection, statement)
            connections.execute(connection, "COMMIT")
        except errors.QueryFailed as error:
            if connection.closed or getattr(error.__cause__, "pgcode", "") not in _MAY_NOT_SET:
                raise
            connections.execute(connection, "ROLLBACK")


def _scratch(place: Place, row: Mapping[str, Any]) -> Scratch:
    try:
        told = dict(json.loads(row["comment"]))
    except (ValueError, TypeError):
        told = {}
    stamp, _, rest = re.sub(r"^alembook_", "", row["name"]).partition("-")
    return Scratch(
        name=row["name"],
        place=place,
        run_id=f"{stamp.upper()}-{rest.partition('_')[0]}",
        target=str(told.get("target", "")),
        is_kept=bool(told.get("keep", False)),
        size_bytes=row["size_bytes"],
    )


def _version(database: Database) -> str:
    with _connected(database) as connection:
        return str(connections.scalar(connection, "SHOW server_version"))


def _connected(database: Database) -> Any:
    return connections.closing(connections.connect(database, application_name=_APPLICATION, may_write=True))
