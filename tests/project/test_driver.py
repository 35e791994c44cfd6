"""Looking at projects and applying their revisions, on real servers."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database, connect, execute, rows, scalar
from alembook.project import driver, state
from tests.project.conftest import MakeProject, Project, relations

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
FAILING = ("1a0000000011", "2b0000000012", "3c0000000013", "4d0000000014")


def test_describe_tells_graph_and_place(make: MakeProject, database: Database) -> None:
    """The description has the revisions base first, and where env.py leads."""
    project = make(database, "generic")
    found = project.describe()
    assert [revision.id for revision in found.revisions] == list(GENERIC)
    assert found.heads == ("3c0000000003",)
    assert found.bases == ("1a0000000001",)
    assert (found.version_table, found.version_table_schema, found.mode) == ("alembic_version", "public", "revision")
    assert found.reached["database"] == database.dbname
    assert found.lock_timeout == "2s"
    assert sorted(found.versions) == ["alembic", "driver", "python", "sqlalchemy"]
    files = [f"migrations/versions/{revision}.py" for revision in GENERIC]
    assert sorted(found.files) == ["alembic.ini", "migrations/env.py", *files]


def test_describe_creates_nothing(generic: Project, connection18: Connection) -> None:
    """Looking at an empty database leaves it empty: not even a version table."""
    before = relations(connection18)
    generic.describe()
    assert relations(connection18) == before


def test_describe_of_a_filled_database_changes_nothing(generic: Project, connection18: Connection) -> None:
    """Looking at a database in the middle of its history leaves every relation and the version row."""
    generic.upgrade(*GENERIC[:2])
    before = relations(connection18)
    generic.describe()
    assert relations(connection18) == before
    assert state.read(connection18) == ("2b0000000002",)


def test_describe_leaves_out_what_env_writes(generic: Project, connection18: Connection) -> None:
    """An env.py that makes its schema before its revisions is looked at without that statement."""
    making = "connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS app'); connection.commit()\n        "
    named = "context.configure(version_table_schema='app', version_table='app_version', connection=connection"
    generic.edit_env(("context.configure(connection=connection", making + named))
    before = relations(connection18)
    found = generic.describe()
    assert found.left_out == ("CREATE SCHEMA IF NOT EXISTS app",)
    assert (found.version_table, found.version_table_schema) == ("app_version", "app")
    assert relations(connection18) == before
    generic.upgrade(*GENERIC)
    assert state.read(connection18, "app_version", "app") == ("3c0000000003",)


def test_upgrade_applies_in_order(make: MakeProject, database: Database) -> None:
    """Each revision is begun and committed before the next one, and the ledger has it with the same commit."""
    project = make(database, "generic")
    project.upgrade(*GENERIC)
    told = [e for e in project.events if e["event"] in {"revision_started", "revision_committed"}]
    assert [(e["event"], e["revision"]) for e in told] == [
        (event, revision) for revision in GENERIC for event in ("revision_started", "revision_committed")
    ]
    with contextlib.closing(connect(database, application_name="test")) as connection:
        assert state.read(connection) == ("3c0000000003",)
        assert scalar(connection, "SELECT count(*) FROM accounts") == 2
        ledger = rows(connection, "SELECT revision, down_revision, direction FROM alembook.applied ORDER BY applied_at")
        assert [tuple(row.values()) for row in ledger] == [
            ("1a0000000001", "", "up"),
            ("2b0000000002", "1a0000000001", "up"),
            ("3c0000000003", "2b0000000002", "up"),
        ]


def test_connected_tells_the_limit_that_holds(generic: Project) -> None:
    """The lock limit is read back on the migrating connection."""
    generic.set(limits={"lock_timeout_ms": 1700})
    generic.upgrade("1a0000000001")
    [connected] = generic.told("connected")
    assert connected["lock_timeout"] == "1700ms"
    assert connected["reached"]["database"] == generic.database.dbname


def test_statements_are_told_without_parameters(generic: Project) -> None:
    """Events have the text of statements, their rows and milliseconds, and never a value that was bound."""
    generic.upgrade(*GENERIC)
    [insert] = [e for e in generic.told("statement") if e["sql"].startswith("INSERT INTO accounts")]
    assert insert["revision"] == "2b0000000002"
    assert insert["rows"] == 2
    assert insert["ms"] > 0
    assert "ada@example.org" not in str(generic.events)


def test_a_failing_revision_keeps_the_last_good_one(make: MakeProject, database: Database) -> None:
    """What was committed before stays; the failing revision leaves nothing, in the ledger neither."""
    project = make(database, "failing")
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade(*FAILING)
    assert caught.value.what == 'The revision 3c0000000013 failed: could not create unique index "accounts_email_key".'
    assert caught.value.why == "the server refused a statement (SQLSTATE 23505)."
    assert caught.value.state == "the database is at 2b0000000012, by its version table."
    assert caught.value.evidence["statement"] == "ALTER TABLE accounts ADD CONSTRAINT accounts_email_key UNIQUE (email)"
    assert "constraint accounts_email_key" in caught.value.evidence["named by the server"]
    [failed] = project.told("failed")
    assert (failed["revision"], failed["sqlstate"], failed["table"]) == ("3c0000000013", "23505", "accounts")
    with contextlib.closing(connect(database, application_name="test")) as connection:
        assert scalar(connection, "SELECT count(*) FROM pg_attribute WHERE attname = 'seen'") == 0
        assert scalar(connection, "SELECT count(*) FROM alembook.applied") == 2


def test_a_failure_shows_no_row(make: MakeProject, database18: Database) -> None:
    """DETAIL names the duplicate value; neither events nor the error have it, the statement that wrote it apart."""
    project = make(database18, "failing")
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade(*FAILING)
    others = [e for e in project.events if not (e["event"] == "statement" and e["revision"] == "1a0000000011")]
    assert "secret@example.org" not in str(others)
    assert "secret@example.org" not in str(caught.value)


def test_another_database_of_the_server_is_refused(make: MakeProject, server18: object, database18: Database) -> None:
    """An env.py with its own URL to another database is stopped before its first statement, there and here."""
    other = database18.with_dbname("postgres")
    project = make(database18, "elsewhere")
    project.set(environment={"ELSEWHERE_URL": other.url()})
    with contextlib.closing(connect(other, application_name="test")) as there:
        before = relations(there)
        for action in (project.describe, lambda: project.upgrade("1a0000000021")):
            with pytest.raises(errors.WrongDatabase) as caught:
                action()
            assert f"it reached postgres@{other.host}" in caught.value.why
            assert "/postgres; the target is " in caught.value.why
            assert caught.value.exit_code == 5
            assert caught.value.next == (
                "Point it right in [targets.trial]. An env.py that reads sqlalchemy.url gets it; for one that reads a "
                'variable: environment = { DATABASE_URL = "{url}" }; a file: files = { APP_CONFIG = "..." }; -x: '
                'alembic_args = ["url={url}"]; one of several databases: bind = "NAME".'
            )
        assert relations(there) == before
    with contextlib.closing(connect(database18, application_name="test")) as here:
        assert state.read(here) is None


def test_sqlite_is_refused_before_its_file_exists(make: MakeProject, database18: Database) -> None:
    """Another engine is refused before it connects."""
    project = make(database18, "elsewhere")
    file = project.folder / "trap.sqlite"
    project.set(environment={"ELSEWHERE_URL": f"sqlite:///{file}"})
    with pytest.raises(errors.WrongDatabase) as caught:
        project.describe()
    assert caught.value.what == "The project connected to another database than the target."
    assert "a sqlite database" in caught.value.why
    assert not file.exists()


def test_the_environment_takes_the_url_to_the_project(make: MakeProject, database18: Database) -> None:
    """``environment`` with {url} is the way for an env.py that ignores sqlalchemy.url."""
    project = make(database18, "elsewhere")
    project.set(environment={"ELSEWHERE_URL": "{url}"})
    project.upgrade("1a0000000021")
    assert [e["revision"] for e in project.told("revision_committed")] == ["1a0000000021"]


def test_a_reader_is_waited_for_and_named(generic: Project, connection18: Connection) -> None:
    """While somebody holds the table the revision is tried again, the blocker is told, and it ends when he goes."""
    generic.upgrade(*GENERIC[:2])
    generic.set(limits={"lock_timeout_ms": 400})
    execute(connection18, "SET application_name = 'nightly report'")
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts")
    generic.on("retry", lambda _: execute(connection18, "COMMIT"))
    generic.upgrade("3c0000000003")
    [blocked] = generic.told("blocked")
    assert (blocked["application"], blocked["state"]) == ("nightly report", "idle in transaction")
    assert blocked["query"] == "SELECT count(*) FROM accounts"
    [retry] = generic.told("retry")
    assert (retry["sqlstate"], retry["attempt"], retry["revision"]) == ("55P03", 1, "3c0000000003")
    assert state.read(connection18) == ("3c0000000003",)


def test_attempts_are_bounded_and_the_blocker_is_in_the_error(generic: Project, connection18: Connection) -> None:
    """A blocker that does not go ends the upgrade after ``lock_attempts``; there is no last unbounded try."""
    generic.upgrade(*GENERIC[:2])
    generic.set(limits={"lock_timeout_ms": 200, "lock_attempts": 2})
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts WHERE email = 'private@example.org'")
    with pytest.raises(errors.UpgradeFailed) as caught:
        generic.upgrade("3c0000000003")
    assert caught.value.what == "The revision 3c0000000003 did not get its locks in 2 attempts."
    assert "idle in transaction since" in caught.value.evidence["blocked by"]
    assert "SELECT count(*) FROM accounts WHERE email = ?" in caught.value.evidence["blocked by"]
    assert len(generic.told("retry")) == 1


def test_a_guard_aborts_its_revision(generic: Project, connection18: Connection) -> None:
    """A row the backfill had to complete, found in the revision's own transaction, aborts just that revision."""
    guard = driver.Guard(name="names", table="public.accounts", pending="email LIKE 'ada%'")
    with pytest.raises(errors.UpgradeFailed) as caught:
        generic.upgrade(*GENERIC, guards={"3c0000000003": [guard]})
    assert caught.value.what == (
        "The revision 3c0000000003 was not applied: rows are left that the backfill names had to complete."
    )
    [told] = generic.told("guard_failed")
    assert (told["revision"], told["name"], told["table"]) == ("3c0000000003", "names", "public.accounts")
    assert state.read(connection18) == ("2b0000000002",)


