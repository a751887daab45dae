"""The labelling page shows every picture, keeps every click at once, and refuses what is none."""

from __future__ import annotations

import io
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image as Picture

from sayso.data.clicks import read_clicks
from sayso.data.reader import Dataset
from sayso.studio.labelling import Desk, serving
from small_datasets import build


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build(tmp_path_factory.mktemp("recording") / "d")


@pytest.fixture
def page(root, tmp_path):
    """Serve the page, and return a function that asks it."""
    desk = Desk(root, tmp_path / "c.json")
    server, address = serving(desk, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path, body=None):
        token = address.partition("?")[2]
        url = f"http://127.0.0.1:{server.server_address[1]}{path}{'&' if '?' in path else '?'}{token}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(url, data) as answer:
            return answer.read()

    ask.address = address
    yield ask
    server.shutdown()
    server.server_close()


def test_the_page_knows_every_episode_and_camera(page, root):
    recording, dataset = json.loads(page("/recording")), Dataset(root)
    assert recording["cameras"] == list(dataset.features.cameras)
    assert [e["frames"] for e in recording["episodes"]] == [len(e) for e in dataset.episodes]
    assert b"<canvas" in page("/")


def test_a_frame_is_the_picture_that_was_recorded(page, root):
    dataset = Dataset(root)
    camera, episode = next(iter(dataset.features.cameras)), dataset.episodes[2]
    shown = np.asarray(
        Picture.open(io.BytesIO(page(f"/frame?episode={episode.index}&camera={camera}&frame=2")))
    )
    (recorded,) = dataset.images(camera, [episode.start + 2])
    assert np.abs(shown.mean() - recorded.mean()) < 3


def test_clicks_are_kept_at_once_and_found_again(page, root, tmp_path):
    camera = next(iter(Dataset(root).features.cameras))
    body = {"episode": 0, "camera": camera, "referent": "place", "clicks": [[2, 0.5, 0.25], [0, None, None]]}
    assert json.loads(page("/clicks", body)) == {"clicked": 1}
    assert [m.frame for m in read_clicks(tmp_path / "c.json")[0][camera]["place"]] == [0, 2]
    again = Desk(root, tmp_path / "c.json")
    assert again.marks(0, camera)["place"] == [[0, None, None], [2, 0.5, 0.25]]
    assert [e["index"] for e in again.about()["episodes"] if e["clicked"]] == [0]
    assert len(json.loads(page(f"/followed?episode=0&camera={camera}"))["place"]) == len(
        Dataset(root).episodes[0]
    )


@pytest.mark.parametrize(
    ("path", "body"), [("/../secret", None), ("/secret?episode=0", None), ("/frame", {})]
)
def test_where_nothing_is_that_is_said(page, path, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        page(path, body)
    assert refused.value.code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/frame?episode=0&camera=front&frame=9999", None),
        ("/frame?episode=99&camera=front&frame=0", None),
        ("/frame?episode=0&camera=nowhere&frame=0", None),
        ("/frame", None),
        ("/clicks", {"episode": 0, "camera": "front", "referent": "object", "clicks": [[0, 7, 0.5]]}),
        ("/clicks", {"episode": 0, "camera": "front", "referent": "object", "clicks": [[99999, 0.5, 0.5]]}),
        ("/clicks", {"episode": 0, "camera": "front", "referent": "sofa", "clicks": []}),
        ("/clicks", [1]),
    ],
)
def test_what_is_none_is_refused_and_nothing_is_written(page, tmp_path, path, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        page(path, body)
    assert refused.value.code == 400
    assert not (tmp_path / "c.json").exists()


def test_the_page_is_for_who_has_its_address_and_for_no_page_of_another_site(page, tmp_path):
    click = json.dumps({"episode": 0, "camera": "front", "referent": "object", "clicks": [[0, 0.5, 0.5]]})
    whole = page.address.replace("localhost", "127.0.0.1")
    bare, _, token = whole.partition("?")

    def status(url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, click.encode(), headers)) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    code, said = status(f"{bare}clicks")
    assert code == 401 and b"address in the terminal" in said
    assert status(f"{bare}clicks?{token}", Origin="https://evil.example")[0] == 403
    assert status(f"{bare}clicks?{token}", Host="evil.example")[0] == 403
    assert not (tmp_path / "c.json").exists()
    assert status(f"{bare}clicks?{token}", Origin=bare.rstrip("/"))[0] == 200
    with urllib.request.urlopen(whole) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert status(f"{bare}clicks", Cookie=cookie)[0] == 200
