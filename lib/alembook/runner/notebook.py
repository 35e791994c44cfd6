"""One notebook, headless: parameters checked first, a kernel to itself, a true record whatever happens.

Two threads: papermill executes in one; the caller's waits for it, keeps the time limit and hears signals. So a signal
finds the main thread doing nothing, and never a save half done.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import papermill

from alembook import errors
from alembook.runner import engine, parameters, signals
from alembook.runner.kernels import Kernels
from alembook.runner.outcome import Outcome, Status
from alembook.runner.record import Clean, EventWriter, OnProgress, Record

_LOOK_EVERY_S = 0.1
GRACE_S = 10.0


def execute(
    source: Path,
    output: Path,
    given: Mapping[str, Any],
    *,
    events: EventWriter,
    kernels: Kernels,
    cell_timeout_s: float | None = None,
    grace_s: float = GRACE_S,
    on_progress: OnProgress | None = None,
    clean: Clean = str,
    is_last: bool = True,
) -> Outcome:
    """Executes a notebook and returns what became of it; a notebook that fails is an outcome, not an exception.

    It is saved whole before and after every cell. When a cell takes too long, or a signal stops the run, the kernel is
    interrupted, which cancels its statement, and killed after the grace; a second signal cuts the grace short.

    Args:
        source: the notebook; it is not changed.
        output: where the executed one goes; must not be there yet.
        given: parameters by name; the others keep the notebook's defaults.
        events: the run's.
        kernels: where the kernel comes from; it is ended here.
        cell_timeout_s: how long one cell may take; None is no limit.
        grace_s: how long an interrupted cell may take to end.
        on_progress: told (number of the cell, number of cells, heading) as a cell starts, from another thread.
        clean: takes secrets out of the text of each save.
        is_last: no further notebook follows; otherwise the next kernel boots while this one works.

    Raises:
        errors.UsageError: a parameter is unknown or of the wrong type, or the source cannot be read.
        errors.ArchiveFailed: the output exists, or could not be written; the kernel was ended.
    """
    checked = parameters.checked(source, given)
    _refuse_existing(output)
    kernel = kernels.take()
    if not is_last:
        kernels.warm_again()
    supervision = engine.Supervision(kernel, cell_timeout_s)

    def conduct(nb: nbformat.NotebookNode) -> None:
        record = Record(nb, path=output, source=source.name, events=events, on_progress=on_progress, clean=clean)
        outcomes.append(engine.Client(record, supervision).execute())

    outcomes: list[Outcome] = []
    try:
        _attended(partial(_papermill, source, checked, conduct), supervision, grace_s)
    finally:
        kernels.end(kernel)
    return outcomes[0]


def _attended(job: Callable[[], None], supervision: engine.Supervision, grace_s: float) -> None:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="notebook") as pool:
        try:
            work = pool.submit(job)
            _supervise(work, supervision, grace_s)
            work.result()
        finally:
            # Whatever was raised, a thread still at work sees its kernel dead within a second, and ends.
            supervision.kernel.kill()


def _papermill(source: Path, given: Mapping[str, Any], conduct: object) -> None:
    # papermill formats the path it reads with the parameters, hence the doubled braces.
    path = str(source.resolve()).replace("{", "{{").replace("}", "}}")
    papermill.execute_notebook(
        path,
        None,
        parameters=given,
        engine_name=engine.NAME,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        conduct=conduct,
    )


def _refuse_existing(output: Path) -> None:
    if output.exists():
        raise errors.ArchiveFailed(
            f"{output.name} is already in the archive.",
            why="an executed notebook is a record and is never overwritten.",
            next="Write the next attempt beside it (.a2), as a run's folder does.",
            state="nothing was begun.",
        )


def _supervise(work: Future[None], supervision: engine.Supervision, grace_s: float) -> None:
    """Waits for the work; returns only when it has ended, by itself or not."""
    try:
        while not wait([work], timeout=_LOOK_EVERY_S).done:
            if supervision.is_overdue():
                _wind_down(work, supervision, Status.TIMED_OUT, grace_s)
    except (errors.Stopped, KeyboardInterrupt) as stop:
        with signals.counted() as further:
            number = stop.exit_code - 128 if isinstance(stop, errors.Stopped) else signal.SIGINT
            _wind_down(work, supervision, Status.INTERRUPTED, grace_s, number=number, further=further)


def _wind_down(
    work: Future[None],
    supervision: engine.Supervision,
    cause: Status,
    grace_s: float,
    *,
    number: int | None = None,
    further: list[int] | None = None,
) -> None:
    """Interrupts the kernel, waits for the grace or for a further signal, kills it, waits for the record."""
    supervision.stop(cause, number)
    for _ in range(max(1, round(grace_s / _LOOK_EVERY_S))):
        if wait([work], timeout=_LOOK_EVERY_S).done or further:
            break
    if not work.done():
        supervision.kernel.kill()
    wait([work])
