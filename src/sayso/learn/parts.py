"""Tensors of which each device has a part (torch's DTensor): made whole, and divided like another.

All devices must do either at the same time, for they give each other what they have.
"""

from __future__ import annotations

from torch import Tensor, empty_like


def is_part(tensor: Tensor) -> bool:
    """Tell whether other devices have other parts of a tensor."""
    return hasattr(tensor, "placements")


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor as one, with the parts of all devices; one that is no part of anything as it is."""
    found: Tensor = getattr(tensor, "full_tensor", lambda: tensor)()
    return found


def placed(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor in the memory order of another, or this device's part if the other is one."""
    if not is_part(like):
        return empty_like(like).copy_(value)
    from torch.distributed.tensor import DTensor, Replicate

    assert isinstance(like, DTensor)
    everywhere = DTensor.from_local(value.to(like.device), like.device_mesh, [Replicate()])
    return everywhere.redistribute(like.device_mesh, like.placements)
