"""What the tests of the project wing share: copies of example projects, a held session, a recorder of events."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from alembook import config
from alembook.postgres import session
from alembook.postgres.connection import Connection, Database, rows
from alembook.project import driver
from alembook.project.conversation import Event
from alembook.project.description import Description

EXAMPLES = Path(__file__).parent.parent / "projects"


@dataclass
class Project:
    """A copy of an example project, its target, its database and a session that is held for it."""

    folder: Path
    database: Database
    session: session.Session
    target: config.Target
    events: list[Event] = field(default_factory=list)
    actions: list[tuple[str, Callable[[Event], object]]] = field(default_factory=list)

    @property
    def env(self) -> Path:
        """Returns the path of env.py."""
        return self.folder / "migrations/env.py"

    def edit_env(self, *changes: tuple[str, str]) -> None:
        """Replaces texts in env.py, each of which must be there."""
        text = self.env.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.env.write_text(text, encoding="utf-8")

    def set(self, **changes: Any) -> None:
        """Changes the target; ``limits`` is a mapping of those that differ."""
        if "limits" in changes:
            changes["limits"] = replace(self.target.limits, **changes["limits"])
        self.target = replace(self.target, **changes)

    def write(self, path: str, text: str) -> Path:
        """Writes a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def revision(self, identifier: str, down: str | None, body: str, *, head: str = "") -> Path:
        """Writes a revision with this body of ``upgrade`` below ``down``; ``head`` is added to the top of the file."""
        begin = f'"""{identifier}."""\nimport sqlalchemy as sa\nfrom alembic import op\n'
        names = f"revision = {identifier!r}\ndown_revision = {down!r}\nbranch_labels = depends_on = None\n"
        inner = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        functions = f"def upgrade():\n{inner}\n\n\ndef downgrade():\n    pass\n"
        return self.write(f"migrations/versions/{identifier}.py", begin + names + head + "\n\n" + functions)

    def describe(self) -> Description:
        """Looks at the project."""
        return driver.describe(self.target, self.database, self.session, log=self.events.append)

    def render(self, revision: str) -> driver.Rendered:
        """Returns the SQL of a revision."""
        found = driver.render(self.target, self.database, self.session, revisions=[revision], log=self.events.append)
        return found[revision]

    def downgrade(self, *revisions: str) -> None:
        """Takes revisions back."""
        self.upgrade(*revisions, direction="down")

    def upgrade(
        self,
        *revisions: str,
        guards: Mapping[str, list[driver.Guard]] | None = None,
        direction: str = "up",
        **further: Any,
    ) -> None:
        """Applies revisions."""
        driver.upgrade(
            self.target,
            self.database,
            self.session,
            revisions=revisions,
            direction=direction,
            guards=guards or {},
            run_id="20261122T120301Z-4f2a9c",
            on_event=self._take,
            **further,
        )

    def on(self, name: str, act: Callable[[Event], object]) -> None:
        """Has something done whenever an event of this name comes."""
        self.actions.append((name, act))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        for name, act in self.actions:
            if name == event["event"]:
                act(event)

    def told(self, name: str) -> list[Event]:
        """Returns the events of one name."""
        return [event for event in self.events if event["event"] == name]


MakeProject = Callable[..., Project]


def target_of(folder: Path, text: str = "") -> config.Target:
    """Returns the target of an ``alembook.toml`` in ``folder`` that names the project there."""
    (folder / "alembook.toml").write_text(
        f'[targets.trial]\ndatabase = "env:TRIAL_URL"\nproject = "."\n{text}', encoding="utf-8"
    )
    return config.load(folder / "alembook.toml").target("trial")


def relations(connection: Connection) -> list[str]:
    """Returns every relation, schema, function and sequence of the user, system ones left out."""
    query = """
        SELECT 'relation ' || n.nspname || '.' || c.relname AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
         UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
         ORDER BY 1"""
    return [row["name"] for row in rows(connection, query)]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[Database, str], Project]]:
    """Returns a function that copies an example and holds a session in a database."""
    held: list[session.Held] = []

    def build(database: Database, example: str = "generic") -> Project:
        folder = tmp_path / f"{example}{len(held)}"
        shutil.copytree(EXAMPLES / example, folder)
        held.append(session.hold(database, application_name="alembook test session"))
        return Project(folder=folder, database=database, session=held[-1].session, target=target_of(folder))

    yield build
    for each in held:
        each.close()


@pytest.fixture
def generic(make: MakeProject, database18: Database) -> Project:
    """Returns the generic example with an empty database."""
    return make(database18, "generic")
