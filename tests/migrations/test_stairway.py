"""Every revision forward, back and forward again, with rows in the tables."""

from __future__ import annotations

from tests.migrations.project import BEFORE_CONTRACT, HEAD, JSONB, START, Project

NOTHING = [("alembic_version", "version_num")]


def test_up_down_up(project: Project) -> None:
    """Each downgrade restores the exact schema before, and the upgrade after it works on what the downgrade left."""
    names = [revision.revision for revision in reversed(list(project.script().walk_revisions()))]
    before = "base"
    shapes: dict[str, object] = {}
    for name in names:
        project.upgrade(name)
        shapes[name] = project.shape()
        project.downgrade(before)
        if before != "base":
            assert project.shape() == shapes[before], f"downgrade of {name}"
        project.upgrade(name)
        assert project.shape() == shapes[name], f"second upgrade to {name}"
        if name == START:
            assert project.load("--providers=400").returncode == 0
        if name == BEFORE_CONTRACT:
            project.backfill()
        before = name
    assert project.revision() == [HEAD]


def test_down_to_base_with_rows(project18: Project) -> None:
    """From head with rows in it, every downgrade works, and nothing is left but the empty version table."""
    project18.fill(100)
    project18.upgrade(BEFORE_CONTRACT)
    project18.backfill()
    project18.upgrade("head")
    project18.downgrade("base")
    tables = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    assert project18.rows(tables) == NOTHING
    assert project18.revision() == []


def test_only_one_revision_rewrites_a_table(project18: Project) -> None:
    """Of the revisions after the loaded one, only the change to jsonb writes a table anew, and only that table."""
    files = """
        SELECT relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
    """
    project18.fill(100)
    before = dict(project18.rows(files))
    rewritten = {}
    for revision in reversed(list(project18.script().iterate_revisions("head", START))):
        project18.upgrade(revision.revision)
        if revision.revision == BEFORE_CONTRACT:
            project18.backfill()
        after = dict(project18.rows(files))
        rewritten[revision.revision] = {name for name, file in after.items() if before.get(name, file) != file}
        before = after
    document = {"documents", "documents_pkey", "document_dataset_id_idx"}
    assert {name: tables for name, tables in rewritten.items() if tables} == {JSONB: document}


def test_as_a_program(project: Project) -> None:
    """The program ``alembic`` does the same from another folder, and says so with a time on each line."""
    for arguments, revision in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        done = project.run(arguments, revision)
        assert done.returncode == 0, done.stderr
    assert project.revision() == [HEAD]
    assert "INFO    [alembic.runtime.migration] Running upgrade 32d06af11dd1 -> f922b94e3bae, Adds" in done.stderr
    assert all(line[:2] == "20" for line in done.stderr.splitlines())


def test_offline_is_online(project: Project) -> None:
    """The SQL of the whole history, run by psql on an empty database, gives the schema that Alembic gives."""
    script = project.run("upgrade", "head", "--sql", url=False)
    assert script.returncode == 0, script.stderr
    done = project.psql(script.stdout)
    assert done.returncode == 0, done.stderr
    offline = project.shape()
    assert project.revision() == [HEAD]
    project.downgrade("base")
    project.upgrade("head")
    assert project.shape() == offline


def test_offline_downgrade(project18: Project) -> None:
    """The SQL of all downgrades works too."""
    project18.upgrade("head")
    script = project18.run("downgrade", f"{HEAD}:base", "--sql", url=False)
    done = project18.psql(script.stdout)
    assert (script.returncode, done.returncode) == (0, 0), script.stderr + done.stderr
    assert project18.revision() == []
