"""Table of Meta-World's fifty tasks: how hard each is, LeRobot's sentence for it, and other ways to say it.

The tiers and the first sentence of each task are those of LeRobot's ``metaworld_config.json``, to the letter,
so that numbers can be compared. It asks for `push` and for `push-back` in the same words. The other three
sentences are ours; training never hears them, and no two tasks share one. The file beside this one holds the
wordings that training may hear; who wrote them had not seen those three.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sayso.spec import UnknownNameError

WORDINGS = Path(__file__).with_name("mt50_wordings.json")
"""LeRobot's sentence of each task, to other ways to say it that a policy may learn from."""


@dataclass(frozen=True)
class Asked:
    """How hard a task is and in which words it is asked for."""

    tier: str
    """``easy`` (28 tasks), ``medium`` (11), ``hard`` (6) or ``very_hard`` (5)."""
    instruction: str
    heldout: tuple[str, str, str]
    """The same in words that training never hears."""


def tier(name: str, **rows: tuple[str, str, str, str]) -> dict[str, Asked]:
    """Return the tasks of a tier; a keyword is a task's name with underscores for its hyphens."""
    return {
        task.replace("_", "-"): Asked(name, instruction, (first, second, third))
        for task, (instruction, first, second, third) in rows.items()
    }


TIERS = ("easy", "medium", "hard", "very_hard")

EASY = tier(
    "easy",
    button_press=(
        "Press a button",
        "Push the button in",
        "Go to the button and give it a press",
        "Drive the button into its box with the gripper",
    ),
    button_press_topdown=(
        "Press a button from the top",
        "Push the button down from above",
        "Come down onto the button and press it",
        "Lower the gripper on the button until it is pressed",
    ),
    button_press_topdown_wall=(
        "Bypass a wall and press a button from the top",
        "Get past the wall and push the button down from above",
        "There is a wall in the way: go over it and press down on the button behind it",
        "Move around the wall, then lower the gripper on the button",
    ),
    button_press_wall=(
        "Bypass a wall and press a button",
        "Get past the wall and push the button in",
        "Reach over the wall to the button behind it and press that",
        "Go around the wall, then drive the button into its box",
    ),
    coffee_button=(
        "Push a button on the coffee machine",
        "Press the coffee maker's button",
        "Start the coffee machine by its button",
        "Make a coffee: push in the button of the machine",
    ),
    dial_turn=(
        "Rotate a dial 180 degrees",
        "Turn the dial by half a revolution",
        "Give the dial half a turn",
        "Twist the dial until it points the opposite way",
    ),
    door_close=(
        "Close a door with a revolving joint",
        "Shut the hinged door",
        "Swing the door on its hinge until it is shut",
        "The door stands open: push it to",
    ),
    door_lock=(
        "Lock the door by rotating the lock clockwise",
        "Turn the lock clockwise so that the door is locked",
        "Make the door fast: its lock turns clockwise",
        "Lock up the door with a clockwise turn of its lock",
    ),
    door_open=(
        "Open a door with a revolving joint",
        "Pull the hinged door open",
        "Swing the door on its hinge until it stands open",
        "The door is shut: take its handle and open it",
    ),
    door_unlock=(
        "Unlock the door by rotating the lock counter-clockwise",
        "Turn the lock anticlockwise so that the door is unlocked",
        "Release the door: its lock turns against the clock",
        "Undo the door's lock with an anticlockwise turn",
    ),
    drawer_close=(
        "Push and close a drawer",
        "Shut the drawer",
        "Push the open drawer back in",
        "The drawer sticks out: slide it in until it is shut",
    ),
    drawer_open=(
        "Open a drawer",
        "Pull the drawer out",
        "Take the drawer by its handle and pull it open",
        "The drawer is shut: draw it out",
    ),
    faucet_close=(
        "Rotate the faucet clockwise",
        "Turn the tap clockwise",
        "Twist the handle of the tap in the clockwise direction",
        "Turn off the tap, that is clockwise",
    ),
    faucet_open=(
        "Rotate the faucet counter-clockwise",
        "Turn the tap anticlockwise",
        "Twist the handle of the tap in the anticlockwise direction",
        "Turn on the tap, that is against the clock",
    ),
    handle_press=(
        "Press a handle down",
        "Push the handle downwards",
        "Bear down on the handle until it is low",
        "Bring the handle to its lowest position",
    ),
    handle_press_side=(
        "Press a handle down sideways",
        "Push the sideways handle downwards",
        "Bear down on the handle that points to the side",
        "From the side, bring the handle to its lowest position",
    ),
    handle_pull=(
        "Pull a handle up",
        "Lift the handle",
        "Raise the handle until it is high",
        "Get under the handle and draw it upwards",
    ),
    handle_pull_side=(
        "Pull a handle up sideways",
        "Lift the sideways handle",
        "Raise the handle that points to the side",
        "From the side, get under the handle and draw it upwards",
    ),
    lever_pull=(
        "Pull a lever down 90 degrees",
        "Pull the lever through a quarter of a turn",
        "Bring the lever down by a right angle",
        "Swing the lever 90 degrees around its axle",
    ),
    plate_slide=(
        "Slide a plate into a cabinet",
        "Push the plate forward until it is in the cabinet",
        "Shove the plate straight ahead into the cabinet",
        "Put the plate away: slide it forward under the cabinet",
    ),
    plate_slide_back=(
        "Get a plate from the cabinet",
        "Draw the plate straight back out of the cabinet",
        "Take the plate out of the cabinet towards you",
        "The plate is in the cabinet: slide it back out",
    ),
    plate_slide_back_side=(
        "Get a plate from the cabinet sideways",
        "Draw the plate out of the cabinet to the side",
        "Take the plate out of the cabinet by sliding it sideways",
        "The plate is in the cabinet: bring it out at the side",
    ),
    plate_slide_side=(
        "Slide a plate into a cabinet sideways",
        "Push the plate sideways until it is in the cabinet",
        "Shove the plate into the cabinet from the side",
        "Put the plate away: slide it to the side, under the cabinet",
    ),
    reach=(
        "Reach a goal position",
        "Bring the gripper to the target point",
        "Move the hand to the marked spot",
        "Go where the marker is, with nothing in the way",
    ),
    reach_wall=(
        "Bypass a wall and reach a goal",
        "Get past the wall and bring the gripper to the target point",
        "Move the hand around the wall to the marked spot",
        "There is a wall in the way: go over it to the marker",
    ),
    window_close=(
        "Push and close a window",
        "Slide the window shut",
        "The window is open: push it until it is closed",
        "Shut the window by its handle",
    ),
    window_open=(
        "Push and open a window",
        "Slide the window open",
        "The window is shut: push it until it is open",
        "Let some air in: push the window aside by its handle",
    ),
    peg_unplug_side=(
        "Unplug a peg sideways",
        "Pull the peg out of its socket to the side",
        "Draw the plugged peg out sideways",
        "Take hold of the peg and slide it sideways out of its hole",
    ),
)

