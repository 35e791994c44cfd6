"""Servers of our own that speak just enough of PostgreSQL's protocol: one that refuses, one that stands in between."""

from __future__ import annotations

import contextlib
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from alembook.postgres.connection import Database

_KEY_DATA = b"K\x00\x00\x00\x0c"  # BackendKeyData: type, length; backend pid and secret key follow


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[Database]:
    """Yields where a server listens that handles each connection by ``serve``, in a thread of its own."""
    with tempfile.TemporaryDirectory(prefix="alembook-wire-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(folder) / ".s.PGSQL.5432"))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
        yield Database(host=folder, user="ann", password="s3cret-of-ann", dbname="shop")
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                serve(client)


def refusing(text: str) -> contextlib.AbstractContextManager[Database]:
    """Returns a server that answers every connection with one FATAL message."""

    def serve(client: socket.socket) -> None:
        client.recv(65536)
        fields = b"".join(kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"M", text))) + b"\0"
        client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    return listening(serve)


@contextlib.contextmanager
def pooler(behind: Database, sent: bytearray) -> Iterator[Database]:
    """Yields a pooler in front of a database: its clients are told a pid of the pooler's own.

    Args:
        behind: the database, over a unix socket.
        sent: grows by everything clients send.
    """

    def kept(data: bytes) -> bytes:
        sent.extend(data)
        return data

    def serve(client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{behind.host}/.s.PGSQL.{behind.port}")
            back = threading.Thread(target=_copy, args=(server, client, _with_own_pid), daemon=True)
            back.start()
            _copy(client, server, kept)
            back.join(5)

    with listening(serve) as place:
        yield Database(host=place.host, user=behind.user, dbname=behind.dbname)


def _copy(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(change(data))
        sink.shutdown(socket.SHUT_RDWR)


def _with_own_pid(data: bytes) -> bytes:
    at = data.find(_KEY_DATA)
    if at < 0:
        return data
    pid = at + len(_KEY_DATA)
    return data[:pid] + struct.pack("!i", 1_125_078_020) + data[pid + 4 :]
