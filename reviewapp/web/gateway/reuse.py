"""Stored answers served again, and one call upstream for many equal ones at a time.

A call that wants a stored answer (by its header or its source's policy) and brings a seed is looked
up in the tables, in a few threads of its own. It is the only kind of call whose way leads through the
database; while that is away every such call is a miss and goes to the provider like any other.

The answer does not wait until its serving is noted: that goes into the journal at the same time and
reaches the tables as what is recorded does.

Of calls that are equal and under way together, one asks; the others wait for its answer. Theirs are
noted as reuses of it as soon as it is recorded.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from reviewapp.journal import Journal, JournalError
from reviewapp.pure import rawjson
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.splitting import split_response
from reviewapp.pure.streams import merge_chunks, parse_sse
from reviewapp.stages import reuse
from reviewapp.stages.record import Serving, encode_serving, note_servings
from reviewapp.stages.reuse import Asked, Tally, Wanted
from reviewapp.web.gateway.calls import Call
from reviewapp.web.gateway.relay import Exchange, Send

log = logging.getLogger(__name__)

THREADS: Final = 4
FLUSH_SECONDS: Final = 2.0
# Usually milliseconds; a database that is away takes seconds to say so.
LOOK_SECONDS: Final = 2.0
REST_SECONDS: Final = 5.0
# An answer that is not recorded by then never will be.
FORGET_SECONDS: Final = 600.0
# What has a seed can be asked for again.
_ENDPOINTS: Final = frozenset(["chat.completions", "completions"])
_HASH: Final = "sha256:"

Flight: TypeAlias = "asyncio.Future[Answer | None]"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that can be served: the response, and the stream's chunks where it came as one."""

    interaction: UUID
    started_at: datetime
    response: bytes
    chunks: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0


def policy_of(call: Call) -> str:
    """What the call says, else its source."""
    source = call.route.source
    return call.context.reuse or (source.reuse if source is not None else "off")