MEDIUM = tier(
    "medium",
    basketball=(
        "Dunk the basketball into the basket",
        "Put the basketball through the hoop",
        "Pick up the basketball and drop it into the basket from above",
        "Score with the basketball",
    ),
    bin_picking=(
        "Grasp the puck from one bin and place it into another bin",
        "Take the puck out of its bin and put it into the other bin",
        "Move the puck over from the one bin to the other",
        "Pick the puck up from its bin and drop it in the second one",
    ),
    box_close=(
        "Grasp the cover and close the box with it",
        "Take the lid and put it on the box",
        "Cover the box with its lid",
        "Pick up the cover and shut the box",
    ),
    coffee_pull=(
        "Pull a mug from a coffee machine",
        "Take the mug away from under the coffee maker",
        "Draw the cup out of the coffee machine",
        "The coffee is ready: slide the mug away from the machine",
    ),
    coffee_push=(
        "Push a mug under a coffee machine",
        "Slide the mug to where the coffee comes out of the machine",
        "Put the cup in place below the coffee maker",
        "The machine needs a cup: push the mug under it",
    ),
    hammer=(
        "Hammer a screw on the wall",
        "Take the hammer and knock the screw into the wall",
        "Drive the screw into the wall with the hammer",
        "Pick up the hammer and hit the screw with it",
    ),
    peg_insert_side=(
        "Insert a peg sideways",
        "Push the peg into the hole from the side",
        "Pick up the peg and slide it sideways into its hole",
        "Plug the peg into the opening in the side of the box",
    ),
    push_wall=(
        "Bypass a wall and push a puck to a goal",
        "Get the puck past the wall and slide it to the target",
        "Slide the puck around the wall to the marked spot",
        "There is a wall in the way: shove the puck beside it to the target",
    ),
    soccer=(
        "Kick a soccer into the goal",
        "Shoot the football into the net",
        "Knock the soccer ball between the posts",
        "Push the ball into the soccer goal",
    ),
    sweep=(
        "Sweep a puck off the table",
        "Push the puck over the edge of the table",
        "Clear the puck from the table with a sweep to the side",
        "Wipe the puck off the tabletop",
    ),
    sweep_into=(
        "Sweep a puck into a hole",
        "Push the puck along the table until it drops into the hole",
        "Make the puck fall into the hole with a sweep",
        "Brush the puck across the tabletop and down the hole",
    ),
)

