"""Deciding: every query answers from the context, padding is never learned, flow is a repeatable draw."""

from __future__ import annotations

import pytest
import torch

from sayso.models.vla.action import (
    Context,
    FlowDecoder,
    RegressionDecoder,
    TransformerLayer,
    fourier,
    unpadded_mean,
    weighted_mean,
)
from sayso.models.vla.keypoints import Keypoints

B, M, K, A, D = 3, 5, 4, 2, 16


def decoders() -> list[RegressionDecoder | FlowDecoder]:
    torch.manual_seed(0)
    sizes = {"width": D, "layers": 1, "heads": 2, "chunk": K, "action_dim": A}
    return [RegressionDecoder(**sizes), FlowDecoder(**sizes, steps=3)]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_numbers_are_told_apart_by_their_waves():
    told = fourier(torch.linspace(0, 1, 65)[:, None])
    nearest = torch.cdist(told, told) + 10 * torch.eye(65)
    assert nearest.min() > 0.3


def test_the_mean_leaves_out_padding():
    error = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert unpadded_mean(error, torch.tensor([[False, False, True]])) == 2
    assert unpadded_mean(error, torch.ones(1, 3, dtype=torch.bool)) == 0
    assert weighted_mean(error, torch.tensor([[1.0, 0.5, 0.0]])) == pytest.approx(5 / 3)


def test_context_holds_slots_then_states_then_keypoints():
    torch.manual_seed(0)
    context = Context(views=2, queries=3, features=8, state_dim=2, slots=3, width=D)
    keypoints = Keypoints(torch.randn(B, 2, 3, 8), torch.rand(B, 2, 3, 2), torch.rand(B, 2, 3), [])
    slots, state = torch.randn(B, 3, D), torch.randn(B, 1, 2)
    seen = context(keypoints, state, slots, None)
    assert seen.shape == (B, 3 + 1 + 2 * 3, D)
    hidden = context(keypoints, state, slots, torch.tensor([True, False, False]))
    changed = (seen != hidden).any(-1)
    assert changed[0].tolist() == [False] * 3 + [True] + [False] * 6
    assert not changed[1:].any()


def test_every_token_attends_to_every_token():
    torch.manual_seed(0)
    tokens = torch.randn(1, M, D, requires_grad=True)
    TransformerLayer(D, 2)(tokens)[0, 0].sum().backward()
    assert (tokens.grad.abs().sum(-1) > 0).all()


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="do not divide"):
        TransformerLayer(16, 3)


@pytest.mark.parametrize("decoder", decoders(), ids=["regression", "flow"])
def test_a_chunk_has_one_row_per_step_and_one_column_per_dimension(decoder):
    assert decoder.sample(torch.randn(B, M, D), None).shape == (B, K, A)


@pytest.mark.parametrize("decoder", decoders(), ids=["regression", "flow"])
def test_the_loss_does_not_notice_a_fully_padded_sample(decoder):
    context, actions = torch.randn(B, M, D), torch.randn(B, K, A)
    counts = torch.ones(B, K)
    counts[0] = 0
    changed = actions.clone()
    changed[0] += 100
    losses = [decoder.loss(context, target, counts, seeded()) for target in (actions, changed)]
    assert losses[0] == losses[1]


def test_flow_repeats_with_the_same_seed_and_differs_with_another():
    flow, context = decoders()[1], torch.randn(B, M, D)
    assert torch.equal(flow.sample(context, seeded()), flow.sample(context, seeded()))
    assert not torch.equal(flow.sample(context, seeded()), flow.sample(context, None))


def test_flow_arrives_where_the_velocity_leads():
    """Time runs from noise to action, and a straight line is followed to its end."""

    class Straight(FlowDecoder):
        def velocity(self, context, noisy, time):
            target = torch.full_like(noisy, 3.0)
            return (target - noisy) / (1 - time[:, None, None])

    straight = Straight(width=D, layers=1, heads=2, chunk=K, action_dim=A, steps=5)
    assert torch.allclose(straight.sample(torch.randn(B, M, D), None), torch.full((B, K, A), 3.0), atol=1e-5)


def test_flow_learns_both_of_two_good_answers():
    """Where half of the demonstrations say +1 and half -1, regression can only say 0."""
    torch.manual_seed(0)
    flow = FlowDecoder(width=D, layers=1, heads=2, chunk=1, action_dim=1, steps=10)
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-2)
    actions = torch.tensor([-1.0, 1.0]).repeat(64).reshape(-1, 1, 1)
    context, counts = torch.zeros(128, 1, D), torch.ones(128, 1)
    for _ in range(200):
        optimiser.zero_grad()
        flow.loss(context, actions, counts, None).backward()
        optimiser.step()
    with torch.no_grad():
        drawn = flow.sample(context, seeded()).flatten()
    assert ((drawn.abs() - 1).abs() < 0.4).float().mean() > 0.8
    assert 0.25 < (drawn > 0).float().mean() < 0.75
