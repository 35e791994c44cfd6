"""The credential pool's middle step: copies each provider's secret into the pool and points the provider at it.

Between e8446f481c1e, which makes the pool, and 0e154742a5fa, which drops the secret's old place. One statement for each
batch stores the credentials and links them, so no provider ever points at a credential that is not there.

A text that is empty or only spaces, tabs and line ends is no secret: it is not moved and not pending. (btrim() takes
spaces alone away unless it is told otherwise.) Other exotic white space counts as a secret: moved rather than lost.
Times are copied, because a credential is as old as the secret in it.

The other statements about the result stand in checks.toml.
"""

from alembook.backfills import SQL, Backfill

PENDING = r"encrypted_config IS NOT NULL AND btrim(encrypted_config, E' \t\n\r') <> '' AND credential_id IS NULL"

backfill = Backfill(
    name="provider_credentials",
    after="e8446f481c1e",
    before="0e154742a5fa",
    table="providers",
    key=("id",),
    pending=PENDING,
    apply=SQL("""
        WITH moved AS MATERIALIZED (
            SELECT p.id, gen_random_uuid() AS credential_id,
                   p.tenant_id, p.provider_name, p.encrypted_config, p.created_at, p.updated_at
            FROM batch JOIN providers p USING (id)
        ), stored AS (
            INSERT INTO provider_credentials
                (id, tenant_id, provider_name, credential_name, encrypted_config, created_at, updated_at)
            SELECT credential_id, tenant_id, provider_name, 'API_KEY1', encrypted_config, created_at, updated_at
            FROM moved
        )
        UPDATE providers p SET credential_id = moved.credential_id FROM moved WHERE p.id = moved.id
    """),
    checks=(
        {"kind": "changes", "table": "providers", "columns": ["credential_id"]},
        # For a run that finds the pool there already. In one that creates it, the rule of checks.toml counts instead.
        {
            "kind": "rows",
            "name": "the pool grows by what was pending",
            "table": "provider_credentials",
            "expected": f"""
                SELECT (SELECT count(*) FROM provider_credentials) + count(*) FROM providers WHERE {PENDING}
            """,  # noqa: S608 - nothing from outside
        },
    ),
)
