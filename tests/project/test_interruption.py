"""Agents, parents and servers that die in the middle, and projects that do what no project should."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, execute, scalar
from alembook.project import driver, state
from tests.project.conftest import Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
SLOW = "4d0000000004"
AT_WORK = """SELECT count(*) FROM pg_stat_activity
 WHERE query LIKE 'SELECT pg_sleep(60)%' AND state = 'active' AND datname = current_database()"""
SESSIONS = """SELECT count(*) FROM pg_stat_activity
 WHERE application_name = 'alembook 20261122T120301Z-4f2a9c agent' AND datname = current_database()"""


@pytest.fixture
def slow(generic: Project) -> Project:
    """Returns the generic project with a last revision that sleeps for a minute on the server."""
    generic.revision(SLOW, "3c0000000003", 'op.execute("SELECT pg_sleep(60)")')
    return generic


def _wait(connection: Connection, expected: int, *, within_s: float) -> float:
    started = time.monotonic()
    while scalar(connection, AT_WORK) != expected:
        assert time.monotonic() - started < within_s, f"{AT_WORK} is not {expected} within {within_s} s"
        time.sleep(0.05)
    return time.monotonic() - started


def _has_ended(pid: int) -> bool:
    """Says whether a process is gone; one that nobody has waited for yet (an orphan in a container) counts as gone."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _upgrade_and(project: Project, act: Callable[[], None]) -> None:
    """Upgrades, and does something as soon as the slow revision has begun."""
    project.on("revision_started", lambda event: act() if event["revision"] == SLOW else None)
    project.upgrade(*GENERIC, SLOW)


def test_a_killed_agent_leaves_no_statement(slow: Project, connection18: Connection) -> None:
    """SIGKILL in the middle of a statement: the error names the last good revision, and the server is at rest."""

    def kill() -> None:
        _wait(connection18, 1, within_s=10)
        os.kill(slow.told("connected")[0]["pid"], signal.SIGKILL)

    with pytest.raises(errors.UpgradeFailed) as caught:
        _upgrade_and(slow, kill)
    assert scalar(connection18, AT_WORK) == 0
    assert caught.value.what == "The agent ended by signal 9 while it applied 4d0000000004."
    assert caught.value.state == "the database is at 3c0000000003, by its version table."
    assert state.read(connection18) == ("3c0000000003",)


