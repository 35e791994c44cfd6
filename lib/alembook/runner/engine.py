"""Our papermill engine: what each cell really did, from the kernel's own replies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from queue import Empty
from typing import Any, cast

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

from alembook.runner.kernels import Kernel
from alembook.runner.outcome import CellError, Outcome, Status, plain
from alembook.runner.record import Record

NAME = "alembook"
#: A kernel that has not answered by then is given up.
START_TIMEOUT_S = 60.0
#: After a reply its last outputs must follow; far longer than a busy machine needs, and no lost output goes unnoticed.
_OUTPUT_TIMEOUT_S = 60
_ASK_AGAIN_S = 0.25

# Nothing of papermill, nbclient or zmq reaches the terminal: what matters is in the record and in our errors.
_quiet = logging.getLogger("alembook.runner.quiet")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False
logging.getLogger("papermill").addHandler(logging.NullHandler())


class Supervision:
    """What the thread that waits and the thread that executes tell each other.

    Args:
        kernel: the kernel that executes.
        cell_timeout_s: how long one cell may take; None is no limit.
    """

    def __init__(self, kernel: Kernel, cell_timeout_s: float | None = None) -> None:
        self.kernel = kernel
        self.cause: Status | None = None
        self.signal: int | None = None
        self._cell_timeout_s = cell_timeout_s
        self._cell_began: float | None = None

    def cell_begins(self) -> None:
        """Starts the clock of a cell."""
        self._cell_began = time.monotonic()

    def cell_ends(self) -> None:
        """Stops the clock."""
        self._cell_began = None

    def is_overdue(self) -> bool:
        """Says whether the running cell has used up its time."""
        began, limit = self._cell_began, self._cell_timeout_s
        return began is not None and limit is not None and time.monotonic() - began > limit

    def stop(self, cause: Status, number: int | None = None) -> None:
        """Asks the running cell to end, and no further one to start. The first cause stays."""
        if self.cause is None:
            self.cause, self.signal = cause, number
        self.kernel.interrupt()


class Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """Executes the cells of a record in a kernel that is already there."""

    def __init__(self, record: Record, supervision: Supervision) -> None:
        super().__init__(
            record,
            km=supervision.kernel.manager,
            raise_on_iopub_timeout=True,
            iopub_timeout=_OUTPUT_TIMEOUT_S,
            force_raise_errors=True,
            log=_quiet,
            on_cell_executed=self._heard,
        )
        self._record = record
        self._supervision = supervision
        self._reply: dict[str, Any] | None = None
        self._end: tuple[Status, CellError | None] | None = None

    def execute(self, **_: Any) -> Outcome:
        """Executes the notebook to its end or to the first cell that does not succeed, and returns what became of it.

        Raises:
            errors.ArchiveFailed: the record could not be saved.
        """
        self._record.begins(self._supervision.kernel.pid)
        asyncio.run(self._execute())
        outcome = self._outcome()
        self._record.ends(outcome)
        return outcome

    async def _execute(self) -> None:
        try:
            if not await self._connect():
                self._end = (self._supervision.cause or Status.KERNEL_DIED, None)
                return
            for index in self._record.runnable:
                if self._supervision.cause or not await self._run(index):
                    return
        finally:
            if self.kc is not None:
                self.kc.stop_channels()

    async def _connect(self) -> bool:
        """Connects to the kernel, still booting or not; False when it died or never answered.

        Ready is when both a reply and a published message came: until then a cell's outputs could be lost.
        """
        self.kc = self.km.client()
        self.kc.start_channels(stdin=False, hb=False, control=False)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._supervision.kernel.is_alive() and time.monotonic() < deadline:
            self.kc.kernel_info()
            try:
                await self.kc.get_shell_msg(timeout=_ASK_AGAIN_S)
                await self.kc.get_iopub_msg(timeout=_ASK_AGAIN_S)
            except Empty:
                continue
            return True
        return False

    async def _run(self, index: int) -> bool:
        """Runs one cell; says whether the next one may start."""
        self._record.cell_begins(index)
        self._supervision.cell_begins()
        self._reply, failure = None, None
        try:
            await self.async_execute_cell(self.nb.cells[index], index)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failure = error
        self._supervision.cell_ends()
        status, raised = self._judged(failure)
        self._record.cell_ends(status, raised, is_reply=self._reply is not None)
        if status is Status.SUCCEEDED:
            return True
        self._end = (status, raised)
        return False

    def _heard(self, *, execute_reply: dict[str, Any], **_: Any) -> None:
        self._reply = execute_reply["content"]

    def _judged(self, failure: Exception | None) -> tuple[Status, CellError | None]:
        """Returns what the cell just run did: the kernel's reply, or where there is none, how waiting ended."""
        cause = self._supervision.cause
        if isinstance(failure, DeadKernelError):
            return cause or Status.KERNEL_DIED, None
        if self._reply is None:
            text = "The kernel replied, but the cell's outputs did not all arrive."
            return cause or Status.FAILED, CellError(name="OutputLost", text=text)
        if self._reply["status"] == "ok":
            is_exit = any(part.get("source") == "ask_exit" for part in self._reply.get("payload", []))
            return (Status.EXITED if is_exit else Status.SUCCEEDED), None
        error = CellError.from_reply(self._reply)
        ends = {"SystemExit": Status.EXITED, "KeyboardInterrupt": Status.INTERRUPTED}
        return cause or ends.get(error.name, Status.FAILED), error

    def process_message(self, msg: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Takes a message in; an error's text loses what it quotes of a row before it can reach the record."""
        if msg["msg_type"] == "error":
            content = msg["content"]
            content["evalue"] = plain(content["evalue"])
            content["traceback"] = [plain(line) for line in content["traceback"]]
        return super().process_message(msg, *args, **kwargs)

    def _outcome(self) -> Outcome:
        supervision, record = self._supervision, self._record
        status, error = self._end or (supervision.cause or Status.SUCCEEDED, None)
        died = status is Status.KERNEL_DIED
        return Outcome(
            notebook=record.path.name,
            status=status,
            error=error,
            cell=None if status is Status.SUCCEEDED else record.where,
            cells_run=record.cells_run,
            cells_total=len(record.runnable),
            seconds=record.seconds,
            kernel_pid=supervision.kernel.pid,
            signal=supervision.signal if status is Status.INTERRUPTED else None,
            last_words=supervision.kernel.last_words() if died else "",
        )


class AlembookEngine(Engine):  # type: ignore[misc] # papermill has no types
    """Hands the notebook papermill has prepared to us, and papermill nothing to judge or to write."""

    @classmethod
    def execute_notebook(
        cls,
        nb: nbformat.NotebookNode,
        kernel_name: str,  # noqa: ARG003 - the signature is papermill's
        *,
        conduct: Callable[[nbformat.NotebookNode], None],
        **_: Any,
    ) -> nbformat.NotebookNode:
        """Calls ``conduct`` with the notebook.

        Returns an empty notebook: papermill would look for errors in what it gets back, add banner cells that shift
        every index, and save it again in place.
        """
        conduct(nb)
        empty = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
        return cast(nbformat.NotebookNode, nbformat.from_dict(empty))


papermill_engines.register(NAME, AlembookEngine)
