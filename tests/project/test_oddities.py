"""What public projects do that a tool does not expect: one small project each, and the answer each gets."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database, execute, rows, scalar
from alembook.project import state
from tests.project.conftest import MakeProject, Project, relations


@pytest.fixture
def eager(make: MakeProject, database18: Database) -> Project:
    """Returns the project whose application makes its tables when it is imported."""
    project = make(database18, "eager")
    project.set(environment={"SHOP_DATABASE": "{url}"})
    return project


@pytest.fixture
def eager_flask(make: MakeProject, database18: Database) -> Project:
    """Returns the project whose application migrates when it starts, and starts all the same when that fails."""
    project = make(database18, "eager_flask")
    project.set(environment={"SHOP_DATABASE": "{url}"}, flask_app="shop:create_app")
    return project


def test_an_application_that_makes_its_tables_is_refused(eager: Project, connection18: Connection) -> None:
    """Looking loads the application on read-only connections: nothing is written, and what would be is told."""
    before = relations(connection18)
    with pytest.raises(errors.ProjectFailed) as caught:
        eager.describe()
    assert caught.value.what == (
        "The project writes to the database as soon as it is loaded: "
        "cannot execute CREATE TABLE in a read-only transaction."
    )
    assert caught.value.why == (
        "while a step looks, every connection is read-only, so nothing was written. An upgrade loads it too, and there "
        "it would write outside of the plan, before the first revision."
    )
    assert caught.value.next == (
        "Let the application leave that alone when a migration loads it: often a variable does, set under "
        "`environment` of the target."
    )
    assert caught.value.state == "unchanged: nothing was run."
    assert "CREATE TABLE carts" in caught.value.evidence["statement"]
    assert "application.py:10 in <module>" in caught.value.evidence["in the project"]
    assert relations(connection18) == before


def test_an_application_that_migrates_is_refused(eager_flask: Project, connection18: Connection) -> None:
    """So is one that migrates when it starts, though it keeps the error to itself: not a version table appears."""
    before = relations(connection18)
    with pytest.raises(errors.ProjectFailed, match="The project writes to the database as soon as it is loaded"):
        eager_flask.describe()
    assert relations(connection18) == before


@pytest.mark.parametrize(("example", "variable"), [("eager", "SHOP_MAKE_TABLES"), ("eager_flask", "SHOP_MIGRATE")])
def test_an_application_that_is_told_not_to_is_driven(
    request: pytest.FixtureRequest, connection18: Connection, example: str, variable: str
) -> None:
    """With the variable that the error speaks of, the project is like any other."""
    project: Project = request.getfixturevalue(example)
    project.set(environment={**project.target.environment, variable: "no"})
    revisions = [revision.id for revision in project.describe().revisions]
    project.upgrade(*revisions)
    assert list(state.read(connection18) or ()) == revisions


@pytest.mark.parametrize("verb", ["describe", "upgrade"])
def test_a_program_that_migrates_is_read_only(
    generic: Project, connection18: Connection, tmp_path: object, verb: str
) -> None:
    """A project that starts `alembic upgrade` in another process while it is loaded writes nothing by that either."""
    generic.set(environment={"SHOP_DATABASE": generic.database.url().replace("+psycopg2", "")})
    program = (
        "import os, subprocess, sys\n"
        'sql = \'import os, psycopg2\\nc = psycopg2.connect(os.environ["SHOP_DATABASE"])\\n'
        'c.cursor().execute("CREATE TABLE written (id int)")\\nc.commit()\'\n'
        "subprocess.run([sys.executable, '-c', sql])\n"
    )
    generic.edit_env(("target_metadata = None\n", program + "target_metadata = None\n"))
    if verb == "describe":
        generic.describe()
    else:
        generic.upgrade("1a0000000001")
    assert scalar(connection18, "SELECT to_regclass('written')") is None
    assert "cannot execute CREATE TABLE in a read-only transaction" in str(generic.told("output"))


def test_a_revision_may_use_a_connection_of_its_own(generic: Project, connection18: Connection) -> None:
    """Once env.py has got to its revisions, a driver's own connection may write."""
    body = """
        import psycopg2
        with psycopg2.connect(op.get_bind().engine.url.render_as_string(False).replace("+psycopg2", "")) as own:
            own.cursor().execute("CREATE TABLE written (id int)")
    """
    generic.revision("4d0000000004", "3c0000000003", body)
    generic.upgrade("1a0000000001", "2b0000000002", "3c0000000003", "4d0000000004")
    assert scalar(connection18, "SELECT to_regclass('written')") == "written"