def test_an_interrupt_ends_the_agent(slow: Project, connection18: Connection) -> None:
    """Ctrl-C in the parent ends the agent and its statement before it goes on upward."""

    def interrupt() -> None:
        _wait(connection18, 1, within_s=10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _upgrade_and(slow, interrupt)
    assert scalar(connection18, AT_WORK) == 0
    assert _has_ended(slow.told("connected")[0]["pid"])


def test_an_agent_ends_with_its_parent(slow: Project, connection18: Connection, tmp_path: Path) -> None:
    """SIGKILL of the parent ends the agent at once and its statement on the server within 5 seconds."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from alembook import config
        from alembook.postgres.connection import Database
        from alembook.postgres.session import Session
        from alembook.project import driver
        target = config.load(Path({str(slow.folder / "alembook.toml")!r})).target("trial")
        driver.upgrade(
            target,
            Database.parse({slow.database.conninfo()!r}),
            Session(mutex={slow.session.mutex}, nonce={slow.session.nonce}),
            revisions={[*GENERIC, SLOW]!r},
            guards={{}},
            run_id="r",
            on_event=lambda event: print(event.get("pid", ""), flush=True),
        )
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(driver.__file__).parents[2])}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        agent = int(next(line for line in parent.stdout if line.strip()))
        _wait(connection18, 1, within_s=20)
        parent.kill()
    assert _wait(connection18, 0, within_s=5) < 5
    assert _has_ended(agent)
    assert state.read(connection18) == ("3c0000000003",)


def test_a_backend_that_is_ended_is_a_lost_connection(slow: Project, connection18: Connection) -> None:
    """Somebody ends the agent's backend: the revision failed, and what is applied is asked anew."""

    def cut() -> None:
        _wait(connection18, 1, within_s=10)
        execute(connection18, AT_WORK.replace("count(*)", "pg_terminate_backend(pid)"))

    with pytest.raises(errors.UpgradeFailed) as caught:
        _upgrade_and(slow, cut)
    assert "4d0000000004 failed: " in caught.value.what
    assert caught.value.state == "the database is at 3c0000000003, by its version table."


def test_a_commit_inside_a_revision_is_not_repeated(generic: Project, connection18: Connection) -> None:
    """A revision that committed a part of itself before it met a lock is not tried again."""
    generic.set(limits={"lock_timeout_ms": 200})
    body = """
        with op.get_context().autocommit_block():
            op.execute("CREATE TABLE half (id int)")
        op.execute("ALTER TABLE accounts ADD COLUMN late int")
    """
    generic.revision(SLOW, "3c0000000003", body)
    generic.upgrade(*GENERIC)
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts")
    with pytest.raises(errors.UpgradeFailed, match="did not get its locks in 1 attempts") as caught:
        generic.upgrade(SLOW)
    assert generic.told("retry") == []
    assert caught.value.state == (
        "the database is at 3c0000000003, by its version table; a part of 4d0000000004 is committed."
    )


def test_a_commit_that_fails_may_be_repeated(generic: Project, connection18: Connection) -> None:
    """A revision that deadlocks or fails to serialize at its COMMIT left nothing, and is tried again."""
    body = """
        op.execute("CREATE TABLE once (id int)")
        op.execute("CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                   "  IF nextval('public.tries') < 2 THEN RAISE 'not yet' USING ERRCODE = '40001'; END IF; RETURN NULL;"
                   "END $$")
        op.execute("CREATE CONSTRAINT TRIGGER late AFTER INSERT ON once DEFERRABLE INITIALLY DEFERRED"
                   " FOR EACH ROW EXECUTE FUNCTION late()")
        op.execute("INSERT INTO once VALUES (1)")
    """
    generic.revision(SLOW, "3c0000000003", body)
    generic.upgrade(*GENERIC)
    execute(connection18, "CREATE SEQUENCE public.tries")
    generic.upgrade(SLOW)
    assert [event["sqlstate"] for event in generic.told("retry")] == ["40001"]
    assert scalar(connection18, "SELECT count(*) FROM once") == 1


def test_a_raw_commit_is_seen_by_the_server(generic: Project, connection18: Connection) -> None:
    """A commit past SQLAlchemy is found in the server's own record of the transaction, before a second attempt."""
    generic.set(limits={"lock_timeout_ms": 200})
    body = """
        op.execute("CREATE TABLE half (id int)")
        op.get_bind().connection.commit()
        op.execute("ALTER TABLE accounts ADD COLUMN late int")
    """
    generic.revision(SLOW, "3c0000000003", body)
    generic.upgrade(*GENERIC)
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts")
    with pytest.raises(errors.UpgradeFailed) as caught:
        generic.upgrade(SLOW)
    assert caught.value.what == "The revision 4d0000000004 failed, and a part of it is committed."
    assert len(generic.told("revision_started")) == 4


def test_a_concurrent_index_has_a_limit_of_its_own(generic: Project, connection18: Connection) -> None:
    """CREATE INDEX CONCURRENTLY waits for an old snapshot longer than lock_timeout, which holds again afterwards."""
    generic.set(limits={"lock_timeout_ms": 200, "concurrent_lock_timeout_ms": 30_000})
    body = """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY accounts_name ON accounts (name)")
        shown = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar()
        op.execute("CREATE TABLE limit_was_" + shown + " (id int)")
    """
    generic.revision(SLOW, "3c0000000003", body)
    generic.upgrade(*GENERIC)
    execute(connection18, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    execute(connection18, "SELECT 1")

    def release(_: object) -> None:
        time.sleep(0.5)
        execute(connection18, "COMMIT")

    generic.on("blocked", release)
    generic.upgrade(SLOW)
    assert len(generic.told("blocked")) == 1
    assert scalar(connection18, "SELECT to_regclass('limit_was_200ms')") == "limit_was_200ms"


def test_a_project_that_blocks_itself_is_ended(generic: Project, connection18: Connection) -> None:
    """A revision that waits for a lock its own second connection holds is recognised, ended and explained."""
    generic.set(limits={"lock_timeout_ms": 60_000})
    body = """
        op.execute("LOCK TABLE accounts")
        with op.get_bind().engine.connect() as second:
            second.exec_driver_sql("SELECT count(*) FROM accounts")
    """
    generic.revision(SLOW, "3c0000000003", body)
    with pytest.raises(errors.UpgradeFailed) as caught:
        generic.upgrade(*GENERIC, SLOW)
    assert caught.value.what == "The revision 4d0000000004 waits for a lock that its own process holds."
    assert caught.value.state == "the database is at 3c0000000003, by its version table."
    assert state.read(connection18) == ("3c0000000003",)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("import sys; sys.exit(3)", "The project ended the process: SystemExit: 3."),
        ("input('really? ')", "The project asked a question, and there is nobody to answer."),
        ("import nowhere", "The project could not be loaded: ModuleNotFoundError: No module named 'nowhere'."),
        ("raise RuntimeError('not today')", "The project failed: RuntimeError: not today."),
        ("x = 1", "The project's env.py ended without running its revisions."),
        ("import os; os._exit(9)", "The agent ended by exit code 9 before the project's first revision."),
    ],
)
def test_an_env_that_ends_otherwise(generic: Project, body: str, what: str) -> None:
    """Each way an env.py can end without its work is told as what it is."""
    generic.write("migrations/env.py", f"import sys\nprint('last words', file=sys.stderr)\n{body}\n")
    for action in (generic.describe, lambda: generic.upgrade(*GENERIC)):
        with pytest.raises(errors.ProjectFailed) as caught:
            action()
        assert caught.value.what == what
        assert caught.value.state == "unchanged: nothing was run."
        assert caught.value.evidence["last lines of stderr"] == "last words"


