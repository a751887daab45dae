"""Changes to a config, as words: what is right is converted, what is wrong is named."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from sayso.models.overrides import overrides
from sayso.models.vla.config import VLAConfig, tiny
from sayso.spec import UnknownNameError
from small_worlds import FEATURES


@dataclass(frozen=True, kw_only=True)
class Tea:
    minutes: int = 3
    sugar: float = 0.0
    milk: bool = False
    kind: Literal["green", "black"] = "green"
    biscuit: tuple[int, ...] | None = (1, 2)
    guests: tuple[str, ...] = ()


def test_words_become_values_of_the_field_s_type():
    words = ["minutes=4", "sugar=1e-1", "milk=true", "kind=black", "biscuit=none"]
    assert overrides(Tea, words) == {
        "minutes": 4,
        "sugar": 0.1,
        "milk": True,
        "kind": "black",
        "biscuit": None,
    }
    assert overrides(Tea, []) == {}


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("minutes", "write name=value"),
        ("minutes=long", "minutes is a whole number, but got 'long'"),
        ("minutes=1.5", "minutes is a whole number"),
        ("sugar=", "sugar is a number, but got ''"),
        ("milk=1", "milk is true or false"),
        ("kind=red", "kind is green or black, but got 'red'"),
        ("biscuit=3", "biscuit is none"),
        ("minuets=4", "Did you mean 'minutes'"),
        ("guests=me", "no field of Tea to set 'guests'"),
    ],
)
def test_what_cannot_be_set_is_named(word, complaint):
    with pytest.raises((ValueError, UnknownNameError), match=complaint):
        overrides(Tea, [word])


def test_a_field_is_set_once_and_only_if_it_is_not_decided_elsewhere():
    with pytest.raises(ValueError, match="sugar is set twice"):
        overrides(Tea, ["sugar=1", "sugar=2"])
    with pytest.raises(UnknownNameError, match="sugar"):
        overrides(Tea, ["sugar=1"], without=("sugar",))


def test_the_model_s_choices_can_be_undone():
    words = ["fusion=late", "decoder=flow", "augmentation=none", "point_weight=0", "bf16=false", "free=2"]
    changed = dataclasses.replace(tiny(FEATURES), **overrides(VLAConfig, words))
    assert (changed.fusion, changed.decoder, changed.augmentation) == ("late", "flow", None)
    assert (changed.point_weight, changed.bf16, changed.free) == (0.0, False, 2)
