"""A TCP proxy on loopback that drops a connection after so many bytes, for tests of lost answers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Cuts both ends once as many bytes have gone one way as it was armed with."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port, self._target = int(self._server.getsockname()[1]), port
        self._left: dict[str, int | None] = {"to server": None, "to client": None}
        self._is_once = False
        self.passed = {"to server": 0, "to client": 0}
        """Bytes each way since it was armed, or disarmed."""
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, *, to_server: int | None = None, to_client: int | None = None) -> None:
        """After so many more bytes in that direction; None disarms."""
        with self._lock:
            self._left = {"to server": to_server, "to client": to_client}
            self._is_once = False
            self.passed = {"to server": 0, "to client": 0}

    def arm_once(self, **ways: int) -> None:
        """The same for one connection: those that come after it go through."""
        self.arm(**ways)
        self._is_once = True

    def lead_to(self, port: int) -> None:
        """New connections go there, as after a failover."""
        self._target = port

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):  # else each answer in two pieces waits 40 ms for a delayed acknowledgement
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for a, b, way in ((client, server, "to server"), (server, client, "to client")):
                    threading.Thread(target=self._pump, args=(a, b, way), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    left = self._left[way]
                    self.passed[way] += len(data)
                    if left is not None:
                        gone = self._is_once and left < len(data)
                        self._left[way] = None if gone else max(left - len(data), 0)
                sink.sendall(data if left is None else data[:left])
                if left is not None and left < len(data):
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
