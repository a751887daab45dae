"""Requests: the names a thing may go by, and what is said about one that is not what it must be."""

from __future__ import annotations

import dataclasses

import msgpack
import numpy as np
import pytest

from sayso.runtime.request import LONGEST_TASK, our_name, read_request
from sayso.runtime.wire import WireError, pack
from sayso.spec import STATE, TASK, image_key
from small_servers import look
from small_worlds import FEATURES, SIZE

FRONT = image_key("front")
OPENPI = {
    "observation/images/front": look()[FRONT],
    "observation/images/wrist": look()[image_key("wrist")],
    "observation/state": look()[STATE],
    "prompt": look()[TASK],
}
NESTED = {
    "images": {"front": look()[FRONT], "wrist": look()[image_key("wrist")]},
    "state": look()[STATE].tolist(),
    "prompt": look()[TASK],
}


@pytest.mark.parametrize("request_", [look(), OPENPI, NESTED], ids=["ours", "openpi", "nested"])
def test_an_observation_is_the_same_under_all_its_names(request_):
    observation, begins = read_request(pack({**request_, "more": [1, {"x": 2}]}), FEATURES)
    assert not begins
    assert list(observation) == list(look())
    for name, value in look().items():
        np.testing.assert_array_equal(observation[name], value)
    assert observation[STATE].dtype == np.float32


@pytest.mark.parametrize("theirs", ["observation/{}", "observation.images.{}", "images/{}", "{}"])
def test_a_camera_goes_by_what_it_was_called_in_the_recording_as_well(theirs):
    """As in openpi's LIBERO: observation/image and observation/wrist_image."""
    renamed = dataclasses.replace(FEATURES, renamed={"image": "front", "wrist_image": "wrist"})
    there = {theirs.format(name): look()[image_key(here)] for name, here in renamed.renamed.items()}
    asked = there | {"observation/state": look()[STATE], "prompt": look()[TASK]}
    observation, _ = read_request(pack(asked), renamed)
    for name, value in look().items():
        np.testing.assert_array_equal(observation[name], value)
    with pytest.raises(WireError, match=r"the policy needs observation\.images\.front"):
        read_request(pack(asked), FEATURES)


@pytest.mark.parametrize(
    ("given", "ours"),
    [("prompt", "task"), ("state", STATE), ("images/top", image_key("top")), ("observation/state", STATE)]
    + [("observation.images/top", image_key("top")), ("task", "task"), ("states", "states")],
)
def test_names_are_read_as_ours(given, ours):
    assert our_name(given) == ours


@pytest.mark.parametrize("state", [[1, 0.25], np.array([1, 0.25]), np.array([1, 0.25], ">f4")])
def test_a_state_may_be_a_list_or_of_another_precision(state):
    observation, _ = read_request(pack(look() | {STATE: state}), FEATURES)
    np.testing.assert_array_equal(observation[STATE], np.float32([1, 0.25]))


@pytest.mark.parametrize("flag", [True, np.True_])
def test_a_client_can_say_that_an_episode_begins(flag):
    assert read_request(pack(look() | {"reset": flag}), FEATURES)[1] is True


WRONG_IMAGE = f"'{FRONT}' must be uint8 [{SIZE}, {SIZE}, 3] (height, width, red-green-blue)"
WRONG_STATE = f"'{STATE}' must be 2 numbers (x.pos [m], y.pos [m])"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({TASK: None}, "needs task; it was given observation.images.front"),
        ({STATE: None, "observation.stat": 1}, "Is 'observation.stat' meant"),
        ({FRONT: np.zeros((8, 8, 3), np.uint8)}, f"{WRONG_IMAGE}, but got uint8 [8, 8, 3]"),
        ({FRONT: np.zeros((3, SIZE, SIZE), np.uint8)}, "resize or transpose"),
        ({FRONT: np.zeros((SIZE, SIZE, 3), np.float32)}, f"but got float32 [{SIZE}, {SIZE}, 3]"),
        ({FRONT: [1, 2]}, "but got list of length 2"),
        ({STATE: np.zeros(5)}, f"{WRONG_STATE}, but got float64 [5]"),
        ({STATE: np.zeros((1, 2))}, WRONG_STATE),
        ({STATE: [1, [2, 3]]}, WRONG_STATE),
        ({STATE: ["1", "2"]}, WRONG_STATE),
        ({STATE: [True, False]}, WRONG_STATE),
        ({STATE: 3}, WRONG_STATE),
        ({STATE: np.array([0, np.nan])}, "must be finite numbers, but y.pos is not"),
        ({STATE: np.array([1e300, 0])}, "must be finite numbers, but x.pos is not"),
        ({STATE: np.array([0, -1e30])}, "must be numbers that a robot can have, but y.pos is -1e+30"),
        ({STATE: [True, 0.5]}, WRONG_STATE),
        ({TASK: 7}, "'task' must be text"),
        ({TASK: "  "}, "'task' must say what to do, but it is empty"),
        ({TASK: "a" * (LONGEST_TASK + 1)}, f"at most {LONGEST_TASK} characters, got str of length"),
        ({"prompt": "twice"}, "'task' is given twice"),
        ({"reset": 1}, "'reset' must be true or false"),
        ({"a": {"b": {"c": {"d": {"e": 1}}}}}, "at most 4 maps"),
        ({"n" * 101: {"x": 1}}, "text of at most 100 characters"),
    ],
)
def test_what_is_wrong_is_refused_with_what_was_expected(changes, words):
    request = {name: value for name, value in (look() | changes).items() if value is not None}
    with pytest.raises(WireError) as refused:
        read_request(pack(request), FEATURES)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("hello", "a text message came"),
        (pack([1, 2]), "a map from names to values, but got list of length 2"),
        (pack(np.zeros(3)), r"but got float64 [3]"),
        (msgpack.packb({b"task": "go"}), "got bytes of length 4"),
        (pack({}), "it was given nothing"),
        (pack({f"n{i}": i for i in range(4000)}), "and 3980 more"),
    ],
)
def test_what_is_no_observation_at_all_is_refused(message, words):
    with pytest.raises(WireError) as refused:
        read_request(message, FEATURES)
    assert words in str(refused.value)
