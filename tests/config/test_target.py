"""Targets at use: references that lead somewhere, and keys this version cannot honour yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import config, errors
from alembook.config import Reference
from tests.config.test_file import DEMO, demo, written


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("embedded:", "embedded", "alembook@18"),
        ("embedded:shop", "embedded", "shop@18"),
        ("embedded:shop@16", "embedded", "shop@16"),
        ("embedded:@16", "embedded", "alembook@16"),
        ("env:DATABASE_URL", "env", "DATABASE_URL"),
        ("service:shop", "service", "shop"),
        ("postgresql://ann@db/shop", "url", "postgresql://ann@db/shop"),
        ("file:/run/secrets/url", "file", "/run/secrets/url"),
    ],
)
def test_a_reference_is_read(tmp_path: Path, text: str, kind: str, value: str) -> None:
    """Each form is told apart by what stands before the colon."""
    found = config.load(written(tmp_path, f'[targets.a]\nproject = "m"\ndatabase = "{text}"\n')).target("a").database
    assert (found.kind, found.value) == (kind, value)


def test_a_file_is_looked_for_in_the_folder_of_the_toml(tmp_path: Path) -> None:
    """A relative path of a file: reference starts where all others do."""
    assert demo(tmp_path, 'direct = "file:secrets/url"').direct == Reference(
        kind="file", value=str(tmp_path / "secrets/url")
    )


def test_an_embedded_reference_has_name_and_version() -> None:
    """Both are read off the value, and it is written as in the file."""
    found = Reference(kind="embedded", value="shop@16")
    assert (found.embedded_name, found.embedded_major, str(found)) == ("shop", 16, "embedded:shop@16")
    assert str(Reference(kind="url", value="postgresql://db/shop")) == "postgresql://db/shop"


@pytest.mark.parametrize(
    "text", ["", "shop", "env:", "file:", "service:", "embedded:my-shop", "embedded:@17", "vault:x", "host=db"]
)
def test_what_is_no_reference(tmp_path: Path, text: str) -> None:
    """All accepted forms are named; the text is not repeated, it may be a secret."""
    path = written(tmp_path, DEMO + f'direct = "{text}"')
    with pytest.raises(errors.ConfigurationError) as caught:
        config.load(path)
    assert str(caught.value) == (
        "alembook.toml: targets.demo.direct cannot be used.\n"
        "  why:  accepted: embedded: | env:NAME | file:PATH | service:NAME | a postgresql:// URL without a password.\n"
        f"  next: Correct targets.demo.direct in {path}."
    )


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (Reference(kind="service", value="shop"), "service='shop'"),
        (Reference(kind="service", value="the shop's"), r"service='the shop\'s'"),
        (Reference(kind="url", value="postgresql://db/shop"), "postgresql://db/shop"),
        (Reference(kind="env", value="SHOP_URL"), "postgresql://ann:pw@db/shop"),
    ],
)
def test_a_reference_is_resolved(monkeypatch: pytest.MonkeyPatch, reference: Reference, expected: str) -> None:
    """A service is left to libpq, a URL is itself, a variable is read."""
    monkeypatch.setenv("SHOP_URL", "postgresql://ann:pw@db/shop")
    assert config.resolve(reference) == expected


def test_a_file_holds_the_reference(tmp_path: Path) -> None:
    """What stands in the file, without the line's end."""
    (tmp_path / "url").write_text("postgresql://ann:pw@db/shop\n", encoding="utf-8")
    assert config.resolve(Reference(kind="file", value=str(tmp_path / "url"))) == "postgresql://ann:pw@db/shop"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """A variable that is not set, or empty, is named with what refers to it."""
    monkeypatch.delenv("SHOP_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("SHOP_URL", value)
    assert refused(Reference(kind="env", value="SHOP_URL")) == (
        "The environment variable SHOP_URL is not set.\n"
        "  why:  a reference in alembook.toml says env:SHOP_URL.\n"
        "  next: Set SHOP_URL where this command runs; its value never enters the archive."
    )


def test_a_missing_file(tmp_path: Path) -> None:
    """A file: reference whose file is not there says what belongs into it."""
    path = tmp_path / "url"
    assert refused(Reference(kind="file", value=str(path))) == (
        f"The file {path} cannot be read.\n"
        "  why:  a reference in alembook.toml says file:url; the system says No such file or directory.\n"
        "  next: Create it with the connection URL on one line, readable only by you (mode 0600)."
    )


def test_an_empty_file(tmp_path: Path) -> None:
    """A file of blanks holds no reference."""
    path = tmp_path / "url"
    path.write_text(" \n", encoding="utf-8")
    assert refused(Reference(kind="file", value=str(path))) == (
        f"The file {path} is empty.\n"
        "  why:  a reference in alembook.toml says file:url.\n"
        "  next: Write the connection URL into it, on one line."
    )


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are not shown."""
    path = tmp_path / "url"
    path.write_bytes(b"postgresql://ann:\xff@db/shop")
    assert refused(Reference(kind="file", value=str(path))) == (
        f"The file {path} cannot be read.\n"
        "  why:  a reference in alembook.toml says file:url; it is not UTF-8 text.\n"
        "  next: Create it with the connection URL on one line, readable only by you (mode 0600)."
    )


def refused(reference: Reference) -> str:
    """Returns the text with which a reference is refused."""
    with pytest.raises(errors.ConfigurationError) as caught:
        config.resolve(reference)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_an_embedded_database_has_no_string() -> None:
    """Only its server knows where it is."""
    with pytest.raises(ValueError, match="an embedded database has no connection string; ask the embedded server"):
        config.resolve(Reference(kind="embedded", value="alembook@18"))


def test_a_protected_target_is_usable(tmp_path: Path) -> None:
    """What it asks of people is asked when something would change it; approvals are of a later version."""
    demo(tmp_path, "protected = true").require_usable()
    with pytest.raises(errors.NotAvailableYet):
        demo(tmp_path, "protected = true\napprovals = 1").require_usable()


LATER = {
    "approvals = 1": "approvals",
    "backfill.workers = 2": "backfill.workers",
    "backfill.max_set_aside = 1": "backfill.max_set_aside",
    "backfill.max_replication_lag_s = 5": "backfill.max_replication_lag_s",
    'backfill.pause_when = "SELECT 1"': "backfill.pause_when",
}


@pytest.mark.parametrize("line", LATER)
def test_a_key_whose_feature_comes_later(tmp_path: Path, line: str) -> None:
    """It is read and typed now, and refused by name when the target is used."""
    with pytest.raises(errors.NotAvailableYet) as caught:
        demo(tmp_path, line).require_usable()
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"demo sets {LATER[line]}, which this version understands and cannot do yet.\n"
        "  why:  ignoring a policy in silence would be worse than stopping.\n"
        "  next: Remove it from alembook.toml to go on without."
    )


def test_several_keys_whose_features_come_later(tmp_path: Path) -> None:
    """All of them are named at once."""
    with pytest.raises(errors.NotAvailableYet) as caught:
        demo(tmp_path, "approvals = 1\nbackfill.workers = 2").require_usable()
    assert str(caught.value) == (
        "demo sets approvals, backfill.workers, which this version understands and cannot do yet.\n"
        "  why:  ignoring a policy in silence would be worse than stopping.\n"
        "  next: Remove them from alembook.toml to go on without."
    )


def test_a_later_key_at_its_default_is_no_wish(tmp_path: Path) -> None:
    """Writing down what happens anyway stops nobody."""
    demo(tmp_path, "approvals = 0\nbackup.keep = 7\nbackfill.workers = 1\nverify.show_keys = false").require_usable()
