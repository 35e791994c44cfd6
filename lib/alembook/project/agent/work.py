"""One request, from its first line to the end of the process."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, List, Mapping

from .comparison import compare
from .description import Look
from .door import Door
from .environment import opened
from .failure import Caught, describe
from .rendering import render
from .shapes import Shapes
from .tape import Tape
from .trace import Trace
from .upgrade import Upgrade
from .wire import DONE, FAILED, Wire


def main(control: int, events: int) -> None:
    """Does what the parent asks for and ends the process, threads of the project or not."""
    wire = Wire(control, events)
    request = wire.request()
    wire.end_with_parent()
    sys.dont_write_bytecode = True  # looking at a project leaves no files in it, of another user at that
    sys.path.insert(0, os.getcwd())  # as "python -m alembic" has it; after our own imports, before the project's
    with Caught() as caught:
        _work(wire, request)
    if caught.error is not None:
        wire.send("failed", **describe(caught.error))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(DONE if caught.error is None else FAILED)


def _work(wire: Wire, request: Mapping[str, Any]) -> None:
    project = dict(request["project"], command=_command(request))
    door = Door(wire, request["session"], request["settings"])
    door.install()
    if request["verb"] in {"describe", "sql", "compare"}:
        look = Look(wire, door)
        look.install()
        with look.stillness.required(), opened(project) as environment:
            if request["verb"] == "sql":
                render(wire, look, environment, request["revisions"])
            elif request["verb"] == "compare":
                compare(wire, look, environment, request["ledger"], is_behind=request["is_behind"])
            else:
                look.run(environment)
        return
    tape = Tape(wire, request["limits"], Shapes(request["rehearsed"]), Trace() if request["trace"] else None)
    tape.install()
    with opened(project) as environment:
        Upgrade(wire, door, tape, request).run(environment)


def _command(request: Mapping[str, Any]) -> List[str]:
    """Returns the command of Alembic that a request stands for, which env.py may ask about."""
    revisions = request.get("revisions") or ["heads"]
    if request.get("direction") == "down":
        return ["downgrade", "-{}".format(len(revisions))]
    return ["upgrade", revisions[-1]]
