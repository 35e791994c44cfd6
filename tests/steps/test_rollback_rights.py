"""Who may roll back, and what a rollback that is given up leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg2 import sql

from alembook import archive, config, errors
from alembook.postgres import connection as connections
from alembook.postgres import restoring, session, swap
from alembook.postgres.embedded import Server
from alembook.runner import rolling
from alembook.runner import run as runs
from alembook.runner.progress import Progress
from alembook.steps import replacing
from tests.steps.conftest import furnished
from tests.steps.shops import APP, CONTENTS, OWNER, Shop, complete, opened


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


def owned(shop: Shop) -> Shop:
    """Returns the shop as a role uses it that owns what is in it and is no superuser."""
    name = shop.desk.database.dbname
    names = {"owner": sql.Identifier(OWNER), "name": sql.Identifier(name), "app": sql.Identifier(APP)}
    give = """
        CREATE ROLE {owner} LOGIN CREATEDB; ALTER ROLE {owner} SET default_transaction_read_only = on;
        ALTER DATABASE {name} OWNER TO {owner};
        ALTER TABLE orders OWNER TO {owner}; ALTER TABLE customers OWNER TO {owner};
        ALTER TABLE alembic_version OWNER TO {owner}; ALTER SCHEMA alembook OWNER TO {owner};
        ALTER TABLE alembook.applied OWNER TO {owner}
    """
    with contextlib.closing(connections.connect(shop.desk.database, application_name="test")) as connection:
        connections.execute(connection, sql.SQL(give).format(**names))
    role = Shop(furnished(shop.desk.folder, replace(shop.desk.database, user=OWNER)), shop.server)
    with (shop.desk.folder / "alembook.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.demo.rehearsal]\nscratch = "file:database-url"\n')
    return role


def test_an_owner_who_is_no_superuser_can_do_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """CREATEDB and ownership are enough; where roles have settings in the database, the gate says who may set them."""
    role = owned(shop)
    before, own_before = shop.desk.ask(CONTENTS), shop.own()
    run = complete(role)
    with shop.desk.connect() as superuser:
        shop.desk.execute(f"ALTER ROLE {OWNER} NOCREATEDB; ALTER TABLE labels OWNER TO {APP}")
        refused = role.roll_back(run, "restore")
        pid = superuser.info.backend_pid
    shop.desk.execute(f"ALTER ROLE {OWNER} CREATEDB")
    assert {check.name: (check.found, check.next) for check in refused.gate.closed_by} == refusals(pid)
    assert shop.databases() == []
    assert shop.own() == own_before
    shop.desk.execute(f'ALTER ROLE {APP} IN DATABASE "{shop.desk.database.dbname}" RESET ALL')
    shop.desk.execute(f"ALTER TABLE labels OWNER TO {OWNER}")
    with monkeypatch.context() as lacking:
        lacking.setattr(restoring, "restore", cannot)
        failed = role.roll_back(run, "restore", again=True)
    assert str(failed.error) == (
        f"The backup of run {run.run_id} could not be restored beside the database.\n"
        "  left: nothing was swapped; the copy was dropped, and the database is open as it was.\n"
        "  why:  pg_restore ended with exit code 1. Its files are as they were made.\n"
        "  next: See below what it lacks: a right (have the role get it, or roll back as a superuser: inspect names "
        "what it needs), or room. Then the same command again.\n"
        "  pg_restore said:\n"
        "    must be able to SET ROLE"
    )
    assert shop.databases() == []
    done = role.roll_back(run, "restore", again=True)
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask(CONTENTS) == before
    assert [text for text in shop.own().differences(own_before) if "search_path" not in text] == []
    assert shop.as_app("SELECT count(*) FROM orders") == 300


def refusals(pid: int) -> dict[str, tuple[str, str]]:
    """Returns what is refused to an owner: check -> what was found, what to do."""
    return {
        "a copy can be made beside the database": (
            f"{OWNER} has not",
            f"Have an administrator run: ALTER ROLE {OWNER} CREATEDB.",
        ),
        "every session in the database can be ended": (
            f"pid {pid} (alembook test, postgres)",
            f"GRANT pg_signal_backend TO {OWNER}; a superuser's session only a superuser ends.",
        ),
        "settings of roles in it can be given to its copy": (
            APP,
            "Only a superuser, or a role with CREATEROLE and ADMIN on these, may ALTER ROLE ... IN DATABASE.",
        ),
        "what is in it can be given to its owners": (
            f"{APP}: table public.labels",
            f"ALTER ... OWNER TO {OWNER}; or GRANT the owner's role to it, unless that is a superuser's; or let a "
            "superuser roll back.",
        ),
    }


def cannot(*_: object, **__: object) -> None:
    """Fails as pg_restore does for a right that inspect did not see."""
    raise errors.RestoreFailed(
        "The dump could not be restored.",
        why="pg_restore ended with exit code 1.",
        next="Make the backup again.",
        evidence={"pg_restore said": "must be able to SET ROLE"},
    )


def test_a_rollback_that_is_given_up_leaves_no_copy(shop: Shop) -> None:
    """The copy is dropped, a database that was left closed is opened, and both are said; another run has neither."""
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    assert isinstance(shop.roll_back(run, "restore").error, errors.Waiting)
    folder, (copy,) = shop.desk.run(), shop.databases()
    wanted = shop.swap(copy)
    folder.write_receipt(replacing.STEM, replace(wanted, live_oid=1).to_json())
    assert rolling.give_up(shop.desk.database, folder) == (
        f"The databases of this rollback are no longer what it made of them: {wanted.live}, {copy}. "
        f"oid 1 is named neither {wanted.live} nor {wanted.kept}: somebody renamed or dropped it. "
        "Nothing of them was touched."
    )
    assert shop.databases() == [copy]
    folder.write_receipt(replacing.STEM, wanted.to_json())
    with swap.elsewhere(shop.desk.database, wanted) as connection:
        swap.close(connection, wanted)
    assert rolling.give_up(shop.desk.database, folder) == (
        f"{wanted.live} was left closed by a sitting that was cut off before the swap; it is open again. "
        f"The copy {copy} was dropped."
    )
    assert shop.databases() == []
    assert shop.desk.ask("SELECT count(*) FROM customers") == 21
    assert rolling.give_up(shop.desk.database, run) == ""


def test_a_rollback_that_has_swapped_is_not_given_up(shop: Shop) -> None:
    """It was cut off after the names were changed: `abandon` says so, and the next rollback ends its record.

    Also when somebody dropped, meanwhile, the database that was kept.
    """
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    assert isinstance(shop.roll_back(run, "restore").error, errors.Waiting)
    folder, (copy,) = shop.desk.run(), shop.databases()
    wanted = shop.swap(copy)
    folder.write_receipt(replacing.STEM, wanted.to_json())
    with swap.elsewhere(shop.desk.database, wanted) as connection:
        swap.close(connection, wanted)
        swap.exchange(connection, wanted)
    with pytest.raises(errors.UsageError) as caught:
        rolling.give_up(shop.desk.database, folder)
    assert str(caught.value) == (
        f"Run {folder.run_id} has put the backup in the place of {wanted.live} already.\n"
        f"  why:  both databases have their new names: {wanted.live} is the copy, {wanted.kept} is kept.\n"
        f"  next: `alembook rollback {run.run_id} --by restore` looks at it and ends the record."
    )
    assert wanted.kept in shop.databases()
    shop.desk.execute(f'DROP DATABASE "{wanted.kept}"')
    done = shop.roll_back(run, "restore", again=True)
    assert done.gate.is_open, (done.error, done.gate.closed_by)
    assert done.kept.keys() == {"the dump"}
    assert [said["kept"] for said in run.stated(archive.ROLLED_BACK)] == [""]


def test_two_at_once(shop: Shop) -> None:
    """One that is worked on, and a target that another run holds: exit 6, and nothing is begun."""
    run = complete(shop)
    configuration = config.load(shop.desk.folder / "alembook.toml")
    asked = rolling.Wanted(run=run.run_id, way="restore")
    with (
        session.hold(shop.desk.database, application_name="alembook session"),
        pytest.raises(errors.TargetBusy) as held,
    ):
        rolling.execute(configuration, asked, Progress())
    assert held.value.what == f"Another run holds {shop.desk.database.dbname}."
    assert shop.desk.run().run_id == run.run_id
    begun = archive.begin(shop.desk.folder / "runs", "demo", to="", rolls_back=run.run_id, way="restore")
    for other in (lambda: rolling.execute(configuration, asked, Progress()), lambda: _abandon(configuration, begun)):
        with begun.events("runner"), pytest.raises(errors.TargetBusy) as caught:
            other()
        assert str(caught.value) == (
            f"Run {begun.run_id} is being worked on.\n"
            "  why:  another process writes its events: it restores, or is about to swap.\n"
            "  next: Wait until it ends, or stop it where it runs; then roll back again."
        )
        assert caught.value.exit_code == 6
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000003"


def _abandon(configuration: config.Configuration, folder: archive.RunFolder) -> None:
    runs.abandon(configuration, folder.run_id, "it takes too long")


def test_a_downgrade_that_is_given_up_says_where_the_database_stands(shop: Shop) -> None:
    """By the plan of the run it takes back; the run that it took back is not resolved by it."""
    run = complete(shop)
    assert isinstance(shop.roll_back(run, "downgrade").error, errors.Waiting)
    result = runs.abandon(config.load(shop.desk.folder / "alembook.toml"), shop.desk.run().run_id, "another day")
    assert result.standing == "2 of 2 revisions of the plan are applied; the database is at 7b0000000003."
    assert archive.is_ended(shop.desk.run())
    assert run.stated(archive.ROLLED_BACK) == []