HARD = tier(
    "hard",
    assembly=(
        "Pick up a nut and place it onto a peg",
        "Put the nut on the peg",
        "Lift the ring by its handle and lower it over the post",
        "Take the nut and thread it over the upright peg",
    ),
    hand_insert=(
        "Insert the gripper into a hole",
        "Put the hand down into the hole",
        "Lower the gripper until it is inside the hole",
        "Move over the hole and reach down into it",
    ),
    pick_out_of_hole=(
        "Pick up a puck from a hole",
        "Take the puck out of the hole",
        "Reach into the hole, grasp the puck and lift it out",
        "The puck lies in a hole: bring it up to the target",
    ),
    pick_place=(
        "Pick and place a puck to a goal",
        "Grasp the puck, lift it and carry it to the target",
        "Pick the puck up and hold it at the marked spot",
        "Carry the puck through the air to the target",
    ),
    push=(
        "Push the puck to a goal",
        "Slide the puck forward to the target",
        "Shove the puck away from the robot to the marked spot",
        "Push the puck ahead over the table as far as the target",
    ),
    push_back=(
        "Push the puck to a goal",
        "Slide the puck back to the target",
        "Drag the puck towards the robot to the marked spot",
        "Push the puck backwards over the table as far as the target",
    ),
)

VERY_HARD = tier(
    "very_hard",
    shelf_place=(
        "Pick and place a puck onto a shelf",
        "Put the puck on the shelf",
        "Lift the puck and set it down on the shelf",
        "The puck belongs on the shelf: pick it up and place it there",
    ),
    disassemble=(
        "Pick a nut out of a peg",
        "Take the nut off the peg",
        "Lift the ring by its handle until it is clear of the post",
        "Free the upright peg of its nut",
    ),
    stick_pull=(
        "Grasp a stick and pull a box with the stick",
        "Take the stick and drag the box with it",
        "Hook the box with the stick and draw it along",
        "Use the stick to haul the box to the target",
    ),
    stick_push=(
        "Grasp a stick and push a box using the stick",
        "Take the stick and shove the box with it",
        "Hold the stick against the box and push it along",
        "Use the stick to thrust the box to the target",
    ),
    pick_place_wall=(
        "Pick a puck, bypass a wall and place the puck",
        "Grasp the puck, carry it over the wall and hold it at the target",
        "Lift the puck past the wall to the marked spot",
        "There is a wall in the way: pick up the puck and bring it to the target behind",
    ),
)

TASKS: Mapping[str, Asked] = EASY | MEDIUM | HARD | VERY_HARD
"""A task's name, which is Meta-World's without its ``-v3``, to what is asked."""


def task_of(sentence: str) -> str:
    """Return the first task that is asked for by a sentence, whatever its capitals and full stop.

    Raises:
        UnknownNameError: if none is, with the nearest sentence that asks for one.
    """
    wordings: Mapping[str, list[str]] = json.loads(WORDINGS.read_text(encoding="utf-8"))
    said: dict[str, str] = {}
    for task, asked in TASKS.items():
        for way in (asked.instruction, *asked.heldout, *wordings.get(asked.instruction, ())):
            said.setdefault(_bare(way), task)
    if (bare := _bare(sentence)) in said:
        return said[bare]
    raise UnknownNameError("task asked for by", bare, map(_bare, (a.instruction for a in TASKS.values())))


def _bare(sentence: str) -> str:
    return " ".join(sentence.lower().strip().rstrip(".!").split())
