"""Serialisation of arrays in messages: msgpack, with openpi's words for an array, no pickle.

An array travels as ``{b"__ndarray__": True, b"data": ..., b"dtype": "<f4", b"shape": (K, A)}``, its bytes in
C order, and a single number of NumPy's as ``{b"__npgeneric__": True, b"data": 1.5, b"dtype": "<f8"}``. Only
plain numbers may travel. What comes from a stranger is measured before memory is given to it: how long a
list is, how many values there are in all, and whether an array's bytes are as many as its shape says.
"""

from __future__ import annotations

import math
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np

from sayso.spec import SaysoError

LONGEST_LIST = 4096
"""Values that one list or map may hold: numbers come as arrays, so that lists are short."""
MOST_VALUES = 20_000
"""Values that all lists and maps of a message may hold together."""
DTYPES = {dtype.str: dtype for dtype in (np.dtype(order + kind) for kind in "?bBhHiIqQefd" for order in "<>")}
"""What may travel, by the name it travels under: truth values, integers and floats of 8 to 64 bits."""


class WireError(SaysoError):
    """Message, or a thing that should become one, that the protocol has no place for."""


def pack(value: Any) -> bytes:
    """Return the message for plain values (None, bool, int, float, str, bytes, list, dict) and arrays.

    Raises:
        WireError: if there is anything else inside.
    """
    try:
        packed: bytes = msgpack.packb(value, default=_marked)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"this cannot be sent: {error}") from error
    return packed


def unpack(message: bytes) -> Any:
    """Return the value of a message; arrays are copies in this machine's byte order, free to be written to.

    Raises:
        WireError: if the message is cut off, too deep or too long, or holds an array that is none.
    """
    reader = _Reader()
    try:
        return msgpack.unpackb(
            message,
            object_hook=reader.map,
            list_hook=reader.list,
            max_array_len=LONGEST_LIST,
            max_map_len=LONGEST_LIST,
            max_ext_len=0,
        )
    except ValueError as error:
        reason = str(error) or type(error).__name__
        raise WireError(f"the message is not msgpack as openpi speaks it: {reason}") from error


def authorization(token: str) -> str:
    """Return what the header ``Authorization`` says to show a token, the way openpi's client does.

    Raises:
        WireError: if the token is empty or a header cannot hold it as it is.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise WireError("a token is made of letters, digits and signs of ASCII, without spaces")
    return f"Api-Key {token}"


def describe(value: Any) -> str:
    """Return the kind of a value in a few words, never the value itself: it may be anything, of any size."""
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, list | dict | str | bytes):
        return f"{type(value).__name__} of length {len(value)}"
    return type(value).__name__


class _Reader:
    """Reader of one message that counts its values."""

    def __init__(self) -> None:
        self._values = 0

    def list(self, values: list[Any]) -> list[Any]:
        self._count(len(values))
        return values

    def map(self, values: dict[Any, Any]) -> Any:
        self._count(len(values))
        if b"__ndarray__" in values:
            return _array(values)
        if b"__npgeneric__" in values:
            return _number(values)
        return values

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise WireError(f"the message holds more than {MOST_VALUES} values; send numbers as arrays")


def _marked(value: Any) -> dict[bytes, Any]:
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"a {type(value).__name__} is neither a plain value nor an array")
    if value.dtype.str not in DTYPES:
        raise TypeError(f"an array of {value.dtype} does not hold plain numbers")
    if isinstance(value, np.ndarray):
        shape = value.shape
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": shape}
    return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}


def _array(values: dict[Any, Any]) -> np.ndarray[Any, Any]:
    dtype, data, shape = _dtype(values), values.get(b"data"), values.get(b"shape")
    if not isinstance(data, bytes) or not isinstance(shape, list) or not all(_is_length(n) for n in shape):
        raise WireError("an array needs bytes as data and whole numbers >= 0 as shape")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise WireError(f"an array of {dtype} {shape[:8]} does not have {len(data)} bytes")
    try:
        return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more axes than NumPy knows, or empty along one and endless along another
        raise WireError(f"an array cannot have {len(shape)} axes of these lengths: {error}") from error


def _number(values: dict[Any, Any]) -> np.generic:
    dtype, number = _dtype(values), values.get(b"data")
    if not isinstance(number, bool | int | float):
        raise WireError(f"a number of {dtype} came as {describe(number)}")
    try:
        with np.errstate(over="ignore"):  # into infinity
            value: np.generic = dtype.type(number)
    except (ValueError, OverflowError) as error:
        raise WireError(f"a number does not fit into {dtype}: {error}") from error
    return value


def _dtype(values: dict[Any, Any]) -> np.dtype[Any]:
    name = values.get(b"dtype")
    if not isinstance(name, str) or name not in DTYPES:
        given = name[:20] if isinstance(name, str) else type(name).__name__
        raise WireError(f"arrays of {given!r} are not taken; known: {', '.join(sorted(DTYPES))}")
    return DTYPES[name]


def _is_length(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
