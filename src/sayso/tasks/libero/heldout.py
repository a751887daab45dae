"""Held-out sentences for LIBERO's forty tasks: three of ours for each, for measuring alone."""

from __future__ import annotations

from collections.abc import Mapping

from sayso.tasks.libero.suites import GROCERIES

Ways = tuple[str, str, str]

_BOWLS: Mapping[str, Ways] = {
    "between the plate and the ramekin": (
        "the black bowl that has the plate on one side and the ramekin on the other belongs on the plate",
        "get hold of the dark bowl between ramekin and plate and lay it onto the plate",
        "from between the small white dish and the plate, move the black bowl onto the plate",
    ),
    "next to the ramekin": (
        "the black bowl beside the ramekin belongs on the plate",
        "get hold of the dark bowl that is close to the ramekin and lay it onto the plate",
        "from beside the small white dish, move the black bowl onto the plate",
    ),
    "from table center": (
        "the black bowl in the middle of the table belongs on the plate",
        "get hold of the dark bowl at the centre of the table and lay it onto the plate",
        "from the middle of the tabletop, move the black bowl onto the plate",
    ),
    "on the cookie box": (
        "the black bowl that stands on the box of cookies belongs on the plate",
        "get hold of the dark bowl on top of the biscuits and lay it onto the plate",
        "off the cookie box with the black bowl, and onto the plate with it",
    ),
    "in the top drawer of the wooden cabinet": (
        "the black bowl inside the upper drawer belongs on the plate",
        "get hold of the dark bowl that is in the cabinet's highest drawer and lay it onto the plate",
        "out of the top drawer with the black bowl, and onto the plate with it",
    ),
    "on the ramekin": (
        "the black bowl that stands on the ramekin belongs on the plate",
        "get hold of the dark bowl on top of the small white dish and lay it onto the plate",
        "off the ramekin with the black bowl, and onto the plate with it",
    ),
    "next to the cookie box": (
        "the black bowl beside the box of cookies belongs on the plate",
        "get hold of the dark bowl that is close to the biscuits and lay it onto the plate",
        "from beside the cookie box, move the black bowl onto the plate",
    ),
    "on the stove": (
        "the black bowl that stands on the stove belongs on the plate",
        "get hold of the dark bowl on top of the cooker and lay it onto the plate",
        "off the stove with the black bowl, and onto the plate with it",
    ),
    "next to the plate": (
        "the black bowl beside the plate belongs on it",
        "get hold of the dark bowl that is close to the plate and lay it onto that",
        "from beside the plate, move the black bowl onto it",
    ),
    "on the wooden cabinet": (
        "the black bowl that stands on the cabinet belongs on the plate",
        "get hold of the dark bowl on top of the wooden cupboard and lay it onto the plate",
        "off the cabinet with the black bowl, and onto the plate with it",
    ),
}


def _grocery(name: str) -> Ways:
    return (
        f"the {name} belongs in the basket",
        f"get hold of the {name} and drop it into the basket",
        f"into the basket with the {name}",
    )