def test_an_env_that_swallows_the_error_fails(generic: Project) -> None:
    """An env.py that prints the exception and ends well has failed all the same."""
    kept = "    try:\n        run_migrations_online()\n    except Exception as e:\n        print('oh:', e)\n"
    generic.edit_env(("    run_migrations_online()\n", kept))
    generic.revision(SLOW, "3c0000000003", 'op.execute("SELECT 1 / 0")')
    with pytest.raises(errors.UpgradeFailed, match="4d0000000004 failed: division by zero"):
        generic.upgrade(*GENERIC, SLOW)


def test_an_env_that_loops_is_refused(generic: Project) -> None:
    """An env.py that runs migrations for several schemas is refused before the second."""
    generic.edit_env(("    run_migrations_online()\n", "    run_migrations_online()\n" * 2))
    for action in (generic.describe, lambda: generic.upgrade(*GENERIC)):
        with pytest.raises(errors.ProjectFailed, match=r"env\.py runs migrations more than once"):
            action()


def test_an_engine_in_autocommit_is_refused(generic: Project, connection18: Connection) -> None:
    """An engine that commits every statement has no transaction to keep a revision whole."""
    generic.edit_env(("poolclass=", "isolation_level='AUTOCOMMIT', poolclass="))
    assert generic.describe().mode == "autocommit"
    with pytest.raises(errors.ProjectFailed, match="commits every statement by itself"):
        generic.upgrade(*GENERIC)
    assert scalar(connection18, "SELECT to_regclass('accounts')") is None


def test_a_project_that_takes_too_long_to_load(generic: Project) -> None:
    """Looking has a time limit."""
    generic.set(limits={"check_timeout_s": 1})
    generic.write("migrations/env.py", "import time\ntime.sleep(60)\n")
    with pytest.raises(errors.ProjectFailed, match="The project was not loaded within 1 seconds"):
        generic.describe()


def test_threads_of_the_application_do_not_hold_the_end_up(generic: Project) -> None:
    """A thread the application started does not keep the agent alive."""
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    generic.edit_env(("target_metadata = None\n", thread + "target_metadata = None\n"))
    started = time.monotonic()
    generic.upgrade(*GENERIC)
    assert time.monotonic() - started < 30


def test_a_child_of_the_application_does_not_hold_the_end_up(generic: Project) -> None:
    """A process the application left behind, with our pipes in its hands, is ended with the agent."""
    child = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\n"
    generic.edit_env(("target_metadata = None\n", child + "target_metadata = None\n"))
    started = time.monotonic()
    generic.upgrade(*GENERIC)
    assert time.monotonic() - started < 30


def test_looking_leaves_no_bytecode(generic: Project) -> None:
    """No file appears in the project."""
    before = sorted(generic.folder.rglob("*"))
    generic.describe()
    assert sorted(generic.folder.rglob("*")) == before


def test_an_interpreter_without_alembic_is_named(generic: Project, tmp_path: Path) -> None:
    """A python that lacks Alembic is a matter of configuration, and the error says so."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    generic.set(python=bare)
    with pytest.raises(errors.ProjectFailed) as caught:
        generic.describe()
    assert caught.value.why == "its interpreter lacks a module."
    assert "that has Alembic (1.8 or newer)" in caught.value.next


def test_an_error_of_the_listener_ends_the_agent(slow: Project, connection18: Connection) -> None:
    """When the parent cannot keep its record the agent does not go on without it."""

    def full_disk() -> None:
        raise errors.ArchiveFailed("The record could not be written.")

    with pytest.raises(errors.ArchiveFailed):
        _upgrade_and(slow, full_disk)
    assert scalar(connection18, SESSIONS) == 0
