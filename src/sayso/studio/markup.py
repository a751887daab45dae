"""HTML of what changes on the page, which looks right on light and on dark paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from sayso.studio.view import Line, Mark, Tone, View

COLOURS: Mapping[Tone, str] = {"idle": "#868e96", "busy": "#228be6", "good": "#2f9e44", "bad": "#e8590c"}
MARKS: Mapping[Mark, tuple[str, str]] = {
    "waiting": ("○", "#868e96"),
    "running": ("◐", "#228be6"),
    "done": ("●", "#2f9e44"),
    "failed": ("✕", "#e8590c"),
}
LIT, UNLIT = "#40c057", "#868e96"
STYLE = """
<style>
.mantine-Button-root { height: auto !important; min-height: 2em; padding: 0.3em 0.8em; }
.mantine-Button-label { white-space: normal; line-height: 1.25; text-align: center; }
.sayso { font-size: 0.85em; line-height: 1.45; padding: 0.1em 0.6em 0.4em; overflow-wrap: anywhere; }
.sayso td { padding: 0 1.2em 0 0; }
.sayso .faint { opacity: 0.65; }
</style>
"""
"""Long examples on buttons break into lines instead of being cut off."""


def status(view: View) -> str:
    """Return how things are: a badge, what there is to say, the plan, the conditions of the present step."""
    badge = (
        f'<span data-headline="{escape(view.headline)}" style="background:{COLOURS[view.tone]};color:white;'
        f'border-radius:1em;padding:0.15em 0.8em;font-weight:600">{escape(view.headline)}</span>'
    )
    detail = f'<div style="margin-top:0.5em">{escape(view.detail)}</div>' if view.detail else ""
    return _boxed(f'<div style="margin-top:0.5em">{badge}</div>{detail}{plan(view.lines)}{conditions(view)}')


def plan(lines: Sequence[Line]) -> str:
    """Return the steps, each with its mark."""
    rows = []
    for line in lines:
        mark, colour = MARKS[line.mark]
        note = f' <span class="faint">({escape(line.note)})</span>' if line.note else ""
        weight = "600" if line.mark == "running" else "400"
        rows.append(
            f'<div data-step="{line.mark}" style="display:flex;gap:0.5em;font-weight:{weight}">'
            f'<span style="color:{colour}">{mark}</span><span>{escape(line.sentence)}{note}</span></div>'
        )
    return f'<div style="margin-top:0.6em">{"".join(rows)}</div>' if rows else ""


def conditions(view: View) -> str:
    """Return the named conditions of success as lamps that are lit where they hold."""
    lamps = []
    for name, held in view.conditions.items():
        glow = f"background:{LIT};box-shadow:0 0 7px 1px {LIT}" if held else f"border:1.5px solid {UNLIT}"
        lamps.append(
            f'<div data-condition="{escape(name)}" data-lit="{str(held).lower()}" '
            f'style="display:flex;align-items:center;gap:0.6em;{"" if held else "opacity:0.7"}">'
            f'<span style="width:0.75em;height:0.75em;border-radius:50%;box-sizing:border-box;{glow}"></span>'
            f"{escape(name.replace('_', ' '))}</div>"
        )
    if not lamps:
        return ""
    return f'<div style="margin-top:0.6em"><div class="faint">success is</div>{"".join(lamps)}</div>'


def timing(view: View) -> str:
    """Return the rate of the loop and how long answers take."""
    rate = f"{view.hz:.1f} of {view.wanted_hz:g} Hz" if view.hz else f"{view.wanted_hz:g} Hz when it drives"
    late = view.answer_ms / 1000 * view.wanted_hz
    latency = f"{view.answer_ms:.0f} ms, {late:.1f} steps late" if view.answer_ms else "no question yet"
    thought = f"{view.policy_ms:.0f} ms" if view.policy_ms else "no question yet"
    rows = (("control rate", rate), ("policy", thought), ("answer", latency), ("robot", view.robot))
    cells = "".join(
        f'<tr><td class="faint">{name}</td><td data-number="{name}">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return _boxed(f"<table>{cells}</table>")


def _boxed(content: str) -> str:
    return f'<div class="sayso">{content}</div>'
