"""What happens between the comparison and the closing of the live database, and to its copy: noticed before a swap."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import restoring, swap
from alembook.postgres.embedded import Server
from alembook.runner import rolling
from tests.steps.conftest import Desk
from tests.steps.shops import Shop, complete, opened


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


def before_closing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Lets something happen after the comparison, right before the live database is closed; once."""
    real = swap.close

    def close(*arguments: Any, **options: Any) -> list[str]:
        monkeypatch.setattr(swap, "close", real)
        happens()
        return real(*arguments, **options)

    monkeypatch.setattr(swap, "close", close)


#: what happens -> what is said of it.
MEANWHILE = {
    "SET synchronous_commit = off; INSERT INTO customers VALUES (21, 'new'), (22, 'new')": (
        "public.customers: 2 rows written while the two were compared"
    ),
    "TRUNCATE orders": "public.orders: it was emptied or written anew while the two were compared",
    "CREATE TABLE held (id int)": "public.held: it was made while the two were compared",
    "SELECT lo_from_bytea(4711, 'new')": "large objects: 2 rows written while the two were compared",
}


def test_what_is_written_before_the_closing_is_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a session that stays and has told the server nothing yet: nothing is swapped, the live one is open again."""
    run = complete(shop)
    for number, (statement, said) in enumerate(MEANWHILE.items()):
        with shop.desk.connect() as application:
            before_closing(monkeypatch, lambda: connections.execute(application, statement))  # noqa: B023
            done = shop.roll_back(run, "restore", again=number > 0)
            assert isinstance(done.error, errors.Waiting), statement
            assert done.error.evidence == {"what is lost": said}
            assert (done.error.exit_code, done.facts["kept"].keys()) == (7, {"the copy"})
            assert application.closed == 0
        live = shop.own()
        assert live.allows_connections
        assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000003"
        told = [event for event in shop.desk.run().events_of("90_rollback.kernel") if event["event"] == "opened_again"]
        assert len(told) == number + 1
        shop.desk.execute(UNDO[statement])
    assert shop.roll_back(run, "restore", accept="*", again=True).gate.is_open


UNDO = dict(
    zip(
        MEANWHILE,
        (
            "DELETE FROM customers WHERE id > 20",
            "INSERT INTO orders (id, customer_id, kind) SELECT n, 1, 'k' FROM generate_series(1, 3) AS n",
            "DROP TABLE held",
            "SELECT lo_unlink(4711)",
        ),
        strict=True,
    )
)


def test_what_was_accepted_beforehand_is_reported_all_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `*` the swap goes on; the rows written meanwhile are in what is lost, and in the database that is kept."""
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    before_closing(monkeypatch, lambda: shop.desk.execute("INSERT INTO customers VALUES (22, 'newer')"))
    done = shop.roll_back(run, "restore", accept="*")
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    lost = done.losses.set_index("table").loc["public.customers"]
    assert (lost["written_since"], lost["what"]) == (
        2,
        "1 row written after the backup; 1 row written while the two were compared",
    )
    assert shop.unlike_its_backup(run) == []
    kept = Desk(shop.desk.folder, shop.desk.database.with_dbname(done.kept["the failed database"]))
    assert kept.ask("SELECT count(*) FROM customers") == 22
    (told,) = (
        event for event in shop.desk.run().events_of("90_rollback.kernel") if event["event"] == "written_meanwhile"
    )
    assert told["tables"] == {"public.customers": 1}


