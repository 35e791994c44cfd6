"""What README and docs/ say is true: commands, examples, tables, links and pictures."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from alembook import cli, config, errors
from alembook.backfills import declaration, engine
from alembook.config import parameters
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.runner import workbook
from alembook.snapshots import checks, measurement
from alembook.verdict import Outcome
from tests.test_frame import ROOT

TEXTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README, CONFIGURATION, GUIDE = ROOT / "README.md", ROOT / "docs/configuration.md", ROOT / "docs/operators-guide.md"
LARGEST_PICTURE_BYTES = 250_000

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


def blocks(path: Path, language: str) -> list[str]:
    """Returns the fenced blocks of a text in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"))


def shown(language: str) -> list[Any]:
    """Returns every fenced block of a language as a parameter of a test, named by its file."""
    found = [(path, text) for path in TEXTS for text in blocks(path, language)]
    return [pytest.param(text, id=f"{path.name}-{number}") for number, (path, text) in enumerate(found)]


def commands(program: str) -> list[Any]:
    """Returns each line of the shell blocks that starts a program, split, as a parameter of a test."""
    found: dict[str, list[str]] = {}
    for path in TEXTS:
        for line in "".join(blocks(path, "sh")).splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words[:1] == [program]:
                found[" ".join(words)] = words[1:]
    return [pytest.param(words, id=text) for text, words in found.items()]


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


def run(arguments: list[str]) -> tuple[int, str]:
    """Returns exit code and output of a command, run in this process."""
    output = CliRunner()
    with output.isolation() as streams:
        code = cli.execute(arguments)
        return code, streams[0].getvalue().decode()


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", commands("alembook"))
def test_a_command_exists_with_these_options(words: list[str]) -> None:
    """Each `alembook` line is a command, and each option in it is one of its options."""
    code, text = run([*words, "--help"])
    assert code == 0, text
    assert f"alembook {words[0]}" in text


