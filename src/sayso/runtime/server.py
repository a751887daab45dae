"""Policy server over openpi's websocket protocol: observations come in, chunks of actions go out.

::

    client                                     server
      |---- GET /, Authorization: Api-Key ... -->|  a policy of this connection's own
      |<--- msgpack(what it is) -----------------|
      |---- msgpack(observation) --------------->|  checked, then computed with those that came meanwhile
      |<--- msgpack({"actions": [K, A], ...}) ---|
      |<--- "what was wrong", as text -----------|  the connection stays; it closes if the policy failed

Whoever waits for a slow client is a coroutine, so that it holds up nobody. What all of them ask is computed
by a few threads, many looks at once (`sayso.runtime.batching`). ``GET /healthz`` answers ``OK``, or 503 while
the policy is at one answer for too long; ``GET /metrics`` what Prometheus reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from sayso.runtime.admission import Admission
from sayso.runtime.batching import Answered, Batcher, LeftError, Look, Shape
from sayso.runtime.hearing import NotHeardError, not_heard
from sayso.runtime.inference import Worker
from sayso.runtime.introduction import introduced
from sayso.runtime.metrics import Metrics
from sayso.runtime.request import BUSY, WARNINGS, read_request
from sayso.runtime.wire import WireError, pack
from sayso.spec import (
    TASK,
    ConfigError,
    Features,
    Observation,
    Policy,
    SaysoError,
    above,
    at_least,
)

T = TypeVar("T")
HANDSHAKE_S = 5.0
PING_S, PONG_S = 20.0, 60.0
"""How often a silent client is asked whether it is there, and how long it may take to say so."""
GRACE_S = 5.0
"""How long those that are being served may take when the server is told to stop."""
GOING_AWAY, TOO_BIG, POLICY_FAILED = 1001, 1009, 1011
MOST_PIECES = 1000
"""In how many pieces a message may come: far more than any client that means well sends."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Where to listen and how much to put up with."""

    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own needs a token in the variable SAYSO_TOKEN."""
    port: int = 8000
    """Port to listen on; 0 lets the system choose a free one."""
    connections: int = 16
    """Clients at a time; further ones are told to come back later."""
    max_mb: float = 16.0
    """Largest message, in megabytes."""
    idle_s: float = 600.0
    """Seconds after which a client that asks for nothing, or does not take its answer, is hung up on."""
    hung_s: float = 10.0
    """Seconds of one answer after which /healthz says that the policy hangs."""
    workers: int = 0
    """Threads that compute, each at looks of its own. 0 is one per core for a checkpoint; an export has one,
    which takes all cores."""
    batch: int = 16
    """Most looks that a thread computes at once; 1 computes each by itself."""
    busy_ms: float = 200.0
    """Milliseconds for which a look may wait for other clients' before its answer says that the server is
    busy."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not 0 <= self.port < 2**16:
            raise ConfigError(f"port is {self.port}, but ports run from 0 (any that is free) to 65535")
        at_least(self, connections=1, workers=0, batch=1)
        above(self, max_mb=0, idle_s=0, hung_s=0, busy_ms=0)


