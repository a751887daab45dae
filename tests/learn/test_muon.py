"""Facts about Muon."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sayso.learn.muon import ADAM_RMS, Muon, orthogonalised
from sayso.learn.optimise import muon


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_become_about_one_and_directions_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    step = orthogonalised(matrix).float()
    assert step.shape == shape
    values = torch.linalg.svdvals(step)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.diagonal(left.T @ step @ right.T).min() > 0.6


def test_a_step_is_as_long_as_adamws():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(48, 96))
    optimizer = Muon([weight], [], weight_decay=0.0, lr=1e-3)
    weight.grad = torch.randn(48, 96)
    optimizer.step()
    assert weight.detach().square().mean().sqrt() == pytest.approx(ADAM_RMS * 1e-3, rel=0.25)


def test_what_is_no_matrix_moves_as_with_adam():
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    ours, adam = Muon([], [mine], weight_decay=0.5, lr=0.01), torch.optim.Adam([theirs], lr=0.01)
    for _ in range(5):
        gradient = torch.randn(7)
        for parameter, optimizer in ((mine, ours), (theirs, adam)):
            parameter.grad = gradient.clone()
            optimizer.step()
    assert torch.allclose(mine, theirs, atol=1e-6)


def test_tables_and_the_last_layer_are_left_to_adam():
    model = nn.ModuleDict({"body": nn.Conv2d(3, 4, 3), "head": nn.Linear(4, 2)})
    model.queries = nn.Parameter(torch.zeros(5, 4))
    matrices, others = muon(dict(model.named_parameters()), weight_decay=0.1).param_groups
    assert [p.shape for p in matrices["params"]] == [(4, 3, 3, 3)]
    assert len(others["params"]) == 4 and others["weight_decay"] == 0
