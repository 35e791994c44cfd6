"""SIGINT, SIGTERM and SIGHUP, as an error of ours in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from alembook import errors

_Handler = Callable[[int, FrameType | None], None]


@contextmanager
def trapped() -> Iterator[None]:
    """Makes the stopping signals raise ``errors.Stopped`` in the main thread, for as long as the block lasts.

    Outside the main thread, where Python allows no handlers, it does nothing.

    Raises:
        errors.Stopped: on SIGINT (exit 130), SIGTERM (143) or SIGHUP (129).
    """
    with _handled(_raise):
        yield


@contextmanager
def counted() -> Iterator[list[int]]:
    """Yields a list that grows by each stopping signal, which does nothing else meanwhile: for cleaning up in peace."""
    arrived: list[int] = []
    with _handled(lambda number, _: arrived.append(number)):
        yield arrived


def stopped(number: int) -> errors.Stopped:
    """Returns the error that stands for a signal."""
    return errors.Stopped(
        f"The run was stopped by {signal.Signals(number).name}.",
        next="Go on with `alembook run --run RUN`; the record says what was done.",
        exit_code=128 + number,
    )


def _raise(number: int, _: FrameType | None) -> None:
    raise stopped(number)


@contextmanager
def _handled(handler: _Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Under nohup a hangup is ignored on purpose, and stays so.
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
