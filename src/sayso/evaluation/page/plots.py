"""Plots as SVG inside a page: shares with their intervals as bars, and success over the levels of an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sayso.evaluation.statistics import Interval

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 40
"""Margins in pixels, for what stands beside the axes."""
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#bab0ac")


@dataclass(frozen=True)
class Curve:
    """Success at some levels of an axis."""

    name: str
    points: Mapping[int, Interval]


def bar(found: Interval, colour: str = COLOURS[0]) -> str:
    """Draw a share of 0 to 1 as a bar, and its interval as a whisker, 180 x 18 pixels."""
    if found.share != found.share:  # NaN: nothing was measured
        return "<span class='faint'>nothing measured</span>"
    width, low, high = (round(176 * value, 1) for value in (found.share, found.low, found.high))
    return (
        f"<svg class='bar' viewBox='0 0 180 18' width='180' height='18' role='img' "
        f"aria-label='{escape(str(found))}'>"
        f"<rect x='2' y='3' width='176' height='12' rx='3' class='empty'/>"
        f"<rect x='2' y='3' width='{width}' height='12' rx='3' fill='{colour}'/>"
        f"<path d='M{2 + low} 9H{2 + high}M{2 + low} 5V13M{2 + high} 5V13' class='whisker'/></svg>"
    )


def stacked(parts: Mapping[str, int], colours: Mapping[str, str]) -> str:
    """Draw counts as parts of one bar, each with its number, 320 x 22 pixels."""
    total, at, drawn = sum(parts.values()), 0.0, []
    for name, count in parts.items():
        width = 320 * count / max(total, 1)
        colour = colours.get(name, COLOURS[-1])
        label = f"<text x='{at + width / 2:.1f}' y='15' class='on'>{count}</text>" if width > 22 else ""
        drawn.append(
            f"<g><title>{escape(name)}: {count} of {total}</title><rect x='{at:.1f}' y='1' "
            f"width='{width:.1f}' height='20' fill='{colour}'/>{label}</g>"
        )
        at += width
    return f"<svg class='bar' viewBox='0 0 320 22' width='320' height='22' role='img'>{''.join(drawn)}</svg>"


def over_levels(curves: Sequence[Curve], labels: Mapping[int, str]) -> str:
    """Draw success over the levels of an axis: the first curve thick and with intervals, the others thin.

    Args:
        curves: all families together, then each.
        labels: level -> what it means, shown at its place.
    """
    levels = sorted({level for curve in curves for level in curve.points} | {0})
    last = max(max(levels), 1)

    def x(level: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * level / last, 1)

    def y(share: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)

    parts = [
        f"<path d='M{LEFT} {y(v)}H{WIDTH - RIGHT}' class='grid'/>"
        f"<text x='{LEFT - 6}' y='{y(v) + 4}' class='tick end'>{v:.0%}</text>"
        for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts += [
        f"<g><title>{escape(labels.get(k, f'level {k}'))}</title>"
        f"<text x='{x(k)}' y='{HEIGHT - BOTTOM + 16}' class='tick mid'>{k}</text></g>"
        for k in levels
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f"<text x='{middle}' y='{HEIGHT - 6}' class='tick mid'>level (0: as in training)</text>")
    for number, curve in reversed([*enumerate(curves)]):
        parts.append(_curve(curve, COLOURS[number % len(COLOURS)], thick=number == 0, x=x, y=y))
    colours = {curve.name: COLOURS[k % len(COLOURS)] for k, curve in enumerate(curves)}
    return (
        f"<svg class='plot' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img'>"
        f"{''.join(parts)}</svg>{legend_of(colours)}"
    )


def _curve(curve: Curve, colour: str, *, thick: bool, x: object, y: object) -> str:
    assert callable(x) and callable(y)
    points = [(x(k), found, k) for k, found in sorted(curve.points.items()) if found.share == found.share]
    line = "L".join(f"{at} {y(found.share)}" for at, found, _ in points)
    style = f"stroke='{colour}' stroke-width='{3 if thick else 1.3}' opacity='{1 if thick else 0.75}'"
    drawn = [f"<path d='M{line}' fill='none' {style}/>"] if line else []
    for at, found, level in points:
        said = f"<title>{escape(curve.name)}, level {level}: {escape(str(found))}</title>"
        whisker = f"<path d='M{at} {y(found.low)}V{y(found.high)}' {style}/>" if thick else ""
        radius = 5 if thick else 2.5
        drawn.append(
            f"<g>{said}{whisker}<circle cx='{at}' cy='{y(found.share)}' r='{radius}' fill='{colour}'/></g>"
        )
    return "".join(drawn)


def legend_of(colours: Mapping[str, str]) -> str:
    """Say which colour is what."""
    names = [f"<span><i style='background:{c}'></i>{escape(name)}</span>" for name, c in colours.items()]
    return f"<div class='legend'>{''.join(names)}</div>"
