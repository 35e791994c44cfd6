"""The credential pool: expand, backfill, contract, and the ways it must not go wrong; and the other moves of data."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy.exc

from tests.migrations.project import BEFORE_CONTRACT, CONTRACT, EXPAND, JSONB, SPLIT, START, Project

SECRETS = r"SELECT id, encrypted_config FROM providers WHERE btrim(encrypted_config, E' \t\n\r') <> '' ORDER BY id"
POOL = """
    SELECT p.id, c.encrypted_config FROM providers p JOIN provider_credentials c ON c.id = p.credential_id ORDER BY p.id
"""
REFUSAL = (
    "providers.encrypted_config is still needed: {} secrets are not in the pool, {} providers point at a credential "
    "that does not exist, {} secrets are newer than their copy in the pool"
)
HINT = "Run the backfill provider_credentials; migrations/README.md, The credential pool."


def refused(project: Project, revision: str = CONTRACT) -> Any:
    """Returns the server's diagnosis of an upgrade that must fail."""
    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        project.upgrade(revision)
    return caught.value.orig.diag  # type: ignore[union-attr]


def moved(project: Project) -> Project:
    """Returns the project with its secrets in the pool, right before the contract revision."""
    project.fill()
    project.upgrade(BEFORE_CONTRACT)
    project.backfill()
    return project


def test_every_secret_arrives(project: Project) -> None:
    """After expand, backfill and contract the pool holds each secret, linked to its provider, as it was."""
    project.fill()
    secrets = project.rows(SECRETS)
    assert len(secrets) == 400 - 3 * 4
    project.upgrade(BEFORE_CONTRACT)
    project.backfill()
    project.upgrade("head")
    assert project.rows(POOL) == secrets


def test_a_credential_is_named_and_as_old_as_its_secret(project18: Project) -> None:
    """A moved credential has its provider's tenant, name and times, and is called API_KEY1."""
    moved(project18)
    differing = """
        SELECT p.id FROM providers p JOIN provider_credentials c ON c.id = p.credential_id
        WHERE (c.tenant_id, c.provider_name, c.created_at, c.updated_at, c.credential_name)
            IS DISTINCT FROM (p.tenant_id, p.provider_name, p.created_at, p.updated_at, 'API_KEY1')
    """
    assert project18.rows(differing) == []


def test_blank_secrets_are_not_pending(project18: Project) -> None:
    """Empty, white space and NULL are neither pending nor moved."""
    moved(project18)
    left = "SELECT count(*), count(credential_id), count(*) FILTER (WHERE {}) FROM providers WHERE {}"
    blank = r"btrim(coalesce(encrypted_config, ''), E' \t\n\r') = ''"
    assert project18.rows(left.format(project18.declared().pending, blank)) == [(12, 0, 0)]
    assert project18.rows("SELECT count(*) FROM provider_credentials") == [(388,)]


def test_expand_only_adds(project18: Project) -> None:
    """The expand revision moves nothing and drops nothing."""
    project18.fill()
    before = project18.rows("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM providers p")
    project18.upgrade(EXPAND)
    assert project18.rows("SELECT count(*) FROM provider_credentials") == [(0,)]
    project18.execute("ALTER TABLE providers DROP COLUMN credential_id")
    assert project18.rows("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM providers p") == before


def test_contract_refuses_without_the_backfill(project: Project) -> None:
    """Without the backfill the contract revision stops, and everything before it is kept."""
    project.fill()
    found = refused(project, "head")
    assert (found.sqlstate, found.message_primary, found.message_hint) == ("55000", REFUSAL.format(388, 0, 0), HINT)
    assert project.revision() == [BEFORE_CONTRACT]
    assert len(project.rows(SECRETS)) == 388


def test_contract_refuses_a_row_inserted_since(project18: Project) -> None:
    """One provider that the application of yesterday inserted after the backfill is enough."""
    moved(project18)
    project18.execute("""
        INSERT INTO providers (tenant_id, provider_name, encrypted_config)
        SELECT id, 'late', 'secret' FROM tenants LIMIT 1
    """)
    assert refused(project18).message_primary == REFUSAL.format(1, 0, 0)


def test_contract_refuses_a_dangling_credential(project18: Project) -> None:
    """A provider whose credential was deleted would lose its secret."""
    moved(project18)
    project18.execute("DELETE FROM provider_credentials WHERE id = (SELECT id FROM provider_credentials LIMIT 1)")
    assert refused(project18).message_primary == REFUSAL.format(0, 1, 0)


def test_contract_refuses_a_newer_secret(project18: Project) -> None:
    """A secret that yesterday's application changed after it was copied would be lost; the README's way out works."""
    moved(project18)
    one = "id = (SELECT min(id::text)::uuid FROM providers WHERE credential_id IS NOT NULL)"
    project18.execute(f"UPDATE providers SET encrypted_config = 'new', updated_at = now() WHERE {one}")
    assert refused(project18).message_primary == REFUSAL.format(0, 0, 1)
    project18.execute(f"""
        UPDATE provider_credentials c SET encrypted_config = p.encrypted_config, updated_at = p.updated_at
        FROM providers p WHERE p.credential_id = c.id AND p.{one}
    """)
    project18.upgrade(CONTRACT)