def test_a_question_is_answered_by_an_error(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """Nobody is at the terminal: an env.py that asks fails at once, and so does a revision, saying how to answer."""
    project = make(database18, "asking")
    for action in (project.describe, lambda: project.upgrade("1a0000000701")):
        with pytest.raises(errors.ProjectFailed) as caught:
            action()
        assert caught.value.what == "The project asked a question, and there is nobody to answer."
        assert caught.value.next == "Give the answer in another way: `environment` or `alembic_args` of the target."
        assert "migrations/env.py:18 in <module>" in caught.value.evidence["in the project"]
    project.set(environment={"MIGRATE_YES": "1"})
    with pytest.raises(errors.UpgradeFailed, match="asked a question") as asked:
        project.upgrade("1a0000000701", "2b0000000702")
    assert asked.value.state == "the database is at 1a0000000701, by its version table."
    assert scalar(connection18, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'name'") > 0


def test_a_question_of_a_library_is_one_too(generic: Project) -> None:
    """click and typer make an error of their own from the end of input: it is told as the same."""
    generic.edit_env(
        ("target_metadata = None\n", "import click\nclick.confirm('Really?', abort=True)\ntarget_metadata = None\n")
    )
    with pytest.raises(errors.ProjectFailed, match="asked a question, and there is nobody to answer"):
        generic.describe()


def test_a_revision_that_blocks_itself(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """A lock that its own process holds on another connection is not waited for: ended, and explained."""
    project = make(database18, "self_blocking")
    project.set(limits={"lock_timeout_ms": 600_000})
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade("1a0000000801", "2b0000000802")
    assert caught.value.what == "The revision 2b0000000802 waits for a lock that its own process holds."
    assert caught.value.why == "it opened a second connection, and one of the two waits for the other."
    assert caught.value.next == "Let the revision work on op.get_bind() alone."
    assert caught.value.state == "the database is at 1a0000000801, by its version table."
    assert "idle in transaction" in caught.value.evidence["blocked by"]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'alembook%agent' AND datname ="
    assert scalar(connection18, f"{waiting} current_database()") == 0


def test_a_chain_that_remembers(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """All revisions run in one process, so what one leaves in memory is there for the next; each still commits."""
    project = make(database18, "remembering")
    project.upgrade("1a0000000901", "2b0000000902")
    assert scalar(connection18, "SELECT euros::text FROM prices") == "92.59"
    assert len(project.told("connected")) == 1
    assert len({event["transaction"] for event in project.told("transaction")}) == 2


def test_a_chain_that_forgot(make: MakeProject, database18: Database) -> None:
    """In a new process its memory is empty: the revision fails by its own error, named with its place."""
    project = make(database18, "remembering")
    project.upgrade("1a0000000901")
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade("2b0000000902")
    assert caught.value.what == "The project failed: KeyError: 'EUR'."
    assert caught.value.state == "the database is at 1a0000000901, by its version table."
    assert "2b0000000902.py:17 in upgrade" in caught.value.evidence["in the project"]


@pytest.mark.parametrize("is_rehearsal", [True, False])
def test_files_beside_the_database(
    make: MakeProject, database18: Database, connection18: Connection, is_rehearsal: bool
) -> None:
    """A revision that moves files leaves them alone where ALEMBOOK_REHEARSAL says that the database is a copy."""
    project = make(database18, "moving")
    revisions = ("1a0000001001", "2b0000001002")
    project.upgrade(*revisions, is_rehearsal=is_rehearsal)
    assert (project.folder / "uploads/logo.txt").exists() is is_rehearsal
    assert (project.folder / "tenants/1/logo.txt").exists() is not is_rehearsal
    assert scalar(connection18, "SELECT path FROM uploads") == "tenants/1/logo.txt"


def test_a_noisy_env(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """What a project prints is its own: no event, no end, no matter how much, in what bytes, or on a closed stream."""
    project = make(database18, "noisy")
    project.describe()
    project.upgrade("1a0000001101")
    assert state.read(connection18) == ("1a0000001101",)
    assert project.told("failed") == []
    lines = [event["line"] for event in project.told("output") if event["stream"] == "stdout"]
    assert lines[0] == '{"event": "finished"}'
    assert lines[1:5001] == [f"line {number}" for number in range(5000)]
    assert "no text, and no end of line" in lines[5001]


def test_an_env_that_leaves(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """sys.exit(0) after the work is a good end; os._exit in a revision is an agent that died, whatever its code."""
    project = make(database18, "leaving")
    project.describe()
    project.upgrade("1a0000001201")
    assert state.read(connection18) == ("1a0000001201",)
    with pytest.raises(errors.UpgradeFailed) as caught:
        project.upgrade("2b0000001202")
    assert caught.value.what == "The agent ended by exit code 0 while it applied 2b0000001202."
    assert caught.value.state == "the database is at 1a0000001201, by its version table."


def test_the_command_line_is_as_typed(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """env.py finds in cmd_opts and sys.argv what `alembic upgrade` or `downgrade` would have put there."""
    project = make(database18, "command_line")
    project.set(alembic_args=("tenant=acme",))
    project.describe()
    project.upgrade("1a0000001301")
    assert state.read(connection18) == ("1a0000001301",)
    with pytest.raises(errors.ProjectFailed) as caught:
        project.downgrade("1a0000001301")
    assert caught.value.what == "The project ended the process: SystemExit: there is no way back in production: -1."


def test_an_extension_the_server_lacks(make: MakeProject, database18: Database, connection18: Connection) -> None:
    """A collation or an extension that is not there is told by the server's own words, after the last good revision."""
    project = make(database18, "extensions")
    for revision, message in (
        ("2b0000001402", "ICU is not supported in this build"),
        ("3c0000001403", 'extension "pg_trgm" is not available'),
    ):
        with pytest.raises(errors.UpgradeFailed) as caught:
            project.upgrade(*(("1a0000001401", revision) if revision.startswith("2b") else (revision,)))
        assert caught.value.what == f"The revision {revision} failed: {message}."
        execute(connection18, "CREATE COLLATION IF NOT EXISTS german (provider = libc, locale = 'C')")
        execute(connection18, "UPDATE alembic_version SET version_num = '2b0000001402'")
    found = rows(connection18, "SELECT extname FROM pg_extension WHERE extname IN ('vector', 'pg_trgm')")
    assert [row["extname"] for row in found] == ["vector"]


def test_a_relative_folder_of_revisions(generic: Project) -> None:
    """An ini that is meant for another working directory: the error names the key that sets it."""
    (generic.folder / "elsewhere").mkdir()
    generic.set(working_directory=generic.folder / "elsewhere")
    with pytest.raises(errors.ProjectFailed) as caught:
        generic.describe()
    assert caught.value.what.startswith(
        "Alembic did not find the project's revisions: CommandError: Path doesn't exist"
    )
    assert caught.value.next == "Set `working_directory` of the target to where `alembic` works by hand."