@pytest.mark.parametrize(
    ("blinds", "why"),
    [
        ("ALTER SYSTEM SET track_counts = off", "the server does not count what is written (track_counts is off)"),
        ("SELECT pg_stat_reset()", "the server's statistics were reset meanwhile"),
    ],
    ids=["not counted", "reset"],
)
def test_what_the_server_does_not_count_is_not_known(
    shop: Shop, blinds: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody can say that nothing was written: it waits."""
    run = complete(shop)
    if blinds.startswith("ALTER"):
        blinds = f'ALTER DATABASE "{shop.desk.database.dbname}" SET track_counts = off'
    before_closing(monkeypatch, lambda: shop.desk.execute(blinds))
    if blinds.startswith("ALTER"):
        shop.desk.execute(blinds)
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence == {"what is lost": f"*: not known what was written while the two were compared: {why}"}
    assert shop.own().allows_connections


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("SELECT lo_put(4711, 1, 'x')", "the copy has the large objects"),
        ("SELECT setval('orders_id_seq', 3)", "the copy's sequences stand where they stood"),
    ],
    ids=["a large object", "a sequence"],
)
def test_a_copy_that_differs_beside_the_rows_is_not_swapped_in(
    shop: Shop, damage: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAILED by name; the copy is dropped, and the live database is as it was."""
    shop.desk.execute("SELECT lo_from_bytea(4711, 'a letter')")
    run = complete(shop)
    real = restoring.restore

    def damages(tool: Any, folder: Any, database: Any, **options: Any) -> Any:
        result = real(tool, folder, database, **options)
        Desk(shop.desk.folder, database).execute(damage)
        return result

    monkeypatch.setattr(restoring, "restore", damages)
    done = shop.roll_back(run, "restore")
    assert [check.name for check in done.gate.closed_by] == [name]
    with pytest.raises(errors.CheckFailed) as caught, contextlib.suppress(errors.Waiting):
        done.require()
    assert caught.value.exit_code == 3
    assert shop.databases() == []
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000003"


def end_every_session(shop: Shop) -> None:
    """Ends every session of ours, the ones that hold the live database and the one that closed it, and waits for it."""
    end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name LIKE %(like)s"
    with contextlib.closing(connections.connect(shop.server.ensure(), application_name="test")) as connection:
        connections.execute(connection, end, {"like": f"alembook {shop.desk.run().run_id}%"})


def after_closing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Lets something happen right after the live database was closed; once."""
    real = swap.close

    def close(*arguments: Any, **options: Any) -> list[str]:
        monkeypatch.setattr(swap, "close", real)
        ended = real(*arguments, **options)
        happens()
        return ended

    monkeypatch.setattr(swap, "close", close)


def goes_away(shop: Shop, away: pytest.MonkeyPatch) -> None:
    """Ends our sessions, and lets no new one come about outside the live database."""
    real = swap.elsewhere
    away.setattr(swap, "elsewhere", lambda live, wanted: real(replace(live, host="/nowhere"), wanted))
    end_every_session(shop)


def test_our_sessions_are_ended_while_it_is_closed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened on a new connection; only where none comes about is it left closed, and then the error says so."""
    run, name = complete(shop), shop.desk.database.dbname
    after_closing(monkeypatch, lambda: end_every_session(shop))
    ended = shop.roll_back(run, "restore", accept="*")
    (copy,) = shop.databases()
    assert isinstance(ended.error, errors.QueryFailed)
    assert ended.error.state == f"nothing was swapped; {name} is open again, and {copy} waits beside it."
    assert shop.own().allows_connections
    monkeypatch.setattr(swap, "_PATIENCE_S", 0.3)
    with monkeypatch.context() as away:
        after_closing(monkeypatch, lambda: goes_away(shop, away))
        closed = shop.roll_back(run, "restore", again=True)
    assert closed.error is not None
    assert list(closed.error.lines())[1] == (
        f"  left: {name} is CLOSED: nobody can connect to it. "
        f'`ALTER DATABASE "{name}" ALLOW_CONNECTIONS true`, or the same rollback command, opens it.'
    )
    assert (closed.error.exit_code, shop.own().allows_connections) == (5, False)
    assert rolling.give_up(shop.desk.database, shop.desk.run()).startswith(f"{name} was left closed by a sitting")
    assert shop.own().allows_connections


def test_a_closed_database_is_said_before_what_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows were written meanwhile, and then it could not be opened again: exit 5 and CLOSED, not exit 7."""
    run = complete(shop)
    before_closing(monkeypatch, lambda: shop.desk.execute("INSERT INTO customers VALUES (21, 'new')"))
    monkeypatch.setattr(swap, "opened", lambda *_: None)
    done = shop.roll_back(run, "restore")
    name = shop.desk.database.dbname
    assert done.error is not None
    assert str(done.error) == (
        "The swap was given up, and the database could not be opened again.\n"
        f"  left: {name} is CLOSED: nobody can connect to it. "
        f'`ALTER DATABASE "{name}" ALLOW_CONNECTIONS true`, or the same rollback command, opens it.\n'
        f"  why:  Rolling back run {run.run_id} by restore would lose something.\n"
        "  next: Open it as said above, or run the same rollback again."
    )
    assert done.error.exit_code == 5