def test_a_guard_that_finds_nothing_lets_pass(generic: Project, connection18: Connection) -> None:
    """A complete backfill does not stop the revision."""
    guard = driver.Guard(name="names", table="accounts", pending="email IS NULL")
    generic.upgrade(*GENERIC, guards={"3c0000000003": [guard]})
    assert state.read(connection18) == ("3c0000000003",)


def test_env_with_its_own_transaction_is_applied_one_by_one(make: MakeProject, database: Database) -> None:
    """Where env.py holds the transaction each revision gets an execution of its own, and a failure keeps the rest."""
    project = make(database, "external")
    assert project.describe().mode == "external"
    project.revision("2b0000000034", "1a0000000033", 'op.execute("SELECT 1 / 0")')
    ids = ("1a0000000031", "1a0000000032", "1a0000000033", "2b0000000034")
    with pytest.raises(errors.UpgradeFailed, match="The revision 2b0000000034 failed: division by zero"):
        project.upgrade(*ids)
    assert [e["revision"] for e in project.told("revision_committed")] == list(ids[:3])
    with contextlib.closing(connect(database, application_name="test")) as connection:
        assert state.read(connection) == ("1a0000000033",)


def test_env_that_never_commits_is_found_out(make: MakeProject, database18: Database) -> None:
    """A transaction env.py leaves to be rolled back is a failure, though Alembic says it ran."""
    project = make(database18, "external")
    project.edit_env(("    transaction.commit()\n", ""))
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade("1a0000000031", "1a0000000032")
    assert caught.value.what == "The revision 1a0000000031 ran and is not in the database."
    assert caught.value.state == "the database is at base, by its version table."
    assert project.told("revision_committed") == []


