"""A run's folder: its names, what is never overwritten, and finding a run again."""

from __future__ import annotations

import getpass
import json
import re
import socket
from pathlib import Path

import pandas as pd
import pytest

from alembook import __version__, archive, errors
from alembook.archive import RunFolder
from tests.archive.test_atomic import limited, without_rights


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Returns a run that has just begun."""
    return archive.begin(tmp_path / "runs", "demo", to="head", change_id="CHG-1")


def made(root: Path, run_id: str, target: str = "demo") -> RunFolder:
    """Makes the folder of a run with a given id."""
    (root / target / run_id).mkdir(parents=True)
    return RunFolder(path=root / target / run_id, target=target, run_id=run_id)


def test_a_run_begins_with_its_request(tmp_path: Path, run: RunFolder) -> None:
    """Who asked for what, when, on which machine; folders for what is to come."""
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", run.run_id)
    assert run.path == tmp_path / "runs/demo" / run.run_id
    assert sorted(path.name for path in run.path.iterdir()) == ["events", "request.json", "sql", "tables"]
    request = run.request()
    assert list(request) == ["run_id", "target", "to", "change_id", "by", "on", "at", "alembook"]
    assert request | {"at": ""} == {
        "run_id": run.run_id,
        "target": "demo",
        "to": "head",
        "change_id": "CHG-1",
        "by": getpass.getuser(),
        "on": socket.gethostname(),
        "at": "",
        "alembook": __version__,
    }


def test_a_user_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's random user id has no entry anywhere; the run begins all the same."""

    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 1000630000")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert archive.begin(tmp_path, "demo", to="head").request()["by"] == "a user without a name"


def test_two_runs_in_one_second_are_two(tmp_path: Path) -> None:
    """The id ends with chance."""
    assert len({archive.begin(tmp_path, "demo", to="head").run_id for _ in range(20)}) == 20


def test_an_archive_that_cannot_be_written(tmp_path: Path) -> None:
    """No right, and no run."""
    with without_rights() as folder:
        with pytest.raises(errors.ArchiveFailed) as caught:
            archive.begin(folder, "demo", to="head")
        assert archive.runs(folder) == []
    assert re.sub(r"\d{8}T\d{6}Z-\w{6}", "RUN", str(caught.value)) == (
        f"The archive cannot be written: {folder}/demo.\n"
        "  left: the record ends before this file.\n"
        "  why:  writing RUN gave: Permission denied.\n"
        "  next: Correct archive.path in alembook.toml or the rights of that folder."
    )


def test_a_disk_too_full_to_begin(tmp_path: Path) -> None:
    """A run that could not record its request is no run: none is listed."""
    with limited(10), pytest.raises(errors.ArchiveFailed):
        archive.begin(tmp_path, "demo", to="head")
    assert archive.runs(tmp_path) == []


def test_attempts_never_overwrite(run: RunFolder) -> None:
    """The second is a2, and so on; the latest receipt is the one that counts."""
    assert run.receipt("upgrade.s1") is None
    written = [run.write_receipt("upgrade.s1", {"attempt": number}).name for number in range(1, 12)]
    assert written[:3] == ["upgrade.s1.json", "upgrade.s1.a2.json", "upgrade.s1.a3.json"]
    assert written[-1] == "upgrade.s1.a11.json"
    assert [path.name for path in run.attempts("upgrade.s1", ".json")] == written
    assert run.receipt("upgrade.s1") == {"attempt": 11}
    assert json.loads((run.path / "upgrade.s1.json").read_text(encoding="utf-8")) == {"attempt": 1}


def test_another_stage_is_no_attempt(run: RunFolder) -> None:
    """``upgrade.s1`` and ``upgrade.s12`` do not mix, nor do other suffixes."""
    for name in ("upgrade.s12.json", "upgrade.s1.a2.ipynb", "upgrade_s1.json", "upgrade.s1.a.json"):
        (run.path / name).touch()
    assert run.attempts("upgrade.s1", ".json") == []
    assert run.attempt_path("upgrade.s1", ".json").name == "upgrade.s1.json"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("", "Expecting value: line 1"),
    ],
)
def test_a_receipt_that_is_not_json(run: RunFolder, content: str, why: str) -> None:
    """It is named, and where the damage is."""
    path = run.path / "upgrade.s1.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(errors.ArchiveFailed) as caught:
        run.receipt("upgrade.s1")
    assert caught.value.exit_code == 5
    text = str(caught.value)
    assert text.startswith(f"{path} cannot be read.\n  why:  {why}")
    assert text.endswith(".\n  next: Restore the file from a copy of the archive.")


