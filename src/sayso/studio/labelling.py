"""Labelling page: click in a few frames where the named thing and its place are, in a browser.

Each click is kept at once in a file of JSON (`sayso.data.clicks`). The page draws how each is followed
through the episode, so that whoever clicks sees where another click is needed.
"""

from __future__ import annotations

import http.server
import io
import json
import threading
import urllib.parse
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from sayso.data.clicks import as_mark, read_clicks, write_clicks
from sayso.data.reader import Dataset, RecordedEpisode
from sayso.data.resize import fitted
from sayso.data.tracking import HEIGHT_PX, Mark, track
from sayso.spec import REFERENTS, SaysoError, at_least, known
from sayso.spec.files import parsed
from sayso.studio.door import Door

SHOWN_PX = 480
"""Height of the pictures on the page, at most."""
QUALITY = 85
EPISODES_AT_HAND = 4
LONGEST_BODY = 100_000
HOST = "127.0.0.1"


class NothingThereError(SaysoError):
    """Address at which the page has nothing."""


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """Where clicks are kept, and where the page is."""

    clicks: Path | None = None
    """File of the clicks; one found there is continued. By default DATASET.clicks.json beside the dataset."""
    port: int = 8090
    """Port of the page on this machine; any that is free if 0."""
    browser: bool = False
    """Open the page in a browser."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, port=0)


def label(root: Path, config: LabelConfig, tell: Callable[[str], None] = print) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        SaysoError: if dataset or clicks cannot be read, or the port is taken.
    """
    path = config.clicks or root.resolve().with_name(f"{root.resolve().name}.clicks.json")
    desk = Desk(root, path)
    server, url = serving(desk, config.port)
    with server:
        tell(url)
        tell(f"Click there; every click is kept in {path}. Ctrl-C ends it; then:")
        tell(f"sayso edit {root} --points {path} --out {root}-labelled")
        if config.browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell(f"{desk.clicked} episodes have clicks")