class PolicyServer:
    """Server that answers any number of clients, each with a policy of its own."""

    def __init__(
        self,
        make_policy: Callable[[], Policy],
        features: Features,
        config: ServeConfig,
        *,
        token: str = "",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare to serve; nothing is opened yet.

        Args:
            make_policy: called once for each connection, as a policy may remember what it saw. It should be
                quick, for others wait for it: share the weights.
            features: what the policy sees and returns.
            config: where to listen and how much to put up with.
            token: what clients must show as ``Authorization: Api-Key <token>``; empty lets everybody in.
            about: plain facts to tell clients, such as the ``policy``'s name, beside what the server knows.

        Raises:
            SaysoError: if others could reach the server and there is no token, or it cannot be shown.
        """
        self._make_policy, self._features, self._config = make_policy, features, config
        self._metrics = Metrics()
        self._admission = Admission(config.host, token, config.connections, self._metrics)
        self._about = dict(about or {})
        self._log = logging.getLogger("sayso.server")
        self._reading = Worker("reading")
        self._batcher = Batcher(threads=max(1, config.workers), most=config.batch)
        self._metrics.waiting.set_function(lambda: self._batcher.waiting)
        self._idle: set[ServerConnection] = set()
        self._stopping = False
        self._hello = b""
        self._shape = Shape(features=features)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Try the policy once, then listen, once only; yield the address, and at the end let answers go out.

        Raises:
            SaysoError: if it cannot listen there, or the policy does not fit the features.
        """
        try:
            told, self._shape = await self._in_thread(
                lambda: introduced(self._make_policy(), self._features, self._about)
            )
            self._hello = pack(told)
            server = await self._listen()
            try:
                yield _address(server)
            finally:
                await self._stop(server)
        finally:
            self._batcher.close()
            self._reading.close()

    async def _listen(self) -> Server:
        config, quiet = self._config, logging.getLogger("sayso.server.websockets")
        quiet.setLevel(logging.CRITICAL)  # else whoever sends rubbish writes tracebacks into the log
        try:
            return await serve(
                self._converse,
                config.host,
                config.port,
                process_request=self._receive,
                origins=[None],  # pages in a browser say where they are from; robots do not
                compression=None,
                server_header=None,
                open_timeout=HANDSHAKE_S,
                ping_interval=PING_S,
                ping_timeout=PONG_S,
                close_timeout=GRACE_S / 2,
                max_size=int(config.max_mb * 1e6),
                max_queue=1,
                logger=quiet,
            )
        except OSError as error:
            raise SaysoError(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error

    def _receive(self, connection: ServerConnection, request: Request) -> Response | None:
        busy_s = max(self._reading.busy_s, self._batcher.busy_s)
        return self._admission.receive(connection, request, busy_s, self._config.hung_s)

    async def _converse(self, connection: ServerConnection) -> None:
        """Serve one client until it leaves, dawdles or breaks the policy, or the server stops."""
        self._admission.count(1)
        try:
            await self._serve(connection)
        except (ConnectionClosed, LeftError):
            pass
        except _DawdledError:
            await connection.close(GOING_AWAY, f"nothing happened for {self._config.idle_s:g} s")
        except Exception as error:  # the border to strangers: the log has the whole story, they do not
            self._metrics.requests.labels("failed").inc()
            self._log.exception("a policy failed; its connection is closed")
            reason = str(error) if isinstance(error, SaysoError) else type(error).__name__
            with contextlib.suppress(ConnectionClosed, _DawdledError):
                await self._send(connection, f"the policy failed ({reason}); the server's log says more")
            await connection.close(POLICY_FAILED, "the policy failed")
        finally:
            self._admission.count(-1)

    async def _serve(self, connection: ServerConnection) -> None:
        """Introduce the policy, then answer one message after the other."""
        policy = await self._in_thread(self._make_policy)
        await self._send(connection, self._hello)
        begins, before, well_meant, asked, warnings = True, dict[str, float](), True, "", tuple[str, ...]()
        while not self._stopping:
            message = await self._hear(connection)
            came = time.perf_counter()
            try:
                observation, reset, news = await self._in_thread(
                    partial(_read, message, self._features, policy, asked)
                )
            except (WireError, NotHeardError) as error:
                self._metrics.requests.labels("refused").inc()
                if well_meant:  # once: whoever sends rubbish without end must not fill the log
                    self._log.warning("a message was refused: %r", str(error))
                well_meant = False
                await self._send(connection, str(error))
                continue
            asked, warnings = observation[TASK], warnings if news is None else news
            look = Look(policy=policy, observation=observation, begins=reset or begins)
            found = await self._batcher.ask(look, self._shape, lambda: connection.state is State.OPEN)
            begins = False
            answer = {
                "actions": found.chunk.actions,
                "server_timing": {
                    "infer_ms": _ms_since(came),
                    "queue_ms": 1000 * found.waited_s,
                    "batch_size": found.together,
                    **before,
                },
                "policy_timing": {"infer_ms": 1000 * found.act_s},
                **({WARNINGS: list(warnings)} if warnings else {}),
                **self._pressure(found),
            }
            await self._send(connection, pack(answer))
            before = {"prev_total_ms": _ms_since(came)}
            self._metrics.count(found)
        await connection.close(GOING_AWAY, "the server is going down")

    def _pressure(self, found: Answered) -> dict[str, Any]:
        """Return what to tell a client whose look waited for long (back-pressure): how seldom to ask."""
        if 1000 * found.waited_s <= self._config.busy_ms:
            return {}
        every_ms = 1000 * (found.waited_s + found.act_s)
        return {BUSY: {"clients": self._admission.inside, "every_ms": every_ms}}

    async def _hear(self, connection: ServerConnection) -> bytes | str:
        self._idle.add(connection)
        try:
            async with asyncio.timeout(self._config.idle_s):
                return await _whole(connection)
        except TimeoutError as error:
            raise _DawdledError from error
        finally:
            self._idle.discard(connection)

    async def _send(self, connection: ServerConnection, message: bytes | str) -> None:
        try:
            async with asyncio.timeout(self._config.idle_s):
                await connection.send(message)
        except TimeoutError as error:
            raise _DawdledError from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._reading.submit(work))

    async def _stop(self, server: Server) -> None:
        """Hang up on who is idle at once, and on the others when they have their answer."""
        self._stopping = True
        server.close(close_connections=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await asyncio.gather(*(c.close(GOING_AWAY, "the server is going down") for c in self._idle))
                await server.wait_closed()
        for connection in server.connections:
            connection.transport.abort()


def run_server(server: PolicyServer, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, let the answers that are under way go out, and return.

    A second signal ends the process at once.

    Args:
        server: what to run.
        announce: called with the address once it is open.
    """
    asyncio.run(_until_signal(server, announce))


async def _until_signal(server: PolicyServer, announce: Callable[[str], None]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with server.listening() as url:
        # Not by the loop's own handlers, which Windows lacks.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        announce(url)
        await stop.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _DawdledError(Exception):
    """Client that took too long."""


def _read(
    message: bytes | str, features: Features, policy: Policy, asked: str
) -> tuple[Observation, bool, tuple[str, ...] | None]:
    """Return what a client sees, whether an episode begins, and what is wrong with an instruction if new."""
    observation, reset = read_request(message, features)
    task = observation[TASK]
    return observation, reset, None if task == asked else not_heard(policy, task)


def _address(server: Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


async def _whole(connection: ServerConnection) -> bytes | str:
    """Return the next message. Below its version 17, websockets gathers one of endless pieces for ever."""
    pieces: list[Any] = []
    async for piece in connection.recv_streaming():
        pieces.append(piece)
        if len(pieces) > MOST_PIECES:
            await connection.close(TOO_BIG, f"a message in more than {MOST_PIECES} pieces")
    whole: bytes | str = pieces[0][:0].join(pieces)
    return whole


def _ms_since(moment: float) -> float:
    return 1000 * (time.perf_counter() - moment)