def test_a_file_that_is_gone(run: RunFolder) -> None:
    """A run without its request is damaged."""
    (run.path / "request.json").unlink()
    with pytest.raises(errors.ArchiveFailed) as caught:
        run.request()
    path = run.path / "request.json"
    assert str(caught.value) == (
        f"{path} cannot be read.\n"
        f"  why:  [Errno 2] No such file or directory: '{path}'.\n"
        "  next: Restore the file from a copy of the archive."
    )


def test_tables_and_sql(run: RunFolder) -> None:
    """A table comes back as it was written and is never overwritten; a statement is a file of its own."""
    frame = pd.DataFrame({"table": ["a", 'b,"c"'], "rows": [1, 2]})
    assert run.write_table("before", frame) == run.path / "tables/before.csv"
    assert run.write_table("before", frame.head(0)) == run.path / "tables/before.a2.csv"
    pd.testing.assert_frame_equal(pd.read_csv(run.path / "tables/before.csv"), frame)
    assert run.write_sql("e8446f481c1e", "SELECT 1;\n").read_text(encoding="utf-8") == "SELECT 1;\n"
    assert (run.path / "sql/e8446f481c1e.sql").exists()


def test_a_run_that_is_worked_on(run: RunFolder) -> None:
    """As long as one of its writers lives."""
    assert not run.is_worked_on()
    with run.events("runner") as events:
        events.write("run_started")
        assert run.is_worked_on()
    assert not run.is_worked_on()
    assert [event["event"] for event in run.events_of("runner")] == ["run_started"]
    assert list(run.events_of("nobody")) == []


def test_runs_are_listed_by_time(tmp_path: Path) -> None:
    """Of all targets or of one; what is no run does not show."""
    late, early, other = (
        made(tmp_path, "20261122T120302Z-000000"),
        made(tmp_path, "20261122T120301Z-ffffff"),
        made(tmp_path, "20261122T120301Z-ffffff", "shop"),
    )
    for name in ("demo/notes", "demo/.20261122T120309Z-000000", "backups"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "demo/20261122T120303Z-000000").touch()
    assert archive.runs(tmp_path) == [early, other, late]
    assert archive.runs(tmp_path, "demo") == [early, late]
    assert archive.runs(tmp_path, "nothing") == archive.runs(tmp_path / "nothing") == []


def test_a_run_is_found(tmp_path: Path) -> None:
    """By its id, by a part only it has, or as the latest."""
    early, late = made(tmp_path, "20261122T120301Z-4f2a9c"), made(tmp_path, "20261122T120302Z-000000")
    for part in ("20261122T120301Z-4f2a9c", "4f2a9c", "120301"):
        assert archive.find(tmp_path, part) == early
    assert archive.find(tmp_path, "latest") == late
    other = made(tmp_path, "20261122T120303Z-111111", "shop")
    assert (archive.find(tmp_path, "latest"), archive.find(tmp_path, "latest", "demo")) == (other, late)


@pytest.mark.parametrize(
    ("wanted", "target", "expected"),
    [
        ("4f2a9d", None, "There is no run '4f2a9d' in the archive.\n  why:  {root} holds 2 runs."),
        ("", None, "There is no run '' in the archive.\n  why:  {root} holds 2 runs."),
        ("20261122", None, "'20261122' names 2 runs.\n  why:  {root} holds 2 runs."),
        ("latest", "shop", "There is no run 'latest' in the archive.\n  why:  {root} holds 0 runs of shop."),
    ],
)
def test_a_run_is_not_found(tmp_path: Path, wanted: str, target: str | None, expected: str) -> None:
    """None, or several."""
    made(tmp_path, "20261122T120301Z-4f2a9c")
    made(tmp_path, "20261122T120302Z-000000")
    with pytest.raises(errors.UnknownRun) as caught:
        archive.find(tmp_path, wanted, target)
    assert caught.value.exit_code == 2
    assert str(caught.value) == expected.format(root=tmp_path) + "\n  next: `alembook runs` lists them."
