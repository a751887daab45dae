"""Fuzzing of what listens: wrong messages to a policy server and to the pages, and what came of them.

Counted is what a stranger must not be able to do: end the process (a death), let a question wait for more
than `PATIENCE_S` (a hang), make a policy fail, or see the inside of the program (a traceback). Every
`CHECK_EVERY` messages a client that means well must get its answer. What waited too long is sent once more,
for the machine may have been busy with something else: a hang is what hangs again.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from sayso.runtime.wire import pack, unpack
from sayso.spec import Features
from trust_found import Found
from trust_messages import (
    HANDSHAKE,
    HANDSHAKE_OF_PAGE,
    broken,
    changed,
    framed,
    frames_against_protocol,
    look_of,
    message_of_page,
    request_of_page,
)

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 5.0
"""Longest that anybody may wait for an answer, or for the line to be closed."""
CHECK_EVERY = 2000
WAITED_S = 0.5
"""For an answer to what may not be a whole request, before its end is said."""
INSIDE = re.compile(r'Traceback|File "/|\.py", line|0x[0-9a-f]{8,}')
"""What only the inside of a program looks like."""
SAY_FAILED = "the policy failed"
IN_LOG = "tracebacks in the log"
"""Which a stranger does not see."""


class Wire:
    """Line to a server, opened anew where it was closed."""

    def __init__(self, url: str) -> None:
        """Remember where it is."""
        self._url, self._line = url, None
        self.place = urllib.parse.urlsplit(url)
        self._line: ClientConnection | None

    def ask(self, message: bytes | str) -> tuple[str, str]:
        """Send a message and return what came, and what was said."""
        try:
            if self._line is None:
                self._line = connect(self._url, max_size=None, open_timeout=PATIENCE_S, compression=None)
                self._line.recv(timeout=PATIENCE_S)  # what the server says of itself
            self._line.send(message)
            said = self._line.recv(timeout=PATIENCE_S)
        except TimeoutError:
            self.close()
            return "hang", ""
        except (ConnectionClosed, InvalidHandshake) as error:
            self.close()
            return "closed", str(error)
        except OSError as error:
            self.close()
            return "death", str(error)
        if isinstance(said, bytes):
            return "answered", ""
        return _judged(said), said

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            with contextlib.suppress(Exception):
                self._line.socket.close()
        self._line = None


def _judged(said: str) -> str:
    if INSIDE.search(said):
        return "traceback"
    return "failed" if SAY_FAILED in said else "refused"


def thrown(place: urllib.parse.SplitResult, pieces: bytes, then: bytes = b"") -> tuple[str, str]:
    """Send raw bytes to a port, and more once something came back, and say what came."""
    assert place.hostname and place.port
    said = b""
    try:
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE_S) as line:
            line.sendall(pieces)
            if select.select([line], [], [], PATIENCE_S if then else WAITED_S)[0]:
                said = line.recv(65536)
                line.sendall(then if said else b"")
            with contextlib.suppress(OSError):  # else it waits for the rest of a request that has none
                line.shutdown(socket.SHUT_WR)
            while more := line.recv(65536):
                said += more
    except TimeoutError:
        return "hang", ""
    except ConnectionRefusedError as error:
        return "death", str(error)
    except OSError as error:
        if not said:  # what was said before the line was cut counts
            return "closed", str(error)
    text = said.decode(errors="replace")
    if INSIDE.search(text):
        return "traceback", text
    if text.startswith("HTTP/1.1 5") and " 503 " not in text[:20]:
        return "failed", text
    return "refused" if said else "closed", text


# --- processes that listen --------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(words: list[str], wanted: str, found: Found) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a verb that listens; yield its address and its process, and count tracebacks in what it says."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        command = [sys.executable, "-u", "-m", "sayso", *words]
        paths = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        with said.open("wb") as file:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, cwd=folder, env=paths)
        assert process.stdout
        try:
            line = process.stdout.readline().decode()
            address = re.search(wanted, line)
            if not address:
                raise SystemExit(
                    f"sayso {' '.join(words)} does not say where it is: {line!r} {said.read_text()}"
                )
            yield address[0], process
        finally:
            process.kill()
            process.wait()
            log = said.read_text(errors="replace")
            found.counted[IN_LOG] += log.count("Traceback (most recent call last)")
            errors = sorted({line for line in log.splitlines() if re.match(r"\w+(\.\w+)*Error\b", line)})
            found.examples += [f"in the log: {line[:200]}" for line in errors[:10]]
            found.keep()


def fuzz_server(found: Found, messages: int, seed: int, checkpoint: Path, features: Features) -> None:
    """Send messages to ``sayso serve`` until there were so many, and count what came."""
    look = look_of(features)
    whole = pack(look)
    words = ["serve", str(checkpoint), "--port", "0", "--idle-s", "30"]
    with listening(words, r"ws://\S+?:\d+", found) as (url, process):
        wire = Wire(url)
        shake = HANDSHAKE.format(host=wire.place.netloc).encode()
        for number in track(range(found.sent, messages), "messages", console=Console(stderr=True)):
            draw = random.Random(f"{seed}/{number}")
            kind = draw.random()
            if kind < 0.60:
                came = _twice(partial(wire.ask, changed(look, draw)))
            elif kind < 0.93:
                came = _twice(partial(wire.ask, broken(whole, draw)))
            elif kind < 0.95:
                came = _twice(partial(wire.ask, draw.choice(("", "{}", "a" * 5000, "\0"))))
            elif kind < 0.98:
                came = _twice(partial(thrown, wire.place, shake, frames_against_protocol(draw)))
            else:
                came = _twice(partial(thrown, wire.place, broken(shake, draw)))
            if process.poll() is not None:
                found.add("death", came[1])
                return
            found.add(*came)
            is_time = found.sent % CHECK_EVERY == 0 or found.sent == messages
            if is_time and not answered_well(url, whole, len(features.action)):
                found.fault("deaf")
        wire.close()


def answered_well(url: str, message: bytes, width: int) -> bool:
    """Tell whether a client that means well gets actions."""
    wire = Wire(url)
    try:
        with connect(url, max_size=None, open_timeout=PATIENCE_S, compression=None) as line:
            line.recv(timeout=PATIENCE_S)
            line.send(message)
            answer = line.recv(timeout=PATIENCE_S)
            return isinstance(answer, bytes) and unpack(answer)["actions"].shape[-1] == width
    except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
        return False
    finally:
        wire.close()


POLICY = str(ROOT / "checkpoints" / "tabletop")
DESK = str(ROOT / "tests" / "recordings" / "desk")
PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "studio": (("studio", "--policy", POLICY, "--port", "0"), ("/sayso/controls", "/index.html")),
    "label": (
        ("label", DESK, "--port", "0", "--clicks", "clicks.json"),
        ("/frame", "/clicks", "/followed", "/recording"),
    ),
}
"""Page -> how it is opened, and what there is to ask for."""


def fuzz_page(found: Found, page: str, requests: int, seed: int) -> None:
    """Send requests to a page until there were so many, and count what came."""
    words, paths = PAGES[page]
    with listening([*words], r"http://\S+", found) as (url, process):
        place = urllib.parse.urlsplit(url)
        asked = f"GET /?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode()
        shake = HANDSHAKE_OF_PAGE.format(host=place.netloc, token=place.query).encode()
        for number in track(range(found.sent, requests), page, console=Console(stderr=True)):
            draw = random.Random(f"{seed}/{page}/{number}")
            if page == "studio" and draw.random() < 0.3:
                frame = draw.choice((framed(message_of_page(draw)), frames_against_protocol(draw)))
                came = _twice(partial(thrown, place, shake, frame))
            else:
                came = _twice(partial(thrown, place, request_of_page(draw, place, paths)))
            if process.poll() is not None:
                found.add("death", came[1])
                return
            found.add(*came)
            is_time = found.sent % CHECK_EVERY == 0 or found.sent == requests
            if is_time and " 200 " not in thrown(place, asked)[1][:20]:
                found.fault("deaf")


def _twice(send: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Send something, and once more if it hung."""
    came = send()
    return send() if came[0] == "hang" else came
