"""``alembook.toml``: found, read, typed; what cannot be used is refused with file, key and accepted values."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import config, errors
from alembook.config import Reference

DEMO = '[targets.demo]\ndatabase = "embedded:"\nproject = "migrations"\n'
ARCHIVE = "accepted in [archive]: path."


def written(folder: Path, text: str) -> Path:
    """Writes an alembook.toml and returns its path."""
    path = folder / "alembook.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None, kind: type[errors.AlembookError] = errors.ConfigurationError) -> str:
    """Returns the text with which a configuration is refused."""
    with pytest.raises(kind) as caught:
        config.load(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def demo(folder: Path, more: str = "") -> config.Target:
    """Returns the target of a file that holds the two keys a target needs, and more."""
    return config.load(written(folder, DEMO + more)).target("demo")


def test_two_keys_are_enough(tmp_path: Path) -> None:
    """Everything but database and project has a default."""
    assert demo(tmp_path) == config.Target(
        name="demo",
        folder=tmp_path,
        database=Reference(kind="embedded", value="alembook@18"),
        direct=None,
        project=tmp_path / "migrations",
        python=None,
        working_directory=None,
        environment={},
        files={},
        flask_app=None,
        alembic_args=(),
        bind=None,
        protected=False,
        approvals=0,
        writers="running",
        postgres_bin=None,
        ledger="alembook",
        way_back="restore",
        scratch=None,
        rehearsal_max_age_days=14,
        limits=config.Limits(
            lock_timeout_ms=2000,
            lock_attempts=10,
            concurrent_lock_timeout_ms=600_000,
            statement_timeout_ms=0,
            check_timeout_s=300,
        ),
        backup=config.Backup(
            directory=tmp_path / "backups",
            jobs=4,
            keep=7,
            proof="this",
            proof_max_age_days=30,
            max_age_minutes=60,
            command=None,
            proof_command=None,
        ),
        verify=config.Verify(scope="touched", include=("*",), exclude=(), workers=2, show_keys=False),
        backfill=config.Backfill(batch_ms=200, workers=1, max_set_aside=0, max_replication_lag_s=10, pause_when=None),
        unavailable=(),
    )


def test_every_key_of_a_target_is_read(tmp_path: Path) -> None:
    """What the file says takes the default's place, typed, with paths from the file's folder."""
    target = demo(
        tmp_path,
        """
direct = "service:db"
python = "../api/bin/python"
working_directory = "/srv/api"
environment = { DATABASE_URL = "{url}" }
files = { APP_CONFIG = "url: {url}" }
bind = ""
alembic_args = ["tenant=acme"]
writers = "stopped"
postgres_bin = "pg/bin"
ledger = false
way_back = "external"
[targets.demo.limits]
lock_timeout_ms = 1
lock_attempts = 2
concurrent_lock_timeout_ms = 3
statement_timeout_ms = 4
check_timeout_s = 5
[targets.demo.backup]
directory = "/backups"
jobs = 2
[targets.demo.verify]
scope = "all"
include = ["public.*"]
exclude = ["audit.*"]
[targets.demo.backfill]
batch_ms = 100
""",
    )
    assert target.direct == Reference(kind="service", value="db")
    assert target.python == tmp_path / "../api/bin/python"
    assert (target.working_directory, target.postgres_bin) == (Path("/srv/api"), tmp_path / "pg/bin")
    assert (target.environment, target.files) == ({"DATABASE_URL": "{url}"}, {"APP_CONFIG": "url: {url}"})
    assert (target.alembic_args, target.writers, target.way_back) == (("tenant=acme",), "stopped", "external")
    assert (target.ledger, target.bind) == (None, "")
    assert target.limits == config.Limits(
        lock_timeout_ms=1,
        lock_attempts=2,
        concurrent_lock_timeout_ms=3,
        statement_timeout_ms=4,
        check_timeout_s=5,
    )
    assert target.backup == config.Backup(directory=Path("/backups"), jobs=2)
    assert target.verify == config.Verify(scope="all", include=("public.*",), exclude=("audit.*",))
    assert target.backfill.batch_ms == 100


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command runs makes no difference, also when the file is named relative to there."""
    written(tmp_path, '[archive]\npath = "record"\n' + DEMO)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = config.load(Path("../alembook.toml"))
    assert found.archive.path.resolve() == tmp_path / "record"
    assert found.target("demo").project.resolve() == tmp_path / "migrations"
    assert found.target("demo").state_folder.resolve() == tmp_path / ".alembook"


