"""From a target to the database it names."""

from __future__ import annotations

from pathlib import Path

from alembook import config
from alembook.postgres import embedded
from alembook.postgres.connection import Database


def database(target: config.Target) -> Database:
    """Returns where the target's database is: the ``direct`` one where a pooler stands in front.

    An ``embedded:`` target's server is started when it does not run, and gets the database (empty) when it lacks it.

    Raises:
        errors.ConfigurationError: a reference leads nowhere.
        errors.EmbeddedServerFailed: the embedded server cannot be started.
    """
    reference = target.direct or target.database
    if reference.kind == "embedded":
        return embedded.Server(target.state_folder, reference.embedded_major).create_database(reference.embedded_name)
    return Database.parse(config.resolve(reference))


def referred(reference: config.Reference, folder: Path) -> Database:
    """Returns the database a reference leads to. An ``embedded:`` one is of the servers in ``folder``; none is made.

    Raises:
        errors.ConfigurationError: the reference leads nowhere.
        errors.EmbeddedServerFailed: the embedded server cannot be started.
    """
    if reference.kind == "embedded":
        server = embedded.Server(folder / ".alembook", reference.embedded_major)
        return server.ensure().with_dbname(reference.embedded_name)
    return Database.parse(config.resolve(reference))