class Desk:
    """Recording and the clicks in it. From any thread."""

    def __init__(self, root: Path, path: Path) -> None:
        """Read the recording, and the clicks that are there already."""
        self._dataset, self._path = Dataset(root), path
        self._episodes = {episode.index: episode for episode in self._dataset.episodes}
        found = read_clicks(path) if path.exists() else {}
        self._clicks: dict[int, dict[str, dict[str, list[Mark]]]] = {
            number: {c: {r: list(m) for r, m in of.items()} for c, of in cameras.items()}
            for number, cameras in found.items()
        }
        self._lock = threading.Lock()
        self._pictures = lru_cache(EPISODES_AT_HAND)(self._read)

    @property
    def clicked(self) -> int:
        """Return how many episodes have clicks."""
        return sum(map(self._has_clicks, self._clicks))

    def about(self) -> dict[str, Any]:
        """Return what the page needs to know of the recording."""
        return {
            "name": self._dataset.root.resolve().name,
            "cameras": list(self._dataset.features.cameras),
            "referents": REFERENTS,
            "episodes": [
                {
                    "index": number,
                    "frames": len(episode),
                    "task": "; ".join(episode.tasks),
                    "clicked": self._has_clicks(number),
                }
                for number, episode in self._episodes.items()
            ],
        }

    def frame(self, episode: int, camera: str, frame: int) -> bytes:
        """Return a picture as JPEG.

        Raises:
            SaysoError: if there is none.
        """
        shown, _ = self._pictures(self._episode(episode).index, known("camera", camera, self._cameras))
        if not 0 <= frame < len(shown):
            raise SaysoError(f"episode {episode} has {len(shown)} frames")
        return shown[frame]

    def marks(self, episode: int, camera: str) -> dict[str, list[list[Any]]]:
        """Return the clicks in an episode's camera, by referent."""
        of = self._clicks.get(episode, {}).get(camera, {})
        return {r: [[m.frame, *(m.uv or (None, None))] for m in of.get(r, [])] for r in REFERENTS}

    def followed(self, episode: int, camera: str) -> dict[str, list[list[float]]]:
        """Return u, v and visible of every frame, by referent, of what was clicked."""
        _, small = self._pictures(self._episode(episode).index, known("camera", camera, self._cameras))
        of = self._clicks.get(episode, {}).get(camera, {})
        return {r: np.round(track(small, m), 4).tolist() for r, m in of.items() if m}

    def put(self, episode: int, camera: str, referent: str, clicks: list[Any]) -> None:
        """Take the clicks of one referent in one camera's episode, and keep them.

        Raises:
            SaysoError: if they are none.
        """
        length = len(self._episode(episode))
        camera, referent = (
            known("camera", camera, self._cameras),
            known("referent", referent, REFERENTS),
        )
        try:
            marks = sorted(map(as_mark, clicks), key=lambda mark: mark.frame)
        except (TypeError, ValueError) as error:
            raise SaysoError(f"these are no clicks: {error}") from error
        if marks and marks[-1].frame >= length:
            raise SaysoError(f"episode {episode} has {length} frames")
        with self._lock:
            self._clicks.setdefault(episode, {}).setdefault(camera, {})[referent] = marks
            write_clicks(self._path, self._clicks)

    def _has_clicks(self, episode: int) -> bool:
        return any(marks for of in self._clicks.get(episode, {}).values() for marks in of.values())

    @property
    def _cameras(self) -> tuple[str, ...]:
        return tuple(self._dataset.features.cameras)

    def _episode(self, number: int) -> RecordedEpisode:
        if number not in self._episodes:
            raise SaysoError(f"there is no episode {number}")
        return self._episodes[number]

    def _read(self, episode: int, camera: str) -> tuple[list[bytes], list[Any]]:
        """Return every picture as JPEG, and small for following."""
        place = self._episodes[episode]
        height, width = self._dataset.features.cameras[camera]
        shown, small = [], []
        for image in self._dataset.images(camera, np.arange(place.start, place.stop)):
            content = io.BytesIO()
            picture = Picture.fromarray(image)
            picture.thumbnail((width * SHOWN_PX // height or 1, SHOWN_PX))
            picture.save(content, "JPEG", quality=QUALITY)
            shown.append(content.getvalue())
            small.append(fitted(image, (HEIGHT_PX, round(width * HEIGHT_PX / height))))
        return shown, small


def serving(desk: Desk, port: int) -> tuple[http.server.ThreadingHTTPServer, str]:
    """Return a server of the page, for this machine alone, and the page's address with its token.

    Raises:
        SaysoError: if the port is taken.
    """
    door = Door(HOST)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda path, asked: _got(desk, path, asked))

        def do_POST(self) -> None:
            self._answer(lambda path, asked: _posted(desk, path, self._body()))

        def _body(self) -> Any:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= LONGEST_BODY:
                raise SaysoError("a request without clicks")
            return parsed(self.rfile.read(length))

        def _answer(self, find: Callable[[str, dict[str, str]], tuple[str, bytes]]) -> None:
            kind, content = "text/plain; charset=utf-8", b""
            status, why = self._refusal() or (HTTPStatus.OK, "")
            try:
                if why:
                    raise SaysoError(why)
                address = urllib.parse.urlsplit(self.path)
                kind, content = find(address.path, dict(urllib.parse.parse_qsl(address.query)))
            except NothingThereError as error:
                status, content = HTTPStatus.NOT_FOUND, _in_words(error)
            except (SaysoError, ValueError, KeyError, TypeError, RecursionError) as error:
                status, content = status if why else HTTPStatus.BAD_REQUEST, _in_words(error)
            self.send_response(status)
            if status == HTTPStatus.OK and door.in_address(self.path):
                self.send_header("Set-Cookie", door.cookie)
                self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _refusal(self) -> tuple[HTTPStatus, str] | None:
            asked = [self.headers.get_all(name, []) for name in ("Host", "Origin", "Cookie")]
            return door.refusal(self.path, *asked)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing of each picture."""

    try:
        server = http.server.ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise SaysoError(f"port {port} is taken ({error}): give another, or --port 0") from error
    return server, door.address(server.server_address[1])


def _in_words(error: Exception) -> bytes:
    return str(error).encode(errors="replace")


def _got(desk: Desk, path: str, asked: dict[str, str]) -> tuple[str, bytes]:
    if path == "/":
        return "text/html; charset=utf-8", (files("sayso.studio") / "labelling.html").read_bytes()
    if path == "/recording":
        return _as_json(desk.about())
    if path not in ("/frame", "/clicks", "/followed"):
        raise NothingThereError(f"there is nothing at {path}")
    episode, camera = int(asked["episode"]), asked["camera"]
    if path == "/frame":
        return "image/jpeg", desk.frame(episode, camera, int(asked["frame"]))
    return _as_json(desk.marks(episode, camera) if path == "/clicks" else desk.followed(episode, camera))


def _posted(desk: Desk, path: str, body: Any) -> tuple[str, bytes]:
    if path != "/clicks":
        raise NothingThereError(f"there is nothing to be told at {path}")
    desk.put(int(body["episode"]), body["camera"], body["referent"], body["clicks"])
    return _as_json({"clicked": desk.clicked})


def _as_json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()
