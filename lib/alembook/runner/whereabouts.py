"""Where the database of a run stands that could not say so itself: its runner was killed."""

from __future__ import annotations

from alembook import archive, config, errors
from alembook.postgres import connection as connections
from alembook.postgres import reach
from alembook.project import state
from alembook.runner.tasks import plan_of
from alembook.steps import standing


def asked(target: config.Target, folder: archive.RunFolder) -> str:
    """Returns what is applied of a run's plan, by the database itself; why that cannot be said, when it cannot.

    Reads only.

    Args:
        target: of the run.
        folder: the run.
    """
    try:
        plan = plan_of(folder)
    except errors.AlembookError:
        return "nothing was planned, and nothing was applied."
    try:
        opened = connections.connect(reach.database(target), application_name="alembook show", read_only=True)
        with connections.closing(opened) as connection:
            current = state.read(connection, plan.version_table, plan.version_table_schema)
    except errors.AlembookError as error:
        return f"not known: {error.what}"
    return standing.sentence(plan, current or ())
