"""Axes of generalisation of LIBERO's scenes; things and their places are what LIBERO-PRO changes."""

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
PRO = tuple(axis for axis in LIBERO if axis is not WORDS)
"""LIBERO-PRO's suites: their sentences are changed already."""
