"""A tiny SMTP server on a real socket that keeps the messages it gets."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage
from typing import cast


class Mailbox:
    """The running server: where it listens, and what came."""

    def __init__(self) -> None:
        self.port = 0
        self.raw: list[str] = []

    @property
    def messages(self) -> list[EmailMessage]:
        return [cast(EmailMessage, message_from_string(raw, policy=policy.default)) for raw in self.raw]


@contextmanager
def receiving_mail() -> Iterator[Mailbox]:
    """Take mail on a free port until the block ends."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 test")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "EHLO":
                    self._say("250 test")
                elif word == "DATA":
                    self._say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text.removeprefix(".") if text.startswith("..") else text)
                    box.raw.append("\n".join(lines))
                    self._say("250 kept")
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 fine")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join(60)