HELDOUT: Mapping[str, Ways] = {
    **{f"pick up the black bowl {where} and place it on the plate": ways for where, ways in _BOWLS.items()},
    **{f"pick up the {name} and place it in the basket": _grocery(name) for name in GROCERIES},
    "open the middle drawer of the cabinet": (
        "pull out the drawer in the middle",
        "of the cabinet's drawers, the second is to be drawn out",
        "get the middle drawer open for me",
    ),
    "put the bowl on the stove": (
        "the bowl belongs on the stove",
        "get hold of the bowl and lay it onto the cooker",
        "onto the burner with the bowl",
    ),
    "put the wine bottle on top of the cabinet": (
        "the wine bottle belongs up on the cabinet",
        "get hold of the wine and stand it on the cupboard",
        "onto the cabinet with the bottle of wine",
    ),
    "open the top drawer and put the bowl inside": (
        "pull out the upper drawer, the bowl belongs in it",
        "draw out the highest drawer, then lower the bowl into it",
        "the bowl goes into the top drawer, which has to be pulled out first",
    ),
    "put the bowl on top of the cabinet": (
        "the bowl belongs up on the cabinet",
        "get hold of the bowl and stand it on the cupboard",
        "onto the cabinet with the bowl",
    ),
    "push the plate to the front of the stove": (
        "slide the plate until it is before the stove",
        "shove the plate over, in front of the cooker",
        "the plate belongs right in front of the stove, so push it there",
    ),
    "put the cream cheese in the bowl": (
        "the cream cheese belongs in the bowl",
        "get hold of the soft cheese and drop it into the bowl",
        "into the bowl with the cream cheese",
    ),
    "turn on the stove": (
        "light the stove",
        "turn the knob so that the cooker heats",
        "get the burner going",
    ),
    "put the bowl on the plate": (
        "the bowl belongs on the plate",
        "get hold of the bowl and lay it onto the plate",
        "onto the plate with the bowl",
    ),
    "put the wine bottle on the rack": (
        "the wine bottle belongs in the wine rack",
        "get hold of the wine and lay it onto the rack",
        "onto the rack with the bottle of wine",
    ),
    "put both the alphabet soup and the tomato sauce in the basket": (
        "the alphabet soup belongs in the basket, and so does the tomato sauce",
        "drop two things into the basket: alphabet soup and tomato sauce",
        "into the basket with the tomato sauce and the alphabet soup",
    ),
    "put both the cream cheese box and the butter in the basket": (
        "the cream cheese belongs in the basket, and so does the butter",
        "drop two things into the basket: cream cheese and butter",
        "into the basket with the butter and the cream cheese",
    ),
    "turn on the stove and put the moka pot on it": (
        "light the stove, then the moka pot belongs on it",
        "get the burner going and stand the coffee pot on it",
        "the moka pot goes onto the stove, and that has to be lit",
    ),
    "put the black bowl in the bottom drawer of the cabinet and close it": (
        "the black bowl belongs in the lowest drawer, which should be shut afterwards",
        "lower the dark bowl into the drawer at the bottom, then push that in",
        "into the bottom drawer with the bowl, and shut the drawer",
    ),
    "put the white mug on the left plate and put the yellow and white mug on the right plate": (
        "the white mug belongs on the plate on the left, the yellow and white one on that on the right",
        "of the two mugs, stand the plain white one on the left plate and the other on the right plate",
        "left plate: the white mug; right plate: the yellow and white mug",
    ),
    "pick up the book and place it in the back compartment of the caddy": (
        "the book belongs in the caddy, in the part at the back",
        "get hold of the book and stand it in the rear of the desk organizer",
        "into the caddy's back compartment with the book",
    ),
    "put the white mug on the plate and put the chocolate pudding to the right of the plate": (
        "the white mug belongs on the plate, the chocolate pudding to its right",
        "stand the mug that is white on the plate, and the pudding beside the plate on the right",
        "onto the plate with the white mug, and right of the plate with the chocolate pudding",
    ),
    "put both the alphabet soup and the cream cheese box in the basket": (
        "the alphabet soup belongs in the basket, and so does the cream cheese",
        "drop two things into the basket: alphabet soup and cream cheese",
        "into the basket with the cream cheese and the alphabet soup",
    ),
    "put both moka pots on the stove": (
        "the two moka pots belong on the stove",
        "stand the coffee pots on the cooker, one after the other",
        "onto the stove with each of the moka pots",
    ),
    "put the yellow and white mug in the microwave and close it": (
        "the yellow and white mug belongs in the microwave, which should be shut afterwards",
        "stand the mug with yellow on it in the microwave oven, then push its door to",
        "into the microwave with the yellow and white mug, and shut the door",
    ),
}
"""LIBERO's sentence -> three other ways to say it."""
