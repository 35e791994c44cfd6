"""What README and docs/ say is true: commands, examples, links and pictures (tables: see test_docs_tables)."""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from alembook import __version__, cli, config
from alembook.backfills import declaration, engine
from alembook.config import parameters
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.snapshots import checks, measurement, rules
from alembook.verdict import Outcome
from tests.test_frame import ROOT

TEXTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = ROOT / "README.md"
LARGEST_PICTURE_BYTES = 250_000


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


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", commands("alembook"))
def test_a_command_exists_with_these_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each `alembook` line is a command, and each option in it is one of its options."""
    assert cli.execute([*words, "--help"]) == 0
    assert f"alembook {words[0]}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["runs"], ["runs", "--json"], ["doctor"], ["embedded", "status"], ["--version"]])
def test_a_reading_command_works(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that only look do so in a folder with nothing but an alembook.toml."""
    (tmp_path / "alembook.toml").write_text((ROOT / "alembook.toml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.execute(words) == 0


@pytest.mark.parametrize("words", commands("papermill"))
def test_a_papermill_line_fits_its_runbook(words: list[str]) -> None:
    """The runbook of a papermill line is there and declares the parameters that are given."""
    source = (ROOT / words[0]).read_text(encoding="utf-8")
    cells = [cell for cell in nbformat.reads(source, as_version=4).cells if cell.cell_type == "code"]
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
    if set(tomllib.loads(text)) & set(rules.KINDS):
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
    (text,) = [text for text in blocks(README, "toml") if "FROM customers" in text]
    path.write_text(text, encoding="utf-8")
    declared = checks.load(path)
    assert outcomes(database18, backfill, declared, ["Ada Lovelace", "Grace Brewster Hopper", "Plato", ""]) == {
        "names survive": Outcome.PASSED,
        "every customer has a given name": Outcome.PASSED,
    }
    assert outcomes(database18, backfill, declared, ["Ada  Lovelace"])["names survive"] is Outcome.FAILED


def outcomes(
    database: Database, backfill: declaration.Backfill, declared: checks.Declared, names: list[str]
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
            values = checks.before(connection, declared, b"k" * 32, **asked)
        connections.execute(connection, "ALTER TABLE customers ADD given_name text, ADD family_name text")
        engine.run(backfill, connect=connect, policy=config.Backfill(), ledger=None, run_id="run")
        with measurement.snapshot(connection):
            judged = checks.after(connection, declared, values, b"k" * 32, **asked)
    return {check.name: check.outcome for check in judged}


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
        "Your own project: MLflow",
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
    assert named == __version__
