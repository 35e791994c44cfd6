"""The tables in README and docs/ agree with the code: exit codes, keys of alembook.toml, runbooks."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from alembook import config, errors
from tests.test_frame import ROOT

README, CONFIGURATION, GUIDE = ROOT / "README.md", ROOT / "docs/configuration.md", ROOT / "docs/operators-guide.md"

#: Key of the tables in docs/configuration.md -> a value that is not its default, as TOML.
ANOTHER = {
    "archive.path": '"record"',
    "signing.key": '"keys/runner"',
    "signing.allowed_signers": '"allowed_signers"',
    "database": '"env:DATABASE_URL"',
    "direct": '"env:DIRECT_URL"',
    "project": '"elsewhere"',
    "python": '"bin/python"',
    "working_directory": '"."',
    "environment": '{ DATABASE_URL = "{url}" }',
    "files": '{ APP_CONFIG = "{url}" }',
    "flask_app": '"app:create_app"',
    "alembic_args": '["tenant=acme"]',
    "bind": '"orders"',
    "protected": "true",
    "approvals": "1",
    "writers": '"stopped"',
    "postgres_bin": '"bin"',
    "ledger": "false",
    "way_back": '"external"',
    "limits.lock_timeout_ms": "1",
    "limits.lock_attempts": "1",
    "limits.concurrent_lock_timeout_ms": "1",
    "limits.statement_timeout_ms": "1",
    "limits.check_timeout_s": "1",
    "limits.window": '"22:00-04:00"',
    "backup.directory": '"elsewhere"',
    "backup.jobs": "1",
    "backup.keep": "1",
    "backup.proof": '"recent"',
    "backup.proof_max_age_days": "1",
    "backup.max_age_minutes": "1",
    "backup.command": '"dump"',
    "backup.proof_command": '"prove"',
    "rehearsal.scratch": '"env:SCRATCH_URL"',
    "rehearsal.max_age_days": "1",
    "verify.scope": '"all"',
    "verify.include": '["public.*"]',
    "verify.exclude": '["audit.*"]',
    "verify.workers": "1",
    "verify.equality": '"text"',
    "verify.show_keys": "true",
    "backfill.batch_ms": "10",
    "backfill.workers": "2",
    "backfill.max_set_aside": "1",
    "backfill.max_replication_lag_s": "1",
    "backfill.pause_when": '"SELECT 1"',
}
#: Keys of one more table above the target's, and where the value of the others is found in it.
ABOVE = ("archive.", "signing.")
PLACES = {"rehearsal.scratch": "scratch", "rehearsal.max_age_days": "rehearsal_max_age_days"}


def tables(path: Path, heading: str) -> list[list[str]]:
    """Returns the rows of the first table below a heading, header left out, marks of code kept."""
    part = path.read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    lines = re.findall(r"(?m)^\|.*\|$", re.split(r"(?m)^#", part)[0])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def classes(base: type[errors.AlembookError] = errors.AlembookError) -> Iterator[type[errors.AlembookError]]:
    """Yields the whole tree of errors."""
    yield base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from classes(each)


def test_exit_codes_are_those_of_the_tree() -> None:
    """README explains every exit code there is, and the guide says which error has which."""
    signals = {"129", "130", "143"}
    tree = {str(kind.exit_code) for kind in classes()} | signals | {"0"}
    assert {code for row in tables(README, "## When it stops") for code in row[0].split(", ")} == tree
    guide = {row[0]: set(row[1].split(", ")) for row in tables(GUIDE, "## When it stops")}
    expected: dict[str, set[str]] = {}
    for kind in classes():
        code = "129, 130, 143" if kind is errors.Stopped else str(kind.exit_code)
        expected.setdefault(code, set()).add(kind.__name__)
    assert guide == expected


def described() -> dict[str, list[str]]:
    """Returns key -> row of docs/configuration.md; keys of the target's table stand alone, others with their table."""
    found = {}
    for heading in re.findall(r"(?m)^### `\[.*\]`$", CONFIGURATION.read_text(encoding="utf-8")):
        name = heading.removeprefix("### `[").removesuffix("]`").removeprefix("targets.NAME").removeprefix(".")
        for row in tables(CONFIGURATION, heading):
            found[f"{name}.{row[0].strip('`')}" if name else row[0].strip("`")] = row
    return found


