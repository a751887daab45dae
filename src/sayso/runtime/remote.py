"""Client of a policy server: ours behind ``sayso serve``, or any openpi server.

::

    observation ──> to_server ──> msgpack ──>  ws://...  ──> {"actions": [K, A]} ──> from_server ──> Chunk
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from sayso.calling import CalledLikeAModel
from sayso.data.statistics import Stats
from sayso.models.words import Reading
from sayso.runtime.request import BUSY, MAX_WORDS, RESET, WARNINGS
from sayso.runtime.wire import WireError, authorization, describe, pack, unpack
from sayso.spec import ACTION, STATE, Array, Chunk, Features, Observation, SaysoError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Time between two attempts to connect; each is twice the one before."""
CLOSE_S = 1.0
SETTLE_S = 0.005
"""How long after an answer a second one to the same question is waited for. Answers of openpi's
protocol carry no number, so one that comes even later cannot be told from that to the next question."""
LONGEST_CHUNK = 4096
LARGEST_ANSWER = 16_000_000
LONGEST_WARNING = 500
LONGEST_MS = 1e6
SCHEMES = ("ws://", "wss://")
LOG = logging.getLogger(__name__)


class RemoteError(SaysoError):
    """Policy elsewhere that could not be reached, or could not or would not answer."""


@dataclass(frozen=True)
class Renamed:
    """Renamed observations: only some things, under the names another server knows them by.

    For example, for openpi's LIBERO policies:
    ``Renamed({"observation.images.front": "observation/image", "task": "prompt"})``.
    """

    theirs: Mapping[str, str]
    """Our name -> theirs."""

    def __call__(self, observation: Observation) -> dict[str, Any]:
        """Return what to send.

        Raises:
            RemoteError: if the observation lacks one of our names.
        """
        missing = [name for name in self.theirs if name not in observation]
        if missing:
            raise RemoteError(
                f"{', '.join(missing)} should be sent, but the observation has {', '.join(observation)}"
            )
        return {theirs: observation[ours] for ours, theirs in self.theirs.items()}


def unchanged(actions: Array) -> Array:
    """Return the actions as they are: a server of ours speaks robot units."""
    return actions