def test_contract_accepts_what_lost_nothing(project18: Project) -> None:
    """A provider that was merely used since, and a secret changed in the pool, are no reason to stop."""
    moved(project18)
    project18.execute("UPDATE providers SET last_used = now(), updated_at = now() WHERE quota_type = ''")
    project18.execute("""
        UPDATE provider_credentials SET encrypted_config = 'new', updated_at = now()
        WHERE id = (SELECT credential_id FROM providers WHERE quota_type <> '' AND credential_id IS NOT NULL LIMIT 1)
    """)
    project18.upgrade(CONTRACT)


def test_contract_is_safe_offline(project: Project) -> None:
    """The printed SQL refuses too: psql stops at the contract revision, and every secret is where it was."""
    project.fill()
    secrets = project.rows(SECRETS)
    script = project.run("upgrade", f"{START}:head", "--sql", url=False)
    done = project.psql(script.stdout)
    assert done.returncode == 3
    assert "ERROR:  " + REFUSAL.format(388, 0, 0) in done.stderr
    assert project.revision() == [BEFORE_CONTRACT]
    assert project.rows(SECRETS) == secrets


def test_downgrade_of_the_contract_restores_the_secrets(project18: Project) -> None:
    """Back before the contract each secret is in its provider again, and forward once more needs no backfill."""
    project18.fill()
    secrets = project18.rows(SECRETS)
    project18.upgrade(BEFORE_CONTRACT)
    project18.backfill()
    project18.upgrade(CONTRACT)
    project18.downgrade(BEFORE_CONTRACT)
    assert project18.rows(SECRETS) == secrets
    project18.upgrade(CONTRACT)
    assert project18.rows(POOL) == secrets


def test_downgrade_of_the_expand_keeps_the_secret_in_use(project18: Project) -> None:
    """A secret that only the pool knows goes back to its provider; where both know one, the provider's own stays."""
    moved(project18)
    project18.execute("UPDATE provider_credentials SET encrypted_config = 'pool'")
    first = "SELECT min(id::text)::uuid FROM providers WHERE credential_id IS NOT NULL"
    project18.execute(f"UPDATE providers SET encrypted_config = ' ' WHERE id = ({first})")
    project18.downgrade(START)
    counts = (
        "SELECT count(*) FILTER (WHERE encrypted_config = 'pool'), count(*) FILTER (WHERE encrypted_config ~ 'HYBRID')"
    )
    assert project18.rows(f"{counts} FROM providers".replace("HYBRID", "api_key")) == [(1, 387)]


def test_split_loses_nothing_either_way(project18: Project) -> None:
    """Tools arrive in the table of their kind, and a downgrade brings the same rows back."""
    moved(project18)
    project18.upgrade("5c317a8c80df")
    everything = "SELECT md5(string_agg(to_jsonb(t)::text, '' ORDER BY id)), count(*) FROM tool_providers t"
    before = project18.rows(everything)
    kinds = project18.rows("SELECT count(*) FILTER (WHERE kind = 'api'), count(*) FROM tool_providers")
    project18.upgrade(SPLIT)
    builtin = "SELECT (SELECT count(*) FROM tool_api_providers), (SELECT count(*) FROM tool_builtin_providers)"
    [(api, every)] = kinds
    assert project18.rows(builtin) == [(api, every - api)]
    project18.downgrade("5c317a8c80df")
    assert project18.rows(everything) == before


def test_split_refuses_a_third_kind(project18: Project) -> None:
    """A tool of a kind that has no table would be dropped with the old one: the revision stops."""
    moved(project18)
    project18.execute("UPDATE tool_providers SET kind = 'workflow' WHERE id = (SELECT id FROM tool_providers LIMIT 1)")
    found = refused(project18, SPLIT)
    assert found.sqlstate == "55000"
    assert found.message_primary == "tool_providers holds rows that are neither of kind builtin nor of kind api"
    assert found.message_hint == "SELECT kind, count(*) FROM tool_providers GROUP BY kind shows them."
    assert project18.revision() == ["5c317a8c80df"]


def test_json_means_the_same_as_jsonb(project18: Project) -> None:
    """Document metadata is equal as a value before, after, and after a downgrade."""
    moved(project18)
    project18.upgrade(SPLIT)
    metadata = "SELECT md5(string_agg(doc_metadata::jsonb::text, '' ORDER BY id)), count(doc_metadata) FROM documents"
    before = project18.rows(metadata)
    for move in (project18.upgrade, project18.downgrade):
        move(JSONB if move == project18.upgrade else SPLIT)
        assert project18.rows(metadata) == before
