"""Targets as alembook.toml would make them, for tests that need one and no project."""

from __future__ import annotations

from pathlib import Path

from alembook import config


def target(folder: Path, *, database: str = "embedded:", scratch: str = "") -> config.Target:
    """Returns a target of a folder whose alembook.toml it writes."""
    lines = ["[targets.demo]", f'database = "{database}"', 'project = "migrations"']
    lines += ["[targets.demo.rehearsal]", f'scratch = "{scratch}"'] if scratch else []
    (folder / "alembook.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config.load(folder / "alembook.toml").target("demo")