class Reuser:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._connections: list[BaseDatabaseWrapper] = []
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="gateway-reuse", initializer=self._connect
        )
        self._flights: dict[tuple[Any, ...], Flight] = {}
        self._lock = threading.Lock()
        self._tallies: dict[Asked, Tally] = {}
        self._unnoted: list[tuple[float, Serving]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._problem = ""
        self._rests_until = 0.0

    def wanted(self, call: Call) -> Wanted | None:
        """What to look for; None for a call that takes no stored answer."""
        policy = policy_of(call)
        if policy == "off" or call.seed is None or call.endpoint not in _ENDPOINTS:
            return None
        if not -(2**63) <= call.seed < 2**63:
            return None
        source = call.route.source
        request = rawjson.parse(call.request)
        digest = request_hash(call.endpoint, request)
        model = request.get("model")
        return Wanted(
            project=call.route.project,
            provider=call.route.provider.id,
            endpoint=call.endpoint,
            digest=bytes.fromhex(digest.removeprefix(_HASH)),
            seed=call.seed,
            policy=policy,
            source=source.id if source is not None else None,
            model=model if isinstance(model, str) else "",
            trace=call.context.trace,
            session=call.context.session,
            end_user=call.context.user,
        )

    async def stored(self, wanted: Wanted) -> Answer | None:
        """The stored answer, if one may be served now."""
        if time.monotonic() < self._rests_until:
            return None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await loop.run_in_executor(self._threads, _look, wanted)
        except Exception as error:
            # Whatever it is: without a stored answer the call is asked like any other, and those that
            # come next do not wait for the same failure.
            self._rests_until = time.monotonic() + REST_SECONDS
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("Stored answers can't be looked up, so every call is asked: %s", error)
            found = None
        return found

    def note(self, wanted: Wanted, answer: Answer, journal: Journal) -> None:
        """Have it noted that a stored answer is served. Does not wait until the note is durable."""
        self._count(wanted, answer, hits=1)
        serving = reuse.serving_of(wanted=wanted, interaction=answer.interaction, at=datetime.now(tz=UTC))

        def done(problem: JournalError | None) -> None:
            if problem is not None:
                # Then without the journal, by the flusher.
                with self._lock:
                    self._unnoted.append((time.monotonic(), serving))

        try:
            journal.begin(encode_serving(serving), done)
        except JournalError as problem:
            done(problem)

    def under_way(self, wanted: Wanted) -> Flight | None:
        """The equal call that is being asked now."""
        return self._flights.get(_equal(wanted))

    def join(self, wanted: Wanted, answer: Answer) -> None:
        """Note that an answer just given was given to one more."""
        self._count(wanted, answer, joined=1)
        serving = reuse.serving_of(wanted=wanted, interaction=answer.interaction, at=datetime.now(tz=UTC))
        with self._lock:
            self._unnoted.append((time.monotonic(), serving))

    def take_off(self, wanted: Wanted) -> Flight:
        """This call asks, for itself and for equal ones that come meanwhile."""
        self._count(wanted, None, misses=1)
        flight: Flight = asyncio.get_running_loop().create_future()
        self._flights[_equal(wanted)] = flight
        return flight

    def land(self, wanted: Wanted, flight: Flight, answer: Answer | None) -> None:
        """Its answer, or that there is none to share."""
        if self._flights.get(_equal(wanted)) is flight:
            del self._flights[_equal(wanted)]
        if not flight.done():
            flight.set_result(answer)

    async def close(self) -> None:
        """Write what was counted."""
        if self._flusher is not None:
            self._flusher.cancel()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._end)
        self._threads.shutdown(wait=True)

    def _end(self) -> None:
        self._flush()
        for one in self._connections:
            one.close()

    def _connect(self) -> None:
        """A thread keeps its connection; who ends the threads closes it."""
        mine = connections[DEFAULT_DB_ALIAS]
        mine.inc_thread_sharing()
        self._connections.append(mine)

    def _count(self, wanted: Wanted, answer: Answer | None, **more: int) -> None:
        if wanted.source is not None:
            with self._lock:
                asked = Asked(wanted.source, wanted.provider, wanted.model)
                tally = self._tallies.setdefault(asked, Tally())
                for name, number in more.items():
                    setattr(tally, name, getattr(tally, name) + number)
                if answer is not None:
                    tally.input_tokens += answer.input_tokens
                    tally.output_tokens += answer.output_tokens
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_again())

    async def _flush_again(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await asyncio.get_running_loop().run_in_executor(self._threads, self._flush)

    def _flush(self) -> None:
        with self._lock:
            tallies, self._tallies = self._tallies, {}
            unnoted, self._unnoted = self._unnoted, []
        late: set[UUID] = set()
        try:
            if unnoted:
                late = _noted([serving for _, serving in unnoted])
        except Exception as error:
            log.warning("What reuse served can't be noted now: %s", error)
            late = {serving.interaction for _, serving in unnoted}
            # Else it stays: to connect anew would hold up the next caller who gets this thread.
            connection.close()
        try:
            if tallies:
                reuse.note_tallies(tallies=tallies, now=datetime.now(tz=UTC))
                tallies = {}
        except Exception as error:
            log.warning("What reuse spared can't be written now: %s", error)
            connection.close()
        kept = [
            (since, serving)
            for since, serving in unnoted
            if serving.interaction in late and time.monotonic() - since < FORGET_SECONDS
        ]
        with self._lock:
            self._unnoted += kept
            for asked, told in tallies.items():
                tally = self._tallies.setdefault(asked, Tally())
                for name in fields(Tally):
                    setattr(tally, name.name, getattr(tally, name.name) + getattr(told, name.name))


def _noted(servings: list[Serving]) -> set[UUID]:
    """Note them; gives the interactions that are not there yet. What the tables refuse is told and left out.

    Refused with others it is found by halves, so that it holds back none of them.
    """
    try:
        return note_servings(servings)
    except (DataError, IntegrityError, ValueError) as error:
        if len(servings) == 1:
            log.warning("That %s was served again can't be noted: %s", servings[0].interaction, error)
            return set()
    half = len(servings) // 2
    return _noted(servings[:half]) | _noted(servings[half:])


def _equal(wanted: Wanted) -> tuple[Any, ...]:
    return wanted.project, wanted.provider, wanted.endpoint, wanted.digest, wanted.seed, wanted.policy


def _look(wanted: Wanted) -> Answer | None:
    try:
        found = reuse.find(wanted=wanted, now=datetime.now(tz=UTC))
    except Exception:
        connection.close()
        raise
    if found is None:
        return None
    texts = rawjson.items(rawjson.decode(found.chunks)) if found.chunks is not None else []
    return Answer(
        interaction=found.interaction,
        started_at=found.started_at,
        response=found.response,
        chunks=tuple(one.text for one in texts),
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
    )


def answer_of(call: Call, exchange: Exchange) -> Answer | None:
    """The answer that an exchange gave, if others can have it too."""
    body = exchange.whole_answer
    if body is None:
        return None
    chunks: tuple[str, ...] = ()
    try:
        if exchange.streams:
            events = parse_sse(body)
            if events.errors or not events.done:
                return None
            chunks = events.chunks
            value: Any = merge_chunks(call.endpoint, [rawjson.parse(chunk) for chunk in chunks])
            body = _dump(value)
        else:
            value = rawjson.parse(body)
    except rawjson.InvalidJson:
        return None
    if not isinstance(value, dict):
        return None
    answer = Answer(interaction=call.id, started_at=call.started_at, response=body, chunks=chunks)
    usage = value.get("usage")
    if isinstance(usage, Mapping):
        used = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        tokens = [count if type(count) is int and 0 <= count < 2**31 else 0 for count in used]
        answer = replace(answer, input_tokens=tokens[0], output_tokens=tokens[1])
    return answer


async def send_answer(send: Send, answer: Answer, call: Call) -> None:
    """Serve it, as a stream if the call asks for one, and say whose it is."""
    request = rawjson.parse(call.request)
    streams = request.get("stream") is True
    body = _stream(answer, call, request) if streams else answer.response
    age = max(0, round((datetime.now(tz=UTC) - answer.started_at).total_seconds()))
    headers = {
        "Content-Type": "text/event-stream; charset=utf-8" if streams else "application/json",
        "Content-Length": str(len(body)),
        "Age": str(age),
        "X-Review-Interaction": str(answer.interaction),
        "X-Review-Reused": str(answer.interaction),
        "X-Review-Seed": str(call.seed),
    }
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": named})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _stream(answer: Answer, call: Call, request: Mapping[str, Any]) -> bytes:
    if answer.chunks:
        texts = [rawjson.to_bytes(chunk) for chunk in answer.chunks]
    else:
        options = request.get("stream_options")
        usage = isinstance(options, Mapping) and options.get("include_usage") is True
        chunks = split_response(call.endpoint, rawjson.parse(answer.response), usage=usage)
        texts = [_dump(chunk) for chunk in chunks]
    return b"".join([*(b"data: " + text + b"\n\n" for text in texts), b"data: [DONE]\n\n"])


def _dump(value: Any) -> bytes:
    # Escaped: half a surrogate has no bytes of its own.
    return json.dumps(value).encode()