class RemotePolicy(CalledLikeAModel):
    """Policy behind a server. Not to be shared by threads: the server answers one question at a time."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        to_server: Callable[[Observation], Mapping[str, Any]] = dict,
        from_server: Callable[[Array], Array] = unchanged,
        connect_s: float = 10.0,
        answer_s: float = 10.0,
    ) -> None:
        """Connect, trying again and again for `connect_s` seconds.

        Args:
            url: ``ws://host:port`` or ``wss://host:port``.
            token: what to show the server as ``Authorization: Api-Key <token>``; empty shows nothing.
            to_server: what to send for an observation, such as `Renamed`.
            from_server: turns the server's actions, float32 ``[K, A]``, into robot units.
            connect_s: how long to try to reach the server, now and whenever the connection is lost.
            answer_s: how long to wait for an answer.

        Raises:
            RemoteError: if that fails.
            WireError: if the token cannot be shown.
        """
        if not url.startswith(SCHEMES):
            raise RemoteError(f"a server is named as ws://host:port or wss://host:port, but got {url!r}")
        self.url = url
        self._headers = {"Authorization": authorization(token)} if token else None
        self._to_server, self._from_server = to_server, from_server
        self._connect_s, self._answer_s = connect_s, answer_s
        self._connection: Connection | None = None
        self._opened = ExitStack()
        self._introduction: bytes | str = ""
        self._begins = True
        self._answered = 0.0
        self._warned: tuple[str, ...] = ()
        self.every_s = 0.0
        """How much time a busy server asks its clients to leave between two questions; 0 while it does not.
        Whoever asks more often is answered as well, and waits."""
        self.metadata: Mapping[str, Any] = {}
        """What the server says about itself; a server of ours names its features."""
        self._connected()

    @property
    def stats(self) -> Mapping[str, Stats]:
        """Return the statistics of what the policy learned from; empty if the server does not tell.

        Raises:
            RemoteError: if what it tells are none.
        """
        try:
            told = self.metadata.get("stats", {})
            stats = {key: Stats.from_json(raw) for key, raw in dict(told).items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RemoteError(f"{self.url} tells statistics that are none: {error!r}") from error
        if self.features is not None:
            wanted = {STATE: len(self.features.state), ACTION: len(self.features.action)}
            for key, one in stats.items():
                numbers = np.array(list(vars(one).values()))
                if numbers.shape[1] != wanted.get(key) or not np.isfinite(numbers).all():
                    raise RemoteError(
                        f"{self.url} tells statistics of {key!r} that are none: they should be "
                        f"{wanted.get(key, 'no')} finite numbers each"
                    )
        return stats

    @property
    def features(self) -> Features | None:
        """Return what the policy sees and returns, or None if the server is not one of ours.

        Raises:
            RemoteError: if it claims to be and does not say.
        """
        if self.metadata.get("server") != "sayso":
            return None
        try:
            return Features.from_json(self.metadata["features"])
        except (KeyError, TypeError, ValueError) as error:
            raise RemoteError(
                f"{self.url} does not say what its policy sees: {error}. Serve it with the sayso of here"
            ) from error

    @property
    def words(self) -> str:
        """Return the name of the wide wordings that the policy learned; none if the server does not tell."""
        told = self.metadata.get("training")
        return str(told.get("words", "")) if isinstance(told, Mapping) else ""

    def hear(self, instruction: str) -> Reading | None:
        """Say what of an instruction the policy reads; None if its server does not tell."""
        longest = self.metadata.get(MAX_WORDS)
        if self.metadata.get("server") != "sayso" or not isinstance(longest, int) or longest < 2:
            return None
        reading = Reading.of(instruction, longest)
        self._warned = reading.faults
        return reading

    def act(self, observation: Observation) -> Chunk:
        """Return the next actions, ``[K, A]`` in robot units.

        If the connection was lost, it is made anew and the question is asked once more; a policy that
        remembers what it saw then begins afresh.

        Raises:
            RemoteError: if the server cannot be reached, does not answer in time, answers with an error, or
                came back with another policy.
        """
        request = dict(self._to_server(observation))
        if self.metadata.get(RESET) is True:
            request[RESET] = self._begins
        message = pack(request)
        try:
            answer = self._ask(message)
        except ConnectionClosed:
            self.close()
            answer = self._ask_again(message)
        chunk = self._chunk(answer)
        self._begins = False
        self._warn(answer.get(WARNINGS))
        self._heed(answer.get(BUSY))
        return chunk

    def reset(self) -> None:
        """Forget the episode that just ended. A server of ours is told with the next observation."""
        self._begins = True

    def close(self) -> None:
        """Hang up. Whoever asks again is connected again."""
        self._connection = None
        self._opened.close()

    def __enter__(self) -> Self:
        """Return itself; it is connected already."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Hang up."""
        self.close()

    def _warn(self, told: Any) -> None:
        """Log what the server says is not understood, once, unless somebody was told before (`hear`)."""
        given = told if isinstance(told, list) else []
        lines = tuple(line[:LONGEST_WARNING] for line in given if isinstance(line, str))
        if lines and lines != self._warned:
            self._warned = lines
            for line in lines:
                LOG.warning("%s says: %r", self.url, line)

    def _heed(self, told: Any) -> None:
        """Keep what the server says of being busy, and log it when that begins."""
        busy = told if isinstance(told, Mapping) else {}
        every_ms, clients = busy.get("every_ms"), busy.get("clients")
        every_s = every_ms / 1000 if isinstance(every_ms, int | float) and 0 < every_ms < LONGEST_MS else 0.0
        if every_s and not self.every_s:
            many = clients if isinstance(clients, int) else "many"
            told = f"is busy with {many} clients: an answer takes {every_s:.1f} s now"
            LOG.warning("%s %s; ask no more often than that, or give it more cores", self.url, told)
        self.every_s = every_s

    def _ask(self, message: bytes) -> dict[str, Any]:
        connection = self._quiet()
        connection.send(message)
        try:
            answer = connection.recv(timeout=self._answer_s)
        except TimeoutError as error:
            self.close()  # else a late answer would be taken for that to the next question
            raise RemoteError(f"{self.url} did not answer within {self._answer_s:g} s") from error
        self._answered = time.monotonic()
        return self._map(answer)

    def _quiet(self) -> Connection:
        """Return a connection on which nobody has spoken since the last answer.

        What came unasked, such as a second answer to the last question, would be taken for that to the next.
        """
        for _ in range(2):
            connection = self._connected()
            try:
                connection.recv(timeout=max(0.0, self._answered + SETTLE_S - time.monotonic()))
            except TimeoutError:
                return connection
            self.close()
        raise RemoteError(f"{self.url} speaks before it is asked, so no answer can be told from another")

    def _ask_again(self, message: bytes) -> dict[str, Any]:
        try:
            return self._ask(message)
        except ConnectionClosed as error:
            self.close()
            raise RemoteError(f"{self.url} hung up twice when it was asked: {error}") from error

    def _connected(self) -> Connection:
        """Return the connection, made anew if there is none."""
        deadline, pause_s = time.monotonic() + self._connect_s, FIRST_PAUSE_S
        while self._connection is None:
            try:
                self._connection = self._connect(max(deadline - time.monotonic(), FIRST_PAUSE_S))
            except (OSError, EOFError, ValueError, WebSocketException) as error:
                if _is_final(error) or time.monotonic() + pause_s > deadline:
                    raise RemoteError(_unreachable(self.url, error)) from error
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return self._connection

    def _connect(self, timeout_s: float) -> Connection:
        """Open a connection and hear what the server says about itself."""
        with ExitStack() as opened:
            connection = opened.enter_context(
                connect(
                    self.url,
                    additional_headers=self._headers,
                    compression=None,
                    open_timeout=timeout_s,
                    close_timeout=CLOSE_S,
                    max_size=LARGEST_ANSWER,
                    ping_interval=None,  # a server that computes in its event loop answers no pings meanwhile
                    proxy=None,
                )
            )
            introduction = connection.recv(timeout=timeout_s)
            self.metadata = self._map(introduction)
            if self._introduction not in ("", introduction):
                raise RemoteError(f"{self.url} serves another policy than before; make a new RemotePolicy")
            self._introduction, self._opened = introduction, opened.pop_all()
        return connection

    def _map(self, message: bytes | str) -> dict[str, Any]:
        if isinstance(message, str):
            raise RemoteError(f"{self.url} answered with an error:\n{message}")
        try:
            value = unpack(message)
        except WireError as error:
            raise RemoteError(f"{self.url} is not an openpi server: {error}") from error
        if not isinstance(value, dict):
            raise RemoteError(f"{self.url} is not an openpi server: it sent {describe(value)} and not a map")
        return value

    def _chunk(self, answer: Mapping[str, Any]) -> Chunk:
        actions = answer.get("actions")
        if not isinstance(actions, np.ndarray) or actions.ndim not in (1, 2):
            raise RemoteError(
                f"{self.url} should answer with 'actions', an array [K, A], but sent {describe(actions)} "
                f"beside {', '.join(str(name) for name in answer if name != 'actions') or 'nothing'}"
            )
        if actions.dtype.kind != "f":
            raise RemoteError(f"{self.url} should answer in floats, but its actions are {describe(actions)}")
        rows = len(actions) if actions.ndim == 2 else 1
        announced = self.metadata.get("chunk") if self.metadata.get("server") == "sayso" else None
        if rows != (announced or rows) or rows > LONGEST_CHUNK:
            wanted = f"the {announced} it announced" if announced else f"{LONGEST_CHUNK} at most"
            raise RemoteError(f"{self.url} answered with {rows} actions instead of {wanted}")
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused as such
            numbers = np.atleast_2d(actions).astype(np.float32)
        return Chunk(self._from_server(numbers))


def _is_final(error: Exception) -> bool:
    """Tell whether trying again is useless. A server that is full (503) may have a place later."""
    return isinstance(error, InvalidURI | ValueError) or (
        isinstance(error, InvalidStatus) and error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _unreachable(url: str, error: Exception) -> str:
    """Say why nobody answers, and what to do where that is known."""
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {url}: start `sayso serve` there, or look at the address"
    reason = str(error) or type(error).__name__
    if isinstance(error, InvalidStatus):
        said = (error.response.body or b"")[:200].decode(errors="replace").strip()
        reason = f"it refused with {error.response.status_code}: {said}"
    elif isinstance(error, socket.gaierror):
        reason = f"no computer of that name is found ({error.strerror})"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror[0].lower() + error.strerror[1:]
    return f"{url} cannot be reached: {reason}"
