"""Keys, types and choices of ``alembook.toml``: what cannot be used is refused with file, key and accepted values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.test_file import DEMO, demo, refusal, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            DEMO + "protectd = true",
            "alembook.toml: targets.demo.protectd is not a key Alembook knows.\n"
            "  why:  accepted in [targets.demo]: limits, backup, rehearsal, verify, backfill, database, direct, "
            "project, python, working_directory, environment, files, flask_app, alembic_args, bind, protected, "
            "approvals, writers, postgres_bin, ledger, way_back.\n"
            "  next: Did you mean protected?",
        ),
        (
            DEMO + "[targets.demo.limits]\nlock_timeout = 1",
            "alembook.toml: targets.demo.limits.lock_timeout is not a key Alembook knows.\n"
            "  why:  accepted in [targets.demo.limits]: lock_timeout_ms, lock_attempts, concurrent_lock_timeout_ms, "
            "statement_timeout_ms, check_timeout_s, window.\n"
            "  next: Did you mean lock_timeout_ms?",
        ),
        (
            "[archive]\nxyz = 1",
            "alembook.toml: archive.xyz is not a key Alembook knows.\n"
            "  why:  accepted in [archive]: path.\n"
            "  next: Remove it from {path}.",
        ),
        (
            '[target.demo]\ndatabase = "embedded:"',
            "alembook.toml: target is not a key Alembook knows.\n"
            "  why:  accepted at the top: archive, signing, targets.\n"
            "  next: Did you mean targets?",
        ),
    ],
    ids=["target", "limits", "archive", "top"],
)
def test_an_unknown_key(tmp_path: Path, text: str, expected: str) -> None:
    """A key nobody reads is refused with the nearest known one and all that are accepted."""
    path = written(tmp_path, text)
    assert refusal(path) == expected.format(path=path)


TYPES = [
    ("protected = 1", "protected is 1, which", "true | false"),
    ('protected = "yes"', "protected", "true | false"),
    ("approvals = true", "approvals is True, which", "a whole number, 0 or more"),
    ("approvals = -1", "approvals is -1, which", "a whole number, 0 or more"),
    ('writers = "some"', "writers is 'some', which", "running | stopped"),
    ('way_back = "hope"', "way_back is 'hope', which", "downgrade | restore | external"),
    ("ledger = true", "ledger is True, which", "a string | false"),
    ('ledger = ""', "ledger is '', which", "a string | false"),
    ("flask_app = 1.5", "flask_app is 1.5, which", "a string"),
    ('alembic_args = "tenant=acme"', "alembic_args", "a list of strings"),
    ("alembic_args = [1]", "alembic_args", "a list of strings"),
    ('environment = ["A"]', "environment", "a table of strings"),
    ("environment = { A = 1 }", "environment", "a table of strings"),
    ("limits = 5", "limits is 5, which", "a table"),
    ("limits.lock_timeout_ms = 0", "limits.lock_timeout_ms is 0, which", "a whole number, 1 or more"),
    ('limits.lock_timeout_ms = "2s"', "limits.lock_timeout_ms", "a whole number, 1 or more"),
    ("backfill.batch_ms = 5", "backfill.batch_ms is 5, which", "a whole number, 10 or more"),
    ('backup.proof = "some"', "backup.proof is 'some', which", "this | recent"),
    ('verify.scope = "none"', "verify.scope is 'none', which", "touched | all"),
]


@pytest.mark.parametrize(("line", "shown", "accepted"), TYPES, ids=[line for line, _, _ in TYPES])
def test_a_wrong_type_or_value(tmp_path: Path, line: str, shown: str, accepted: str) -> None:
    """The key, what it may hold, and the file to correct."""
    path = written(tmp_path, DEMO + line)
    key = shown.split(maxsplit=1)[0]
    assert refusal(path) == (
        f"alembook.toml: targets.demo.{shown} cannot be used.\n"
        f"  why:  accepted: {accepted}.\n"
        f"  next: Correct targets.demo.{key} in {path}."
    )


@pytest.mark.parametrize(
    ("text", "key", "accepted"),
    [
        (
            'project = "m"',
            "database",
            "embedded: | env:NAME | file:PATH | service:NAME | a postgresql:// URL without a password",
        ),
        ('database = "embedded:"', "project", "the folder of alembic.ini, the ini, or a pyproject.toml"),
        ('database = "embedded:"\nproject = ""', "project", "the folder of alembic.ini, the ini, or a pyproject.toml"),
    ],
)
def test_a_missing_key(tmp_path: Path, text: str, key: str, accepted: str) -> None:
    """Database and project must be there."""
    path = written(tmp_path, f"[targets.demo]\n{text}\n")
    assert refusal(path) == (
        f"alembook.toml: targets.demo.{key} is missing.\n"
        f"  why:  accepted: {accepted}.\n"
        f"  next: Add {key} to [targets.demo] in {path}."
    )


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('direct = "postgresql://ann:s3cret@db/app"', "direct"),
        ('direct = "postgresql+asyncpg://:s3cret@db/app"', "direct"),
        ('direct = "postgresql://ann:s3/cret@db/app"', "direct"),
        ('direct = "postgresql://ann:s3?cret@db/app"', "direct"),
        ('direct = "postgresql://ann@db/app?password=s3cret"', "direct"),
        ('direct = "postgresql://db/app?sslmode=require&sslpassword=s3cret"', "direct"),
        ('direct = "host=db password=s3cret"', "direct"),
        ('direct = "env:postgresql://ann:s3cret@db/app"', "direct"),
        ('environment.DATABASE_URL = "postgresql://ann:s3cret@db/app"', "environment.DATABASE_URL"),
        ('files.CONFIG = "cache: redis://:s3cret@cache/0"', "files.CONFIG"),
        ('alembic_args = ["url=postgresql://ann:s3cret@db/app"]', "alembic_args"),
        ('rehearsal.scratch = "postgresql://ann:s3cret@db/app"', "rehearsal.scratch"),
    ],
)
def test_a_password_in_the_file(tmp_path: Path, line: str, key: str) -> None:
    """Wherever it stands it is refused, and not repeated."""
    assert refusal(written(tmp_path, DEMO + line)) == (
        f"alembook.toml: targets.demo.{key} carries a password.\n"
        "  why:  the file is committed and archived; it holds references, never a password.\n"
        "  next: Move the whole value to a variable or a file and write env:NAME or file:PATH; in a template write "
        "{url} or {password}."
    )


@pytest.mark.parametrize(
    "line",
    [
        'direct = "postgresql://ann@db:5432/app?options=-c%20a=b@c"',
        'direct = "postgresql://db:5432/app"',
        'direct = "postgresql://ann@db/app?passfile=/home/ann/.pgpass"',
        'environment.DATABASE_URL = "postgresql://{user}:{password}@{host}/{database}"',
        'environment.DSN = "host={host} password={password}"',
        'files.CONFIG = "[db]\\npassword = {password}\\n"',
    ],
)
def test_what_only_looks_like_a_password(tmp_path: Path, line: str) -> None:
    """A port, a passfile and the placeholders of a template are none."""
    demo(tmp_path, line)
