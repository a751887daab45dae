"""Messages that are wrong: requests to a policy server and to a page, changed by structure and by bytes.

Each begins as one that is right, and is then changed: a value becomes another kind of value, a length lies,
bytes are flipped, cut, doubled or put in, a frame of the websocket breaks the protocol, a handshake ends half
way. All that is random in one comes from its own generator, so that it can be made again by its number.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import random
import struct
import urllib.parse
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from sayso.runtime.wire import pack
from sayso.spec import STATE, TASK, Features, image_key

ODD: tuple[Callable[[random.Random], Any], ...] = (
    lambda draw: None,
    lambda draw: draw.choice((True, False, 0, -1, 2**63 - 1, -(2**63), 2**64 - 1)),
    lambda draw: draw.choice((float("nan"), float("inf"), -0.0, 5e-324, 1e308)),
    lambda draw: draw.choice(
        ("", "\0", "\ud7ff\U0010ffff", "a" * 5000, "../../etc/passwd", "put the can in the bowl")
    ),
    lambda draw: draw.randbytes(draw.choice((0, 1, 7, 100, 10_000))),
    lambda draw: [ODD[draw.randrange(5)](draw) for _ in range(draw.choice((0, 1, 3, 100, 5000)))],
    lambda draw: {str(k): ODD[draw.randrange(5)](draw) for k in range(draw.choice((0, 1, 3, 300)))},
    lambda draw: _nested(draw, draw.choice((2, 10, 400, 2000))),
    lambda draw: msgpack.ExtType(draw.randrange(128), draw.randbytes(draw.choice((0, 4, 300)))),
    lambda draw: _array(draw),
    lambda draw: {b"__npgeneric__": True, b"data": ODD[draw.randrange(5)](draw), b"dtype": _dtype(draw)},
)
"""Values of other kinds than anybody expects."""


def _nested(draw: random.Random, depth: int) -> Any:
    value: Any = 1
    for _ in range(min(depth, 500)):  # deeper, our own packer gives up; `deeper` writes such bytes by hand
        value = [value] if draw.random() < 0.5 else {"images": value}
    return value


def _dtype(draw: random.Random) -> Any:
    return draw.choice(
        ("<f4", "|u1", "<f8", ">i2", "<U4", "|O", "|V8", "<M8[s]", "<c8", "f4", "", "\0", 7, None)
    )


def _array(draw: random.Random) -> dict[Any, Any]:
    shape = [
        draw.choice((0, 1, 2, 3, 96, 2**31, 2**63 - 1, -1, 1.5, None)) for _ in range(draw.randrange(0, 40))
    ]
    data = draw.randbytes(draw.choice((0, 1, 4, 24, 4096)))
    return {
        b"__ndarray__": draw.choice((True, False, 0)),
        b"data": data,
        b"dtype": _dtype(draw),
        b"shape": shape,
    }


def look_of(features: Features) -> dict[str, Any]:
    """Return what a client that means well sends."""
    pictures = {image_key(c): np.full((h, w, 3), 90, np.uint8) for c, (h, w) in features.cameras.items()}
    return {**pictures, STATE: np.zeros(len(features.state), np.float32), TASK: "put the can in the bowl"}


def changed(look: dict[str, Any], draw: random.Random) -> bytes:
    """Return a message that is wrong in its values: some are others, renamed, missing or more."""
    wrong: dict[Any, Any] = dict(look)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        name = draw.choice(list(wrong)) if wrong else "task"
        match draw.randrange(6):
            case 0:
                wrong.pop(name, None)
            case 1:
                other = draw.choice(
                    (name.replace(".", "/") if isinstance(name, str) else name, "", 7, b"task", "a" * 200)
                )
                wrong[other] = wrong.pop(name, None)
            case 2:
                wrong[draw.choice(("reset", "as_learned", "prompt", "images", "robot", "x"))] = _odd(draw)
            case _:
                wrong[name] = _odd(draw)
    with contextlib.suppress(ValueError, TypeError, OverflowError, UnicodeError):
        return msgpack.packb(wrong, default=_marked)
    return b"\x80"


def _odd(draw: random.Random) -> Any:
    return draw.choice(ODD)(draw)


def _marked(value: Any) -> Any:
    return msgpack.unpackb(pack(value), raw=False, strict_map_key=False)


HEADERS = (
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
    b"\xc1",
)
HEADERS += (
    b"\xdc\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xd9\xff",
    b"\x91" * 2000,
    b"\x81\xa1a" * 2000,
    b"\xd4\x01\x00",
)
"""Beginnings of values that lie about their length, or go deeper than anybody should."""


def broken(message: bytes, draw: random.Random) -> bytes:
    """Return a message whose bytes are no longer what its sender meant."""
    wrong = bytearray(message)
    for _ in range(draw.choice((1, 1, 2, 8))):
        # Where names and lengths are: at the ends. What lies between is pictures, whatever is in them.
        at = (
            draw.randrange(min(len(wrong), 120) + 1)
            if draw.random() < 0.7
            else len(wrong) - draw.randrange(min(len(wrong), 250) + 1)
        )
        match draw.randrange(6):
            case 0 if at < len(wrong):
                wrong[at] ^= 1 << draw.randrange(8)
            case 1:
                del wrong[at:]
            case 2:
                wrong[at:at] = draw.choice(HEADERS)
            case 3:
                wrong[at : at + draw.choice((1, 4, 60))] = draw.randbytes(draw.choice((0, 1, 5)))
            case 4:
                wrong += wrong[at:][:5000]
            case _:
                wrong[at:at] = draw.randbytes(draw.choice((1, 3, 40)))
    return bytes(wrong)


def frames_against_protocol(draw: random.Random) -> bytes:
    """Return bytes for an open websocket that break its protocol: reserved bits, lengths, codes, no mask."""
    first = draw.choice((0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, 0xF2, 0x83, 0x8F, 0x00))
    payload = draw.randbytes(draw.choice((0, 1, 2, 125)))
    if first == 0x88:
        payload = struct.pack("!H", draw.choice((0, 999, 1000, 1005, 4999, 65535))) + payload[:100]
    match draw.randrange(5):
        case 0:
            return bytes((first, len(payload))) + payload  # a client must mask
        case 1:
            return (
                bytes((first, 0xFF)) + struct.pack("!Q", draw.choice((2**63, 2**40, 2**31, 126))) + bytes(4)
            )
        case 2:
            return bytes((first, 0xFE)) + struct.pack("!H", draw.choice((0, 10, 65535))) + bytes(4) + payload
        case 3:
            return b"".join(
                bytes((k, 0x80)) + bytes(4) for k in draw.choices((0x01, 0x02, 0x00, 0x89), k=1200)
            )
        case _:
            return bytes((first, 0x80 | len(payload))) + bytes(4) + payload


HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def request_of_page(draw: random.Random, place: urllib.parse.SplitResult, paths: tuple[str, ...]) -> bytes:
    """Return a request to a page: each part of it is right in three of four, and the bytes in nine of ten."""

    def mostly(right: str, *wrong: str) -> str:
        return right if draw.random() < 0.75 else draw.choice(wrong)

    token = mostly(place.query, "", "token=", "token=x", "token=" + "x" * 5000)
    path = mostly(draw.choice(paths), "/", "//", "/../../etc/passwd", "/%2e%2e/%00", "/" + "a" * 9000, "*")
    head = {
        "Host": mostly(place.netloc, "evil.example", "", "[", "[::1]", "a:b:c"),
        "Origin": mostly(f"http://{place.netloc}", "https://evil.example", "null", "http://[", "\xff"),
        "Cookie": mostly("a=b", "=", ";;;", "sayso-0=1", "x" * 7000),
        "X-Sayso-Controls": mostly(_json(draw), "[" * 5000, "\xff", ""),
    }
    head = {name: value for name, value in head.items() if name == "Host" or draw.random() < 0.7}
    method = mostly("GET", "POST", "POST", "PUT", "get", "", "HEAD") if "/clicks" not in paths else "POST"
    method = draw.choice((method, "GET"))
    body = b"" if method == "GET" else _json(draw).encode(errors="surrogatepass")
    if body:
        head["Content-Length"] = mostly(str(len(body)), "-1", "x", "99999999999", "")
    more = "&".join(
        f"{name}={mostly(right, '-1', 'x', '', '9' * 400, '%00')}"
        for name, right in (("episode", "0"), ("camera", "desk"), ("frame", "0"))
    )
    lines = [f"{method} {path}?{token}&{more} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items()), "", ""]
    whole = "\r\n".join(lines).encode("latin-1", errors="replace") + body
    return broken(whole, draw) if draw.random() < 0.1 else whole


def _json(draw: random.Random) -> str:
    named = {
        "episode": 0,
        "camera": "desk",
        "referent": "object",
        "clicks": [[0, 0.5, 0.5]],
        "up": 1.0,
        "taps": ["grip"],
    }
    for _ in range(draw.randrange(3)):
        named[draw.choice(list(named))] = draw.choice(
            (None, [], {}, "x", 1e308, -1, [[1]], [[0, 1, 2, 3]], "9" * 500, True)
        )
    text = json.dumps(draw.choice((named, named, [named], 7, None, "x")))
    return draw.choice(
        (text, text, text, text[: len(text) // 2], "[" * 50_000, "{}", "NaN", '{"up": Infinity}', "")
    )


HANDSHAKE_OF_PAGE = (
    "GET /?{token} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Protocol: viser-v{importlib.metadata.version('viser')}\r\n\r\n"
)


def framed(payload: bytes) -> bytes:
    """Return a message as one frame of a websocket, masked with zeros."""
    payload = payload[:65535]
    return bytes((0x82, 0xFE)) + struct.pack("!H", len(payload)) + bytes(4) + payload


def message_of_page(draw: random.Random) -> bytes:
    """Return a message of viser's protocol, zstd or not, that no browser would send."""
    kinds = (
        "GuiUpdateMessage",
        "SceneNodeClickMessage",
        "ViewerCameraMessage",
        "TransformControlsUpdateMessage",
        "x",
        7,
    )
    message = {
        "type": draw.choice(kinds),
        "uuid": _odd_small(draw),
        "updates": _odd_small(draw),
        "name": _odd_small(draw),
    }
    whole = msgpack.packb(
        draw.choice(([message], message, {"messages": [message], "timestampSec": 1.0})), default=str
    )
    return broken(whole, draw) if draw.random() < 0.5 else whole


def _odd_small(draw: random.Random) -> Any:
    return draw.choice(ODD[:5])(draw)
