"""The declared checks: green after a good migration, red for the fault each is there for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from alembook.postgres.connection import Database
from alembook.snapshots import checks, comparison, measurement, rules
from alembook.verdict import Outcome
from tests.migrations.project import BEFORE_CONTRACT, EXPAND, FOLDER, HEAD, START, Project

KEY = bytes(32)
TIMEOUT_S = 60
REVISIONS = [revision.revision for revision in reversed(list(Project(database=Database()).script().walk_revisions()))]


def applied(start: str, end: str) -> Sequence[str]:
    """Returns the revisions a plan from one revision to another applies."""
    return REVISIONS[REVISIONS.index(start) + 1 : REVISIONS.index(end) + 1]


def migrate(project: Project, start: str, end: str, fault: Callable[[], None] = lambda: None) -> dict[str, Outcome]:
    """Migrates with the backfill in its place, then a fault, and returns what every check says."""
    plan = applied(start, end)
    own = project.declared().checks
    declared = rules.load(FOLDER / "checks.toml") + rules.declare(
        [(f"checks[{number}]", entry) for number, entry in enumerate(own)], path=FOLDER
    )
    declared.require_distinct()
    with project.connection() as connection, measurement.snapshot(connection):
        before = measurement.measure(connection).tables
        values = checks.before(connection, declared, KEY, applied=plan, timeout_s=TIMEOUT_S)
    project.upgrade(BEFORE_CONTRACT if end == HEAD else end)
    project.backfill()
    project.upgrade(end)
    fault()
    with project.connection() as connection, measurement.snapshot(connection):
        after = measurement.measure(connection).tables
        judged = checks.after(connection, declared, values, KEY, applied=plan, timeout_s=TIMEOUT_S)
    table = comparison.compare(
        before, after, expected=values.expected(), unknown=values.unknown(), grades=values.grades()
    )
    return {check.name: check.outcome for check in (*judged, *comparison.checks(table))}


def not_passed(found: dict[str, Outcome]) -> dict[str, Outcome]:
    """Returns the checks that do not say PASSED."""
    return {name: outcome for name, outcome in found.items() if outcome is not Outcome.PASSED}


def test_a_whole_migration_is_green(project: Project) -> None:
    """From the revision before the pool to head every check is PASSED, table by table too."""
    project.fill()
    found = migrate(project, START, HEAD)
    assert not_passed(found) == {}
    assert {
        "credentials survive",
        "tools survive the split",
        "document metadata survives the change of type",
        "every provider with a secret points at a credential",
        "every credential a provider points at is its own",
        "no credential without a provider",
        "no credential of two providers",
    } <= set(found)


def test_expand_and_backfill_alone_are_green(project18: Project) -> None:
    """A run that stops before the contract is judged by the checks that speak of it."""
    project18.fill()
    found = migrate(project18, START, BEFORE_CONTRACT)
    assert not_passed(found) == {}
    assert "credentials survive" not in found


def test_a_run_that_finds_the_pool_there_is_green(project18: Project) -> None:
    """The expand revision in one run, backfill and contract in a later one: the pool grows by what was pending."""
    project18.fill()
    project18.upgrade(EXPAND)
    found = migrate(project18, EXPAND, HEAD)
    assert not_passed(found) == {}


@pytest.mark.parametrize(
    ("statement", "red"),
    [
        (
            "DELETE FROM provider_credentials WHERE id = (SELECT min(id::text)::uuid FROM provider_credentials)",
            {
                "credentials survive",
                "every credential a provider points at is its own",
                "rows of public.provider_credentials",
            },
        ),
        (
            "UPDATE provider_credentials SET encrypted_config = encrypted_config || ' ' WHERE id = "
            "(SELECT min(id::text)::uuid FROM provider_credentials)",
            {"credentials survive"},
        ),
        (
            "UPDATE providers SET credential_id = NULL WHERE id = "
            "(SELECT min(id::text)::uuid FROM providers WHERE credential_id IS NOT NULL)",
            {"credentials survive", "no credential without a provider"},
        ),
        (
            "DELETE FROM tool_api_providers WHERE id = (SELECT min(id::text)::uuid FROM tool_api_providers)",
            {"tools survive the split", "rows of public.tool_api_providers"},
        ),
        (
            "UPDATE documents SET doc_metadata = NULL WHERE id = "
            "(SELECT min(id::text)::uuid FROM documents WHERE doc_metadata IS NOT NULL)",
            {"document metadata survives the change of type"},
        ),
        (
            "DELETE FROM tenants WHERE id = (SELECT min(id::text)::uuid FROM tenants)",
            {"rows of public.tenants"},
        ),
    ],
    ids=["credential gone", "secret altered", "link gone", "tool gone", "metadata gone", "tenant gone"],
)
def test_a_fault_is_red(project18: Project, statement: str, red: set[str]) -> None:
    """A change to one row after the migration turns exactly the checks red that speak of it."""
    project18.fill(200)
    found = migrate(project18, START, HEAD, lambda: project18.execute(statement))
    assert not_passed(found) == dict.fromkeys(red, Outcome.FAILED)


def test_two_providers_of_one_credential_are_red(project18: Project) -> None:
    """A credential that two providers point at is named, and so is the one that nobody points at any more."""
    project18.fill(200)
    fault = """
        UPDATE providers p SET credential_id = o.credential_id FROM providers o
        WHERE p.id = (SELECT min(id::text)::uuid FROM providers WHERE credential_id IS NOT NULL)
            AND o.id = (SELECT max(id::text)::uuid FROM providers WHERE credential_id IS NOT NULL)
    """
    found = migrate(project18, START, HEAD, lambda: project18.execute(fault))
    assert {"no credential of two providers", "no credential without a provider"} <= set(not_passed(found))


def test_an_unmoved_secret_is_red(project18: Project) -> None:
    """Before the contract, a secret without a credential is named."""
    project18.fill(200)
    fault = """
        INSERT INTO providers (tenant_id, provider_name, encrypted_config) SELECT id, 'late', 's' FROM tenants LIMIT 1
    """
    found = migrate(project18, START, BEFORE_CONTRACT, lambda: project18.execute(fault))
    assert set(not_passed(found)) == {"every provider with a secret points at a credential", "rows of public.providers"}