def test_autocommit_under_a_foreign_transaction_is_refused_before(make: MakeProject, database18: Database) -> None:
    """A revision that must leave a transaction env.py holds is named before the first revision is applied."""
    project = make(database18, "external")
    project.revision("2b0000000034", "1a0000000033", "with op.get_context().autocommit_block():\n    pass")
    with pytest.raises(errors.ProjectFailed) as caught:
        project.upgrade("1a0000000031", "1a0000000032", "1a0000000033", "2b0000000034")
    assert caught.value.what == (
        "The project's env.py opens a transaction around all revisions, and 2b0000000034 must leave it."
    )
    assert project.told("revision_started") == []


def test_a_revision_not_next_is_refused(generic: Project) -> None:
    """The list is applied exactly as given, or not at all."""
    with pytest.raises(errors.UpgradeFailed, match="2b0000000002 needs 1a0000000001, which is not applied"):
        generic.upgrade("2b0000000002")
    generic.upgrade("1a0000000001")
    with pytest.raises(errors.UpgradeFailed, match="1a0000000001 is applied already"):
        generic.upgrade("1a0000000001", "2b0000000002")


def test_a_lost_session_stops_before_the_next_revision(generic: Project, connection18: Connection) -> None:
    """When nobody holds the locks any more, the revision in progress is the last one."""
    ours = "application_name = 'alembook test session' AND datname = current_database()"
    killer = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}"
    generic.revision("4d0000000004", "3c0000000003", f'op.execute("""{killer}"""); op.execute("SELECT pg_sleep(0.3)")')
    generic.revision("5e0000000005", "4d0000000004", 'op.create_table("late", sa.Column("id", sa.Integer))')
    with pytest.raises(errors.SessionLost) as caught:
        generic.upgrade(*GENERIC, "4d0000000004", "5e0000000005")
    assert caught.value.what == "The session that holds the run's locks is gone, so nothing more was applied."
    assert caught.value.state == "the database is at 4d0000000004, by its version table."


