"""From a target to its database."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import config, errors
from alembook.postgres import connection as connections
from alembook.postgres import reach
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server


def target(folder: Path, lines: str) -> config.Target:
    """Returns the target of an alembook.toml with these lines."""
    path = folder / "alembook.toml"
    path.write_text(f'[targets.shop]\nproject = "migrations"\n{lines}\n', encoding="utf-8")
    return config.load(path).target("shop")


def test_a_variable_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL it holds is the address."""
    monkeypatch.setenv("SHOP_URL", "postgresql+asyncpg://ann:pw@db/shop")
    assert reach.database(target(tmp_path, 'database = "env:SHOP_URL"')) == Database(
        host="db", user="ann", password="pw", dbname="shop", driver="asyncpg"
    )


def test_the_direct_way_comes_first(tmp_path: Path) -> None:
    """Where a pooler stands in front of the database, it is passed by."""
    lines = 'database = "postgresql://pooler:6432/shop"\ndirect = "postgresql://db/shop"'
    assert reach.database(target(tmp_path, lines)).host == "db"


def test_a_service_is_left_to_libpq(tmp_path: Path) -> None:
    """Its name is kept, quoted where it must be."""
    assert reach.database(target(tmp_path, '''database = "service:ann's shop"''')).parameters == {
        "service": "ann's shop"
    }


def test_a_reference_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, as the configuration says it."""
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(errors.ConfigurationError) as caught:
        reach.database(target(tmp_path, 'database = "env:SHOP_URL"'))
    assert caught.value.what == "The environment variable SHOP_URL is not set."


def test_an_embedded_database_is_there_when_it_is_asked_for(own: Server) -> None:
    """Its server is started, the database is made empty; asked again it is the same."""
    shop = target(own.folder.parent, 'database = "embedded:shop"')
    assert shop.state_folder == own.folder
    found = reach.database(shop)
    with connections.closing(connections.connect(found, application_name="alembook test")) as connection:
        assert connections.scalar(connection, "SELECT current_database()") == "shop"
    assert reach.database(shop) == found
