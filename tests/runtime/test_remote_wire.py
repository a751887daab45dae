"""Messages: what goes in comes out, what was tampered with is refused, and memory is never given away."""

from __future__ import annotations

import contextlib
import tracemalloc

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sayso.runtime.wire import MOST_VALUES, WireError, pack, unpack

ARRAY = {b"__ndarray__": True, b"data": b"\x01\x02\x03\x04", b"dtype": "|u1", b"shape": [2, 2]}
NUMBER = {b"__npgeneric__": True, b"data": 3, b"dtype": "|u1"}

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
    | st.text("aß☃") | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["?", "<u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_an_array_comes_back_as_it_was_writable_and_native(dtype, shape):
    sent = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    came = unpack(pack({"a": sent}))["a"]
    np.testing.assert_array_equal(came, sent)
    assert came.dtype == sent.dtype.newbyteorder("=") and came.shape == shape
    assert came.flags.writeable and came.dtype.isnative


def test_the_bytes_are_those_of_openpi():
    sent = np.array([[1, 2]], "<f4")
    raw = msgpack.unpackb(pack({"actions": sent, "n": np.float32(1.5)}))
    assert raw["actions"] == {
        b"__ndarray__": True,
        b"data": sent.tobytes(),
        b"dtype": "<f4",
        b"shape": [1, 2],
    }
    assert raw["n"] == {b"__npgeneric__": True, b"data": 1.5, b"dtype": "<f4"}


def test_a_view_that_is_not_contiguous_is_sent_as_it_looks():
    sent = np.arange(12).reshape(3, 4)[::-1, ::2]
    np.testing.assert_array_equal(unpack(pack(sent)), sent)


@given(plain)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_plain_values_come_back_as_they_were(value):
    assert unpack(pack(value)) == value


@pytest.mark.parametrize(
    "value",
    [np.array([{}]), np.array(["a"]), np.array([1j]), np.array(["2026-01-01"], "M8[D]"), object(), 2**70]
    + [np.zeros(2, [("x", "f4")]), {"deep": [object()]}],
)
def test_what_is_neither_plain_nor_an_array_of_numbers_is_not_sent(value):
    with pytest.raises(WireError, match="cannot be sent"):
        pack(value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({b"dtype": "|O"}, "arrays of '|O' are not taken"),
        ({b"dtype": "<c8"}, "known: "),
        ({b"dtype": "V9" * 10**5}, "arrays of 'V9V9"),
        ({b"dtype": [["x", "<f4"]]}, "arrays of 'list'"),
        ({b"dtype": None}, "arrays of 'NoneType'"),
        ({b"shape": [-2, -2]}, "whole numbers >= 0"),
        ({b"shape": [True, 4]}, "whole numbers >= 0"),
        ({b"shape": [4.0]}, "whole numbers >= 0"),
        ({b"shape": 4}, "whole numbers >= 0"),
        ({b"shape": [2, 3]}, "does not have 4 bytes"),
        ({b"shape": [2**62, 2**62]}, "does not have 4 bytes"),
        ({b"shape": [1] * 70 + [4]}, "71 axes"),
        ({b"shape": [0, 2**63], b"data": b""}, "2 axes"),
        ({b"data": "text"}, "bytes as data"),
        ({b"data": None}, "bytes as data"),
    ],
)
def test_an_array_that_is_none_is_refused_in_few_words(changes, words):
    with pytest.raises(WireError) as refused:
        unpack(msgpack.packb({"x": ARRAY | changes}))
    assert words in str(refused.value) and len(str(refused.value)) < 600


@pytest.mark.parametrize("number", ["3", None, 2**40, -1, float("nan")])
def test_a_number_that_does_not_fit_its_kind_is_refused(number):
    with pytest.raises(WireError):
        unpack(msgpack.packb(NUMBER | {b"data": number}))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x91",
        pack({"a": 1}) + b"\x00",
        b"\x91" * 5000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xa1\xff",
        b"\x81\x91\xc0\xc0",
        msgpack.packb(msgpack.ExtType(5, b"abc")),
        b"\xd6\xff\x00\x00\x00\x00",
    ],
    ids=["empty", "reserved", "cut off", "more behind it", "deep", "endless list", "endless map"]
    + ["endless bytes", "not utf-8", "list as key", "extension", "timestamp"],
)
def test_what_is_not_a_message_is_refused(message):
    with pytest.raises(WireError, match="not msgpack as openpi speaks it"):
        unpack(message)


@pytest.mark.parametrize(
    "message",
    [
        msgpack.packb([[0] * 4000] * 6),
        b"\x91" * 1000 + b"\xdc\x0f\xff" * 20,
        b"\xdd\x00\xff\xff\xff" + bytes(10_000_000),
        msgpack.packb([[[]] * 4000] * 1000),
    ],
    ids=["many values", "many long lists begun", "zeros", "millions of lists"],
)
def test_a_message_of_a_stranger_gets_little_memory(message):
    tracemalloc.start()
    with pytest.raises(WireError):
        unpack(message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000


def test_as_many_values_as_are_allowed_pass():
    values = [list(range(3000)) for _ in range((MOST_VALUES - 10) // 3000)]
    assert unpack(pack(values)) == values


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_a_value_or_refused(message):
    with contextlib.suppress(WireError):
        unpack(message)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_tampered_message_is_a_value_or_refused(data):
    message = bytearray(msgpack.packb({"observation.state": ARRAY, "n": NUMBER, "task": "go", "l": [1, 2]}))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        unpack(bytes(message[: data.draw(st.integers(0, len(message)))]))
