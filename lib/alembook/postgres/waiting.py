"""Waiting for the server in Python, so that an interrupt cancels what it waits for."""

from __future__ import annotations

import select
import threading

import psycopg2.extensions

_kept = threading.local()
#: A statement that goes on is cancelled again so often, seconds.
_AGAIN_S = 0.5


def interruptible() -> None:
    """Lets Ctrl-C, and an interrupt of the kernel, cancel a statement under way in this process.

    libpq waits for the server without looking at signals; a wait loop of Python's does.
    """
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Waits for the server as ``psycopg2.extras.wait_select`` does, and keeps an interrupt that comes meanwhile.

    A cancelled statement fails by itself; for one that ended before it could be, who executed it asks ``interrupt``. A
    server that has not read the statement yet ignores what would cancel it: it is told again until the statement ends.
    """
    again_s: float | None = None
    while True:
        try:
            state = connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            reading = [connection.fileno()] if state == psycopg2.extensions.POLL_READ else []
            writing = [] if reading else [connection.fileno()]
            if not any(select.select(reading, writing, [], again_s)):
                connection.cancel()
        except KeyboardInterrupt as caught:
            _kept.interrupt, again_s = caught, _AGAIN_S
            connection.cancel()


def interrupt() -> KeyboardInterrupt | None:
    """Returns the interrupt that was kept in this thread, once."""
    kept: KeyboardInterrupt | None = getattr(_kept, "interrupt", None)
    _kept.interrupt = None
    return kept
