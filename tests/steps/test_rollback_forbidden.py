"""What forbids a swap: each is refused by name before anything is made, and the live database is untouched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from alembook import archive, errors
from alembook.archive import RunFolder
from tests.steps.servers import own_server
from tests.steps.shops import Shop, complete, opened
from tests.steps.test_rollback_swap import before_closing

Done = tuple[Shop, RunFolder]
#: They share a server and a run.
pytestmark = pytest.mark.xdist_group("forbidden")

#: what -> (it, its end, the check, what it finds, why, what next).
FORBIDDEN = {
    "a logical slot": (
        ("SELECT pg_create_logical_replication_slot('to_search', 'pgoutput')",),
        ("SELECT pg_drop_replication_slot('to_search')",),
        "no logical slot keeps the database where it is",
        "to_search",
        "a slot stays with the database it was made in, and the copy would have none.",
        "Drop it before and make it anew after; its reader starts again with a copy of the tables.",
    ),
    "a prepared transaction": (
        ("BEGIN; INSERT INTO customers VALUES (99, 'prepared'); PREPARE TRANSACTION 'of the bank'",),
        ("ROLLBACK PREPARED 'of the bank'",),
        "nothing is prepared in it",
        "of the bank",
        "a prepared transaction outlives its session and would be committed into the database put aside.",
        "COMMIT PREPARED or ROLLBACK PREPARED it.",
    ),
    "an enabled subscription": (
        (
            "CREATE SUBSCRIPTION from_hq CONNECTION 'host=/nowhere dbname=hq' PUBLICATION p "
            "WITH (connect = false, slot_name = 'hq_slot')",
            "ALTER SUBSCRIPTION from_hq ENABLE",
        ),
        (
            "ALTER SUBSCRIPTION from_hq DISABLE",
            "ALTER SUBSCRIPTION from_hq SET (slot_name = NONE)",
            "DROP SUBSCRIPTION from_hq",
        ),
        "no subscription goes on in it",
        "from_hq",
        "it would go on writing into the database that is put aside.",
        "ALTER SUBSCRIPTION ... DISABLE before it is replaced; the copy has none.",
    ),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Yields a shop with a complete run, on a server that keeps slots and prepared transactions."""
    folder = tmp_path_factory.mktemp("server")
    settings = ("wal_level = logical", "max_prepared_transactions = 4")
    with own_server(folder, *settings) as server, opened(server, tmp_path_factory.mktemp("shop")) as shop:
        yield shop, complete(shop)


def executed(shop: Shop, statements: Sequence[str]) -> None:
    """Executes statements in the shop's database, each by itself."""
    for statement in statements:
        shop.desk.execute(statement)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_is_refused_by_name_before_anything_is_made(done: Done, what: str) -> None:
    """Exit 3 with what, why and next; no copy was made, the database is open and as it was."""
    shop, run = done
    begins, ends, name, found, why, next_ = FORBIDDEN[what]
    before = shop.own()
    executed(shop, begins)
    try:
        refused = shop.roll_back(run, "restore")
        assert shop.databases() == []
        assert shop.own() == before
    finally:
        executed(shop, ends)
    (check,) = refused.gate.closed_by
    assert (check.name, check.expected, check.found, check.why, check.next) == (name, "none", found, why, next_)
    with pytest.raises(errors.CheckFailed) as caught:
        refused.require()
    assert str(caught.value) == (
        f"rollback: the gate is closed by 1 of {len(refused.checks)} checks.\n"
        f"  why:  FAILED  {name}: expected none, found {found} ({why})\n"
        f"  next: {next_}\n"
        "  checks that are not PASSED:\n"
        f"    FAILED  {name}: expected none, found {found} ({why})"
    )
    assert caught.value.exit_code == 3
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000003"
    assert run.stated(archive.ROLLED_BACK) == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_is_seen_too_when_it_comes_while_the_copy_is_made(
    done: Done, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again once the live database is closed: nothing is swapped, and it is open again."""
    shop, run = done
    begins, ends, name, found, _, _ = FORBIDDEN[what]
    before = shop.own()
    before_closing(monkeypatch, lambda: executed(shop, begins))
    refused = shop.roll_back(run, "restore", accept="*")
    executed(shop, ends)
    assert [(check.name, check.found) for check in refused.gate.closed_by] == [(name, found)]
    assert shop.own() == before
    assert "swapped" not in {event["event"] for event in shop.desk.run().events_of("90_rollback.kernel")}
    assert refused.kept.keys() == {"the copy"}


def test_without_them_it_goes_on(done: Done) -> None:
    """The last of the rollbacks that were stopped finds its copy and swaps it in; what the others made is dropped."""
    shop, run = done
    done_ = shop.roll_back(run, "restore", again="rolls_back" in shop.desk.run().request())
    assert done_.gate.is_open, done_.gate.closed_by
    assert shop.unlike_its_backup(run) == []
    assert [name.rpartition("_")[0] for name in shop.databases()] == [f"{shop.desk.database.dbname}_failed"]
