"""Paraphrases of Meta-World's fifty tasks by another author, kept for measuring alone.

None of them is LeRobot's sentence, a held-out one of `mt50`, or among the wordings that may be taught.
"""

from __future__ import annotations

from collections.abc import Mapping


def by_task(**sentences: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Return sentences by task; a keyword is a task's name with underscores for its hyphens."""
    return {task.replace("_", "-"): both for task, both in sentences.items()}


PARAPHRASES: Mapping[str, tuple[str, str]] = by_task(
    button_press=("Make contact with the button until it sinks in", "The knob on that case wants a push"),
    button_press_topdown=("Descend upon the button so it sinks", "From overhead, make the button go down"),
    button_press_topdown_wall=(
        "Hop over the barrier and make the button behind it sink from overhead",
        "Beyond the barrier is a button; from overhead, make it go down",
    ),
    button_press_wall=(
        "Beyond the barrier is a button; make it sink in",
        "Do not let the barrier stop you from pushing that button",
    ),
    coffee_button=("Someone would like an espresso, set the machine going", "Trigger the espresso maker"),
    dial_turn=(
        "Spin that dial until it is upside down",
        "The dial wants to look the opposite way, twist it",
    ),
    door_close=("Make the hinged door meet its frame", "Nobody left the door shut, so see to that"),
    door_lock=(
        "Secure the door, its bolt goes round like a clock",
        "Nobody may enter: bolt the door clockwise",
    ),
    door_open=(
        "Let us through: draw the hinged door away from its frame",
        "Pull on the hinged door so it gapes",
    ),
    door_unlock=(
        "Unbolt the door, against the direction of a clock",
        "We want to enter: undo the bolt anticlockwise",
    ),
    drawer_close=("The drawer should vanish into its cabinet", "Make the drawer flush with its cabinet"),
    drawer_open=("Let me look into the drawer", "Make the drawer jut out of its cabinet"),
    faucet_close=(
        "Give the water tap a clockwise twist",
        "The tap's lever should go round like a clock does",
    ),
    faucet_open=(
        "Give the water tap a twist against the clock",
        "The tap's lever should go round the way a clock does not",
    ),
    handle_press=("Force that handle towards the floor", "The handle is up and should be down"),
    handle_press_side=(
        "The handle at the side is up and should be down",
        "Force the side handle towards the floor",
    ),
    handle_pull=("The handle is down and should be up", "Heave that handle towards the ceiling"),
    handle_pull_side=(
        "The handle at the side is down and should be up",
        "Heave the side handle towards the ceiling",
    ),
    lever_pull=("Crank that lever down by a quarter of a circle", "A right angle downwards for the lever"),
    plate_slide=(
        "Let the dish glide straight into the cupboard",
        "The dish's home is straight ahead, in there",
    ),
    plate_slide_back=(
        "Fetch the dish straight back from the cupboard",
        "Retrieve the dish towards yourself",
    ),
    plate_slide_back_side=(
        "Fetch the dish from the cupboard towards the side",
        "Out with the dish, and off to the side",
    ),
    plate_slide_side=(
        "Let the dish glide sideways into the cupboard",
        "Sideways with the dish, into there",
    ),
    reach=("Be where the marker floats", "Hover your fingers at the target dot"),
    reach_wall=(
        "Be where the marker floats, past the barrier",
        "Hover at the target dot beyond the barrier",
    ),
    window_close=("There is a draught, do something about that window", "Bring the pane back so it seals"),
    window_open=("We need fresh air in here", "Send the pane aside so that air gets in"),
    peg_unplug_side=(
        "Take that plug away from its socket, sideways",
        "Free the stopper by a sideways tug",
    ),
    basketball=("Make a slam dunk", "Two points, please: the ball belongs in the net"),
    bin_picking=(
        "The puck is in the wrong container, swap it over",
        "Ferry the puck to the other container",
    ),
    box_close=("The lid lies beside the box, that is not its place", "Top the box with what covers it"),
    coffee_pull=(
        "My espresso is done, get the cup away from there",
        "Retrieve the cup from beneath the spout",
    ),
    coffee_push=("An empty cup has to wait beneath the spout", "Get the cup ready to be filled"),
    hammer=("Do some carpentry: that nail is sticking out", "Pound what sticks out of the wall"),
    peg_insert_side=(
        "The stopper fits the opening at the side, prove it",
        "Plug the block's side with the peg",
    ),
    push_wall=(
        "Skirt the barrier with the puck until the target is reached",
        "The puck's target is beyond the barrier, keep it on the table",
    ),
    soccer=("Score!", "The ball should cross the goal line"),
    sweep=("That puck has no business on the table", "Send the puck overboard"),
    sweep_into=("Sink the puck as in golf", "There is a pit in the table, let it swallow the puck"),
    assembly=("Thread that ring over its post", "The wrench-like nut has to encircle the post"),
    hand_insert=("Dip your fingers in the pit", "Fingers down the opening in the table, please"),
    pick_out_of_hole=("Rescue the puck, it is trapped in the pit", "Bring up what lies in the pit"),
    pick_place=("Airlift the puck to the marker", "The puck should float at the marker, hold it there"),
    push=("Make the puck glide to the marker ahead", "On the table, the puck should reach the marker"),
    push_back=(
        "Make the puck glide back to the marker",
        "On the table, the puck should return to the marker",
    ),
    shelf_place=("Store the puck on the rack", "The puck wants to be one storey higher, on the rack"),
    disassemble=(
        "Lift that ring clear of its post",
        "The wrench-like nut must no longer encircle the post",
    ),
    stick_pull=(
        "With the rod as a hook, get the container nearer",
        "Tow the container by means of the rod",
    ),
    stick_push=(
        "With the rod as a poker, send the container away",
        "Prod the container along with the rod",
    ),
    pick_place_wall=(
        "Airlift the puck across the barrier to the marker",
        "The puck should float at the marker beyond the barrier",
    ),
)
"""Task -> two sentences that ask for it."""