def accepted(table: str, folder: Path) -> set[str]:
    """Returns the keys a table accepts, as its refusal of an unknown one says."""
    path = folder / "alembook.toml"
    own = f"[{table}]\nunknown = 1\n" if table else "unknown = 1\n"
    demo = "" if table == "targets.demo" else "[targets.demo]\n"
    keys = 'database = "embedded:"\nproject = "."\n'
    path.write_text(f"{own}{keys}" if table == "targets.demo" else f"{own}{demo}{keys}", encoding="utf-8")
    with pytest.raises(errors.ConfigurationError) as refused:
        config.load(path)
    return set(refused.value.why.partition(": ")[2].removesuffix(".").split(", "))


def test_the_table_of_keys_is_what_a_file_accepts(tmp_path: Path) -> None:
    """Every key of alembook.toml is described, and none that does not exist."""
    inner = ("limits", "backup", "rehearsal", "verify", "backfill")
    found = accepted("targets.demo", tmp_path) - set(inner)
    for name in inner:
        found |= {f"{name}.{key}" for key in accepted(f"targets.demo.{name}", tmp_path)}
    for name in ("archive", "signing"):
        found |= {f"{name}.{key}" for key in accepted(name, tmp_path)}
    assert set(described()) == found == set(ANOTHER)


def example(folder: Path, key: str = "", value: str = "") -> Path:
    """Writes an alembook.toml with the least a target needs and one more key; returns the path."""
    table, _, name = key.rpartition(".")
    keys = {"database": '"embedded:"', "project": '"migrations"'}
    above = f"[{table}]\n{name} = {value}\n" if key.startswith(ABOVE) else ""
    below = f"[targets.demo.{table}]\n{name} = {value}\n" if table and not above else ""
    if key and not table:
        keys[name] = value
    lines = "".join(f"{name} = {value}\n" for name, value in keys.items())
    path = folder / "alembook.toml"
    path.write_text(f"{above}[targets.demo]\n{lines}{below}", encoding="utf-8")
    return path


def configured(configuration: config.Configuration, key: str) -> Any:
    """Returns the value a key has in a loaded file."""
    if key.startswith("archive."):
        return getattr(configuration.archive, key.partition(".")[2])
    target = configuration.target("demo")
    return reduce(getattr, PLACES.get(key, key).split("."), target)


@pytest.mark.parametrize("key", [key for key in ANOTHER if not key.startswith("signing.")])
def test_a_default_is_as_described(key: str, tmp_path: Path) -> None:
    """A file that does not set a key gets the value its row says."""
    text = described()[key][2]
    if text == "required":
        assert key in {"database", "project"}
        return
    found = configured(config.load(example(tmp_path)), key)
    wanted = None if text in {"unset"} else tomllib.loads(f"value = {text.strip('`')}")["value"]
    if isinstance(found, Path):
        wanted = tmp_path / str(wanted)
    assert found == (tuple(wanted) if isinstance(wanted, list) else wanted)


@pytest.mark.parametrize("key", list(ANOTHER))
def test_what_this_version_refuses_is_marked(key: str, tmp_path: Path) -> None:
    """Setting a key is refused exactly where its row says so, and taken everywhere else."""
    is_refused = "refused" in described()[key][4] and key != "archive.path"
    kinds = (errors.NotAvailableYet, errors.ProtectedTarget)
    with pytest.raises(kinds) if is_refused else contextlib.nullcontext():
        config.load(example(tmp_path, key, ANOTHER[key])).target("demo").require_usable()


def test_an_archive_elsewhere_is_refused(tmp_path: Path) -> None:
    """archive.path may be a folder; a URL is refused, as its row says."""
    with pytest.raises(errors.NotAvailableYet):
        config.load(example(tmp_path, "archive.path", '"s3://bucket/runs"'))


def test_the_runbooks_of_the_readme_are_those_there_are() -> None:
    """The table of runbooks has a row for each notebook and no other."""
    named = [row[0].strip("`") for row in tables(README, "## The runbooks")]
    assert named == sorted(path.stem for path in (ROOT / "runbooks").glob("*.ipynb"))