def test_the_file_is_found_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest one counts; the archive is runs/ beside it."""
    path = written(tmp_path, DEMO)
    (tmp_path / "api/src").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "api/src")
    found = config.load()
    assert (found.path, found.folder, found.archive.path) == (path, tmp_path, tmp_path / "runs")
    nearer = written(tmp_path / "api", DEMO)
    assert config.load().path == nearer


def test_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is found the folder it was looked for in is named."""
    monkeypatch.chdir(tmp_path)
    assert refusal(None) == (
        f"There is no alembook.toml in {tmp_path} or above it.\n"
        "  why:  it names the targets and where the archive is.\n"
        "  next: Go to the folder that has one, or pass --config FILE."
    )


def test_the_named_file_is_missing(tmp_path: Path) -> None:
    """A file that --config names must be there."""
    path = tmp_path / "other.toml"
    assert refusal(path) == (
        f"{path} cannot be read.\n"
        f"  why:  [Errno 2] No such file or directory: '{path}'.\n"
        "  next: Pass --config FILE with a file that exists."
    )


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """TOML is UTF-8."""
    path = tmp_path / "alembook.toml"
    path.write_bytes(b"a = '\xff'")
    assert refusal(path) == (
        f"{path} cannot be read.\n"
        "  why:  'utf-8' codec can't decode byte 0xff in position 5: invalid start byte.\n"
        "  next: Pass --config FILE with a file that exists."
    )


def test_two_targets_of_one_name(tmp_path: Path) -> None:
    """TOML itself defines a name only once; its own words say where."""
    path = written(tmp_path, DEMO + DEMO)
    with pytest.raises(errors.ConfigurationError) as caught:
        config.load(path)
    assert "(at line 4, column " in str(caught.value.__cause__)
    assert str(caught.value) == (
        "alembook.toml is not valid TOML.\n"
        f"  why:  {caught.value.__cause__}.\n"
        f"  next: Correct {path}; a name can be defined only once."
    )


@pytest.mark.parametrize(("text", "key", "accepted"), [
    ("targets = 1", "targets is 1, which", "a table of tables"),
    ("targets.demo = 1", "targets.demo", "a table"),
    ('[targets."../demo"]', "targets.../demo", "a name of letters, digits, . _ and -, a letter or digit first"),
    ('[targets."*"]', "targets.*", "a name of letters, digits, . _ and -, a letter or digit first"),
    ('[targets.""]', "targets.", "a name of letters, digits, . _ and -, a letter or digit first"),
])  # fmt: skip
def test_what_is_no_target(tmp_path: Path, text: str, key: str, accepted: str) -> None:
    """A target is a table, and its name can be a folder of the archive."""
    path = written(tmp_path, text)
    assert refusal(path) == (
        f"alembook.toml: {key} cannot be used.\n"
        f"  why:  accepted: {accepted}.\n"
        f"  next: Correct {key.split(maxsplit=1)[0]} in {path}."
    )


def test_an_archive_elsewhere_comes_later(tmp_path: Path) -> None:
    """A remote archive is understood and refused before a run believes in it."""
    path = written(tmp_path, '[archive]\npath = "s3://bucket/runs"\n' + DEMO)
    assert refusal(path, errors.NotAvailableYet) == (
        "alembook.toml: archive.path is a URL, which this version understands and cannot do yet.\n"
        "  why:  a record that is not written where the file says would be lost.\n"
        '  next: Use a folder, for instance path = "runs".'
    )


@pytest.mark.parametrize("key", ["key", "allowed_signers"])
def test_signing_comes_later(tmp_path: Path, key: str) -> None:
    """Its keys are understood, and refused before a run believes to be signed."""
    path = written(tmp_path, f'[signing]\n{key} = "keys/runner"\n' + DEMO)
    assert refusal(path, errors.NotAvailableYet) == (
        f"alembook.toml: signing.{key} is set, which this version understands and cannot do yet.\n"
        "  why:  a run believed to be signed and not signed would be worse than an unsigned one.\n"
        "  next: Remove it; runs are then marked as unsigned."
    )


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (
            DEMO,
            "prod",
            "alembook.toml has no target 'prod'.\n"
            "  why:  {path} defines: demo.\n"
            "  next: Name one of them, or add a [targets.NAME] table.",
        ),
        (
            "",
            "",
            "alembook.toml: no target was named.\n"
            "  why:  {path} defines: none.\n"
            "  next: Name one of them, or add a [targets.NAME] table.",
        ),
    ],
)
def test_an_unknown_target(tmp_path: Path, text: str, name: str, expected: str) -> None:
    """The targets that are there are named."""
    path = written(tmp_path, text)
    with pytest.raises(errors.ConfigurationError) as caught:
        config.load(path).target(name)
    assert str(caught.value) == expected.format(path=path)
