"""The loader: what it fills in, that it is repeatable, and what it refuses."""

from __future__ import annotations

import sys
import tracemalloc
from random import Random
from typing import Any

import pytest

from tests.migrations.project import EXPAND, FOLDER, START, Project

TABLES = (
    "tenants providers provider_models provider_model_settings load_balancing_model_configs tenant_default_models "
    "tenant_preferred_model_providers provider_orders tool_providers datasets dataset_collection_bindings documents "
    "document_segments embeddings"
).split()


def contents(project: Project) -> list[tuple[Any, ...]]:
    """Returns a hash over all rows of each table."""
    parts = [f"SELECT '{name}', count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM {name} t" for name in TABLES]
    return project.rows(" UNION ALL ".join(parts))


def test_same_seed_same_rows(project: Project) -> None:
    """Two loads of one seed are equal row for row; another seed gives other rows in the same numbers."""
    found = []
    for seed in ("7", "7", "8"):
        project.upgrade(START)
        assert project.load("--providers=500", f"--seed={seed}").returncode == 0
        found.append(contents(project))
        project.downgrade("base")
    assert found[0] == found[1]
    assert [row[:2] for row in found[0]] == [row[:2] for row in found[2]]
    assert all(left[2] != right[2] for left, right in zip(found[0], found[2], strict=True))


def test_proportions(project18: Project) -> None:
    """Of the secrets one percent is empty, one percent white space (tabs and line ends among it), one percent NULL."""
    project18.fill(5_000)
    counts = project18.rows(r"""
        SELECT count(*), count(DISTINCT tenant_id) > 900, count(*) FILTER (WHERE encrypted_config = ''),
               count(*) FILTER (WHERE encrypted_config <> '' AND btrim(encrypted_config, E' \t\n\r') = ''),
               count(*) FILTER (WHERE encrypted_config IS NULL),
               count(DISTINCT encrypted_config) FILTER (WHERE btrim(encrypted_config, E' \t\n\r') = '') - 1,
               count(*) FILTER (WHERE encrypted_config <> '' AND btrim(encrypted_config, E' \t\n\r') = ''
                                AND btrim(encrypted_config) <> '') > 10,
               avg(length(encrypted_config)) FILTER (WHERE length(encrypted_config) > 100) BETWEEN 350 AND 450
        FROM providers
    """)
    assert counts == [(5_000, True, 50, 50, 50, 7, True, True)]
    assert project18.rows("SELECT count(*) FROM tenants") == [(1_000,)]


def test_a_few_tenants_have_many_providers(project18: Project) -> None:
    """The largest tenant has more than thirty providers, every second one has three or fewer."""
    project18.fill(5_000)
    [(largest, median)] = project18.rows("""
        SELECT max(n), percentile_disc(0.5) WITHIN GROUP (ORDER BY n)
        FROM (SELECT count(p.id) AS n FROM tenants t LEFT JOIN providers p ON p.tenant_id = t.id GROUP BY t.id) counted
    """)
    assert (largest > 30, median <= 3) == (True, True)


def test_rows_hang_together(project18: Project) -> None:
    """Tenants, datasets and documents that rows name are there."""
    project18.fill(1_000)
    for child, column, parent in (
        *((name, "tenant_id", "tenants") for name in TABLES if name not in ("tenants", TABLES[-1], TABLES[10])),
        ("datasets", "collection_binding_id", "dataset_collection_bindings"),
        ("documents", "dataset_id", "datasets"),
        ("document_segments", "document_id", "documents"),
    ):
        orphans = f"SELECT count(*) FROM {child} c WHERE NOT EXISTS (SELECT FROM {parent} p WHERE p.id = c.{column})"
        assert project18.rows(orphans) == [(0,)], f"{child}.{column}"


