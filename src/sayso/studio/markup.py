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
ACTORS: Mapping[str, tuple[str, str]] = {
    "policy": ("The policy acts.", "#228be6"),
    "person": ("You act.", "#ff7800"),
    "nobody": ("Nobody acts.", "#868e96"),
}
HINTS: Mapping[str, str] = {
    "policy": "Drag the orange ball or hold an arrow key to take over.",
    "person": "Let go, and the policy goes on.",
    "nobody": "It waits for an answer; you may take over.",
}
KEYS = (
    (("←", "→", "↑", "↓"), "the hand: left, right, away, nearer, as you look at it"),
    (("Page ↑", "Page ↓"), "up and down; so do <kbd>R</kbd> and <kbd>F</kbd>"),
    (("Space",), "open or shut the gripper"),
    ((",", "."), "turn the jaws"),
    (("Home", "End"), "lean the hand out, and back"),
)
BASE_KEYS = (
    (("W", "S", "A", "D"), "drive: ahead, back, left, right"),
    (("Q", "E"), "turn on the spot"),
)
"""Keys, and what they do; of a robot that drives, the second as well."""
LIT, UNLIT = "#40c057", "#868e96"
STYLE = """
<style>
.mantine-Button-root { height: auto !important; min-height: 2em; padding: 0.3em 0.8em; }
.mantine-Button-label { white-space: normal; line-height: 1.25; text-align: center; }
.sayso { font-size: 0.85em; line-height: 1.45; padding: 0.1em 0.6em 0.4em; overflow-wrap: anywhere; }
.sayso td { padding: 0 1.2em 0 0; }
.sayso kbd { border: 1px solid #adb5bd; border-radius: 0.3em; padding: 0 0.35em; font-size: 0.9em; }
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


def acting(view: View, *, mobile: bool) -> str:
    """Return who acts now, what may be done about it, and what has been kept of what people did."""
    actor = view.actor or "nobody"
    who, colour = ACTORS[actor] if view.steered else ACTORS["nobody"]
    hint = HINTS[actor] if view.steered and not view.alone else ""
    # What the page's script looks for: which keys are meant for the robot now.
    steered = f' data-steered="{"base" if mobile else "arm"}"' if view.steered else ""
    kept = f'<div class="faint">{escape(view.kept)}</div>' if view.kept else ""
    return _boxed(
        f'<div data-actor="{actor if view.steered else "nobody"}"{steered} style="margin-top:0.5em;'
        f'border-left:4px solid {colour};padding-left:0.6em"><b>{who}</b> {hint}</div>{kept}'
    )


def keys(*, mobile: bool, alone: bool) -> str:
    """Return which keys do what."""
    rows = "".join(
        f'<tr><td style="white-space:nowrap">{"&nbsp;".join(f"<kbd>{key}</kbd>" for key in pressed)}</td>'
        f"<td>{what}</td></tr>"
        for pressed, what in (KEYS + BASE_KEYS if mobile else KEYS)
    )
    how = "<b>Drag the orange ball</b> at the hand, or hold a key."
    if not alone:
        how = f"{how} You may do so while the robot acts; let go, and the policy goes on."
    return _boxed(
        f'<div>{how}</div><table style="margin-top:0.4em">{rows}</table>'
        '<div class="faint">A gamepad: left stick and right stick up and down move the hand, A is the '
        "gripper.</div>"
    )


def asked(view: View, kept: int, wanted: int) -> str:
    """Return what a person is to show now, and how many times that was done in this sitting."""
    # What the page's script looks for: whether Enter and Backspace are meant for what was done.
    judged = ' data-judged="true"' if view.judged else ""
    sentence = view.lines[-1].sentence if view.lines else ""
    return _boxed(
        f'<div data-kept="{kept}"{judged} style="font-size:1.25em;font-weight:600;margin-top:0.3em">'
        f'{escape(sentence)}</div><div class="faint">{kept} of {wanted} kept</div>'
    )


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