def test_the_ledger_can_be_left_out(generic: Project, connection18: Connection) -> None:
    """With ``ledger = false`` nothing of ours is in the target."""
    generic.set(ledger=None)
    generic.upgrade("1a0000000001")
    assert scalar(connection18, "SELECT to_regnamespace('alembook')") is None


def test_a_role_without_rights_gets_no_ledger(generic: Project, connection18: Connection) -> None:
    """A role that may not make the schema is told the two ways out, before anything is applied."""
    role = f"plain_{generic.database.dbname}"
    execute(connection18, f"CREATE ROLE {role} LOGIN")
    generic.database = replace(generic.database, user=role)
    try:
        with pytest.raises(errors.AccessRefused) as caught:
            generic.upgrade("1a0000000001")
        assert caught.value.what == "The schema alembook for the record of applied revisions cannot be made."
        assert caught.value.next == (
            "Have the owner run: CREATE SCHEMA alembook AUTHORIZATION <role>. Or set ledger = false for this target: "
            "nothing is kept in the database then."
        )
    finally:
        execute(connection18, f"DROP ROLE {role}")


def test_a_password_with_odd_characters_arrives_and_stays_hidden(generic: Project, connection18: Connection) -> None:
    """% and @ in a password reach the project, and no event has them."""
    secret = "p%40s@s/w:ö%d"
    role = f"odd_{generic.database.dbname}"
    execute(connection18, f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{secret}'")
    generic.database = replace(generic.database, user=role, password=secret)
    shown = "print(config.get_main_option('sqlalchemy.url'))\n"
    generic.edit_env(("target_metadata = None\n", shown + "target_metadata = None\n"))
    try:
        generic.upgrade("1a0000000001")
        [printed] = [e["line"] for e in generic.told("output") if e["line"].startswith("postgresql+psycopg2")]
        assert f"{role}:***@" in printed
        assert secret not in str(generic.events)
    finally:
        execute(connection18, f"DROP OWNED BY {role} CASCADE")
        execute(connection18, f"DROP ROLE {role}")