def test_it_reports_counts(project18: Project) -> None:
    """A line for each table, then the rows in all and the seconds."""
    project18.upgrade(START)
    done = project18.load("--providers=2000", "--tenants=400", "--seed=7")
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == [*TABLES, "rows in all", "seconds"]
    assert lines[1] == ["providers", "2,000"]
    assert 0 < float(lines[-1][1]) < 60
    assert (done.returncode, done.stderr) == (0, "")


def test_statistics_are_there(project18: Project) -> None:
    """Every table that has rows is analyzed and vacuumed, so that autovacuum has no reason to come."""
    project18.fill(2_000)
    statistics = "SELECT relname FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL AND last_analyze IS NOT NULL"
    assert sorted(name for (name,) in project18.rows(statistics)) == sorted(TABLES)


def test_a_url_works_too(project18: Project) -> None:
    """DATABASE_URL may be a connection string or a URL."""
    project18.upgrade(START)
    url = project18.database.url().replace("postgresql+psycopg2", "postgresql")
    assert project18.load("--providers=10", url=url).returncode == 0


def test_only_its_revision(project18: Project) -> None:
    """A schema at another revision, or at none, is refused."""
    done = project18.load()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "The schema is at no revision; these rows are made for fa8b0fa6f407. "
        "On a new database: alembic -c migrations/alembic.ini upgrade fa8b0fa6f407\n"
    )
    project18.upgrade(EXPAND)
    done = project18.load()
    assert (done.returncode, done.stderr.partition(";")[0]) == (2, f"The schema is at {EXPAND}")


def test_only_empty_tables(project18: Project) -> None:
    """A table with rows is refused, and nothing is added to the others."""
    project18.upgrade(START)
    project18.execute("INSERT INTO embeddings (hash, embedding) VALUES ('', '')")
    done = project18.load()
    assert done.returncode == 2
    assert done.stderr == "The table embeddings has rows already. Only an empty database is filled.\n"
    assert project18.rows("SELECT count(*) FROM tenants") == [(0,)]


def test_all_or_nothing(project18: Project) -> None:
    """When a table cannot be filled, none is."""
    project18.upgrade(START)
    project18.execute("ALTER TABLE embeddings ADD CHECK (provider_name <> 'jina')")
    done = project18.load("--providers=500")
    assert done.returncode == 1
    assert done.stderr.startswith('Nothing was loaded: new row for relation "embeddings" violates check constraint')
    assert project18.rows("SELECT count(*) FROM tenants") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "url", "message"),
    [
        ((), "", "DATABASE_URL is not set. It names the database to fill: postgresql://user@host/name\n"),
        (("--providers=-1",), None, "--providers must be 0 or more, --tenants 1 or more.\n"),
        (
            ("--providers=1000", "--tenants=10"),
            None,
            "1,000 providers in 10 tenants would give the largest tenant 404, and there are 70 a tenant can have. "
            "Raise --tenants: a fifth of the providers is usual.\n",
        ),
    ],
    ids=["no database", "negative", "too few tenants"],
)
def test_refusals(project18: Project, arguments: tuple[str, ...], url: str | None, message: str) -> None:
    """What cannot be done is refused before anything happens, with exit code 2."""
    done = project18.load(*arguments, url=url)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_a_password_is_not_shown(project18: Project) -> None:
    """A database that cannot be reached is refused without repeating the address."""
    done = project18.load(url="postgresql://someone:hunter2@127.0.0.1:1/nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("The database that DATABASE_URL names cannot be reached: connection to server at")
    assert "hunter2" not in done.stderr


def test_memory_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times the rows need no more memory."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("load", "sample"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    load = __import__("load")
    peaks = []
    for providers in (1_000, 5_000):
        sizes = load.Sizes(providers=providers, tenants=providers // 5, seed=7)
        tracemalloc.start()
        for table in load.TABLES:
            stream = load.Stream(table.rows(sizes, Random(1)))  # noqa: S311
            while stream.read(load.READ_CHARACTERS):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