@pytest.mark.parametrize("words", [["runs"], ["runs", "--json"], ["doctor"], ["embedded", "status"], ["--version"]])
def test_a_reading_command_works(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that only look do so in a folder with nothing but an alembook.toml."""
    (tmp_path / "alembook.toml").write_text((ROOT / "alembook.toml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(words)[0] == 0


@pytest.mark.parametrize("words", commands("papermill"))
def test_a_papermill_line_fits_its_runbook(words: list[str]) -> None:
    """The runbook of a papermill line is there and declares the parameters that are given."""
    source = (ROOT / words[0]).read_text(encoding="utf-8")
    cells = [cell for cell in workbook.nbformat.reads(source, as_version=4).cells if cell.cell_type == "code"]
    given = {words[n + 1] for n, word in enumerate(words) if word in {"-p", "-r"}}
    assert given
    assert given <= {parameter.name for parameter in parameters.parse(cells[0].source)}


@pytest.mark.parametrize("words", commands("make"))
def test_a_make_target_exists(words: list[str]) -> None:
    """Each `make` line names a target of the Makefile."""
    assert re.search(rf"(?m)^{words[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"))


# --- examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", shown("toml"))
def test_a_toml_example_loads(text: str, tmp_path: Path) -> None:
    """Each TOML block is an alembook.toml whose targets this version can use, or a checks.toml."""
    path = tmp_path / "example.toml"
    path.write_text(text, encoding="utf-8")
    if set(tomllib.loads(text)) & set(checks.rules.KINDS if hasattr(checks, "rules") else ("rows", "content", "none")):
        assert checks.load(path).all()
        return
    configuration = config.load(path)
    assert configuration.targets
    for target in configuration.targets.values():
        target.require_usable()


@pytest.mark.parametrize("text", shown("python"))
def test_a_backfill_example_loads(text: str, tmp_path: Path) -> None:
    """Each Python block is a backfill, in a file of its name, and its checks can be read."""
    path = backfill_file(tmp_path, text)
    (found,) = declaration.load(path.parent)
    entries = [(f"checks[{n}]", check) for n, check in enumerate(found.checks, start=1)]
    assert len(checks.declare(entries, path=path).all()) == len(found.checks)


def backfill_file(folder: Path, text: str) -> Path:
    """Writes a backfill where its first line says, and returns the path."""
    named = re.match(r"# (backfills/\w+\.py)", text)
    assert named
    path = folder / named[1]
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_readmes_backfill_and_checks_do_what_they_say(database18: Database, tmp_path: Path) -> None:
    """The names come apart and together again; one with two spaces is the one that does not come through."""
    (backfill,) = declaration.load(backfill_file(tmp_path, blocks(README, "python")[0]).parent)
    path = tmp_path / "checks.toml"
    path.write_text(blocks(README, "toml")[1], encoding="utf-8")
    rules = checks.load(path)
    assert outcomes(database18, backfill, rules, ["Ada Lovelace", "Grace Brewster Hopper", "Plato", ""]) == {
        "names survive": Outcome.PASSED,
        "every customer has a given name": Outcome.PASSED,
    }
    assert outcomes(database18, backfill, rules, ["Ada  Lovelace"])["names survive"] is Outcome.FAILED


def outcomes(
    database: Database, backfill: declaration.Backfill, rules: checks.Declared, names: list[str]
) -> dict[str, Outcome]:
    """Returns what becomes of the README's checks when its backfill has worked on these names."""

    def connect() -> connections.Connection:
        return connections.connect(database, application_name="alembook test")

    asked: dict[str, Any] = {"applied": [backfill.after, backfill.before], "timeout_s": 30}
    make = "DROP TABLE IF EXISTS customers; CREATE TABLE customers (id int PRIMARY KEY, full_name text NOT NULL)"
    fill = "INSERT INTO customers SELECT * FROM unnest(%(ids)s, %(names)s)"
    with contextlib.closing(connect()) as connection:
        connections.execute(connection, make)
        connections.execute(connection, fill, {"ids": list(range(len(names))), "names": names})
        with measurement.snapshot(connection):
            values = checks.before(connection, rules, b"k" * 32, **asked)
        connections.execute(connection, "ALTER TABLE customers ADD given_name text, ADD family_name text")
        engine.run(backfill, connect=connect, policy=config.Backfill(), ledger=None, run_id="run")
        with measurement.snapshot(connection):
            judged = checks.after(connection, rules, values, b"k" * 32, **asked)
    return {check.name: check.outcome for check in judged}


# --- tables -----------------------------------------------------------------------------------------------------------


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


# --- links and pictures -----------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Returns the anchors of a text's headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each link inside the repository leads to a file that is there, and to a heading in it."""
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_text_is_reached_from_the_readme() -> None:
    """No page of docs/ stands alone: links lead to it from the README, over other pages."""
    reached, waiting = set(), [README]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8"))
        waiting += [(path.parent / link).resolve() for link in links if "://" not in link]
    assert set(TEXTS) <= reached


def test_pictures_are_small_and_used() -> None:
    """Each picture is a PNG of 1280 pixels' width, below 250 kB, and shown by the README."""
    pictures = sorted((ROOT / "docs/images").iterdir())
    text = README.read_text(encoding="utf-8")
    assert [path.name for path in pictures] == ["verify-failed.png", "verify-passed.png"]
    for path in pictures:
        with Image.open(path) as image:
            assert (image.format, image.width) == ("PNG", 1280)
        assert path.stat().st_size < LARGEST_PICTURE_BYTES
        assert f"](docs/images/{path.name})" in text


def test_the_readme_keeps_its_order() -> None:
    """Sections stand in the order a reader asks: shall I, how, what, mine, trouble, more, development last."""
    assert re.findall(r"(?m)^## (.*)$", README.read_text(encoding="utf-8")) == [
        "Should I use this?",
        "Quickstart",
        "The runbooks",
        "A real target",
        "When it stops",
        "Writing a backfill",
        "Writing a check",
        "From a scheduler",
        "Layout",
        "Development",
    ]


def test_the_changelog_knows_this_version() -> None:
    """The first version of the changelog is the package's own."""
    (named, *_) = re.findall(r"(?m)^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    source = ast.parse((ROOT / "lib/alembook/__init__.py").read_text(encoding="utf-8"))
    versions = [node.value for node in source.body if isinstance(node, ast.Assign)]
    assert [ast.literal_eval(value) for value in versions] == [named]
