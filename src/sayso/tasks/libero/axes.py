"""Axes of generalisation that LIBERO's scenes have; what is asked for, and where it stands, LIBERO-PRO changes."""

from __future__ import annotations

from sayso.tasks.axes import (
    CAMERA,
    DYNAMICS,
    IMAGE,
    LIGHT,
    METAWORLD_START,
    WORDS,
)

LIBERO = (CAMERA, LIGHT, IMAGE, METAWORLD_START, WORDS, DYNAMICS)
