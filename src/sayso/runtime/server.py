"""Policy server over openpi's websocket protocol: observations come in, chunks of actions go out.

::

    client                                     server
      |---- GET /, Authorization: Api-Key ... -->|  a policy of this connection's own
      |<--- msgpack(what it is) -----------------|
      |---- msgpack(observation) --------------->|  checked, then one look at a time in the inference thread
      |<--- msgpack({"actions": [K, A], ...}) ---|
      |<--- "what was wrong", as text -----------|  the connection stays; it closes if the policy failed

Whoever waits for a slow client is a coroutine; whoever computes is one thread. So a client that dawdles holds
up nobody, and the cores are never shared by two looks. ``GET /healthz`` answers ``OK``, or 503 while the
policy is at one answer for too long; ``GET /metrics`` what Prometheus reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sayso.data.recognition import ROBOT
from sayso.data.statistics import Stats
from sayso.runtime.hearing import NotHeardError, not_heard, reading_of
from sayso.runtime.inference import Worker
from sayso.runtime.metrics import Metrics
from sayso.runtime.request import MAX_WORDS, RESET, WARNINGS, names, read_request
from sayso.runtime.wire import WireError, authorization, pack
from sayso.spec import (
    ACTION,
    STATE,
    TASK,
    Chunk,
    ConfigError,
    FeatureMismatchError,
    Features,
    Observation,
    Policy,
    SaysoError,
    above,
    at_least,
    image_key,
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

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not 0 <= self.port < 2**16:
            raise ConfigError(f"port is {self.port}, but ports run from 0 (any that is free) to 65535")
        at_least(self, connections=1)
        above(self, max_mb=0, idle_s=0, hung_s=0)


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
        if not token and not _is_own_address(config.host):
            raise SaysoError(
                f"whoever reaches {config.host} could drive this policy: set SAYSO_TOKEN to a secret that "
                "clients must show, or listen on 127.0.0.1"
            )
        self._make_policy, self._features, self._config = make_policy, features, config
        self._wanted = authorization(token).encode() if token else b""
        self._about = dict(about or {})
        self._metrics = Metrics()
        self._log = logging.getLogger("sayso.server")
        self._inference = Worker("inference")
        self._idle: set[ServerConnection] = set()
        self._open = 0
        self._stopping = False
        self._hello = b""
        self._chunk = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Try the policy once, then listen, once only; yield the address, and at the end let answers go out.

        Raises:
            SaysoError: if it cannot listen there, or the policy does not fit the features.
        """
        try:
            self._hello = pack(await self._in_thread(self._introduction))
            server = await self._listen()
            try:
                yield _address(server)
            finally:
                await self._stop(server)
        finally:
            self._inference.close()

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

    def _introduction(self) -> dict[str, Any]:
        """Look at nothing once: it warms the policy up, and says how long its chunks are."""
        its = self._features.robots[0] if self._features.robots else self._features
        blank: Observation = {
            image_key(camera): np.zeros((*size, 3), np.uint8) for camera, size in its.cameras.items()
        }
        blank |= {STATE: np.zeros(len(its.state), np.float32), TASK: "do nothing"}
        blank |= {ROBOT: 0} if self._features.robots else {}
        policy = self._make_policy()
        chunk, _ = _look(policy, blank, self._features, begins=True)
        spacings = {robot.spacing for robot in self._features.robots}
        self._chunk = len(chunk) if len(spacings) < 2 else 0  # else each robot has another
        stats: Mapping[str, Stats] = getattr(policy, "stats", {})
        read = reading_of(policy, blank[TASK])
        return {
            **self._about,
            "server": "sayso",
            "features": self._features.to_json(),
            **({"chunk": self._chunk} if self._chunk else {}),
            "stats": {key: stats[key].to_json() for key in (STATE, ACTION) if key in stats},
            "observation": names(self._features),
            RESET: True,
            **({MAX_WORDS: read.max_words} if read else {}),
        }

    def _receive(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is not the protocol, and turn away whom it is not for."""
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return self._health(connection)
        if not self._is_allowed(request):
            self._metrics.turned_away.labels("token").inc()
            return connection.respond(HTTPStatus.UNAUTHORIZED, "show the token: Authorization: Api-Key ...\n")
        if path == "/metrics":
            return self._metrics.response(connection)
        if self._open >= self._config.connections:
            self._metrics.turned_away.labels("full").inc()
            hint = f"all {self._open} places are taken; come back later\n"
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, hint)
        return None

    def _health(self, connection: ServerConnection) -> Response:
        busy_s = self._inference.busy_s
        if busy_s <= self._config.hung_s:
            return connection.respond(HTTPStatus.OK, "OK\n")
        hint = f"the policy has been at one answer for {busy_s:.0f} s\n"
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, hint)

    def _is_allowed(self, request: Request) -> bool:
        shown = [value.encode(errors="surrogateescape") for value in request.headers.get_all("Authorization")]
        return not self._wanted or (len(shown) == 1 and hmac.compare_digest(shown[0], self._wanted))

    async def _converse(self, connection: ServerConnection) -> None:
        """Serve one client until it leaves, dawdles or breaks the policy, or the server stops."""
        self._count(1)
        try:
            await self._serve(connection)
        except ConnectionClosed:
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
            self._count(-1)

    async def _serve(self, connection: ServerConnection) -> None:
        """Introduce the policy, then answer one message after the other."""
        policy = await self._in_thread(self._make_policy)
        await self._send(connection, self._hello)
        begins, before, well_meant, asked, warnings = True, dict[str, float](), True, "", tuple[str, ...]()
        while not self._stopping:
            message = await self._hear(connection)
            came = time.perf_counter()
            try:
                observation, reset = read_request(message, self._features)
                if (task := observation[TASK]) != asked:
                    warnings = await self._in_thread(partial(not_heard, policy, task))
                    asked = task
            except (WireError, NotHeardError) as error:
                self._metrics.requests.labels("refused").inc()
                if well_meant:  # once: whoever sends rubbish without end must not fill the log
                    self._log.warning("a message was refused: %r", str(error))
                well_meant = False
                await self._send(connection, str(error))
                continue
            chunk, act_s = await self._in_thread(
                partial(_look, policy, observation, self._features, begins=reset or begins, rows=self._chunk)
            )
            begins = False
            answer = {
                "actions": chunk.actions,
                "server_timing": {"infer_ms": _ms_since(came), **before},
                "policy_timing": {"infer_ms": 1000 * act_s},
                **({WARNINGS: list(warnings)} if warnings else {}),
            }
            await self._send(connection, pack(answer))
            before = {"prev_total_ms": _ms_since(came)}
            self._metrics.requests.labels("answered").inc()
            self._metrics.inference_s.observe(act_s)
        await connection.close(GOING_AWAY, "the server is going down")

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
        return await asyncio.wrap_future(self._inference.submit(work))

    def _count(self, more: int) -> None:
        self._open += more
        self._metrics.connections.set(self._open)

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


def _look(
    policy: Policy, observation: Observation, features: Features, *, begins: bool, rows: int = 0
) -> tuple[Chunk, float]:
    """Return the policy's chunk, of so many rows if that was announced, and the seconds it took."""
    if begins:
        policy.reset()
    started = time.perf_counter()
    chunk = policy.act(observation)
    its = features.robots[observation[ROBOT]] if features.robots else features
    width, wanted = chunk.actions.shape[1], len(its.action)
    if width != wanted:
        raise FeatureMismatchError(f"the policy returned {width} numbers per action instead of {wanted}")
    if rows and len(chunk) != rows:
        raise FeatureMismatchError(f"the policy returned {len(chunk)} actions instead of {rows}")
    return chunk, time.perf_counter() - started


def _is_own_address(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


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
