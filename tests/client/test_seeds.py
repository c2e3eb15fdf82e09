"""Seeds by the client: in blocks, each once, and with the reason where there are none.

What the app gives, `tests/web/test_api_seeds.py` holds; here stands something small that answers as it does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reviewapp.client import NoSeeds, Seeds
from tests.serving import free_port


class App(ThreadingHTTPServer):
    """Gives as many seeds as it has left, by counting down; keeps what it was asked."""

    left = 10

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        count = wanted["count"]
        if count > self.left:
            return 409, {"detail": f"count: bot has {self.left} seeds left in its open ranges."}
        self.left -= count
        return 200, {"source": "bot", "seeds": list(range(self.left + count, self.left, -1))}


class Answer(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, wanted))
        status, told = self.server.answer(wanted)
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing to be read on the terminal."""


@pytest.fixture
def app() -> Iterator[App]:
    with App() as app:
        thread = threading.Thread(target=app.serve_forever)
        thread.start()
        yield app
        app.shutdown()
        thread.join(60)


def test_seeds_come_in_blocks_and_each_once(app):
    seeds = Seeds(app.url, key="ra_any", source="bot", block=4)

    taken = [seeds.next() for _ in range(6)]

    assert taken == [10, 9, 8, 7, 6, 5]
    assert app.asked == [("/api/v1/seeds/allocate", {"count": 4, "source": "bot"})] * 2


def test_the_last_seeds_of_a_range_are_given_too_and_then_it_says_so(app):
    seeds = Seeds(f"{app.url}/v1", key="ra_any", block=8)

    assert [seeds.next() for _ in range(10)] == list(range(10, 0, -1))
    with pytest.raises(NoSeeds, match="bot has 0 seeds left"):
        seeds.next()


def test_a_derived_seed_is_asked_for_with_its_request(app):
    request = {"model": "m", "messages": []}

    seed = Seeds(app.url, key="ra_any").of(request)

    assert seed == 10
    assert app.asked == [
        ("/api/v1/seeds/allocate", {"count": 1, "request": request, "endpoint": "chat.completions"})
    ]


def test_an_app_that_is_away_gives_no_seeds_and_says_so():
    with pytest.raises(NoSeeds, match="can't be asked"):
        Seeds(f"http://127.0.0.1:{free_port()}", key="ra_any").next()
