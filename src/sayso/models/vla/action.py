"""Action decoders, regression or flow matching: a transformer turns what is known into K actions at once.

::

    context tokens                                   query tokens, one per action of the chunk
    [slots N | state T | views x (referents, free)]  [1 ... K]
          '---------------- every token attends to every token ----------------'
                                                          |
                                          one linear head: actions [B, K, A]

Two ways to read the answer off, with the same transformer and the same two methods `loss` and `sample`:

- `RegressionDecoder`: the queries are learned, the answer is the action (L1; Zhao et al. 2023,
  arXiv:2304.13705, found L1 more precise than L2). One pass.
- `FlowDecoder`: the queries are a noisy chunk, the answer is the velocity towards the clean one
  (Lipman et al. 2023, arXiv:2210.02747). n passes, and several good answers may coexist.

Shapes: B batch, T frames (always the present one alone), V views, Q queries per view, F features per patch,
N slots, M context tokens (N + T + V * Q), K chunk, A action, S state, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sayso.models.initialisation import normal
from sayso.models.vla.keypoints import Keypoints

OCTAVES = 5
"""Frequencies by which a number in 0..1 is told to the network: half a wave, one, two, four, eight."""


def fourier(x: Tensor) -> Tensor:
    """Return Fourier features ``[..., n * (1 + 2 * OCTAVES)]``: numbers, their sines and their cosines."""
    angles = x[..., None] * math.pi * 2.0 ** torch.arange(OCTAVES, device=x.device)
    return torch.cat([x[..., None], angles.sin(), angles.cos()], -1).flatten(-2)


def or_zero(state: Tensor) -> Tensor:
    """Return a state ``[..., S]`` as it is, or a zero in its place where a robot tells nothing: S is 0."""
    return state if state.shape[-1] else state.new_zeros(*state.shape[:-1], 1)


class Context(nn.Module):
    """Token embedding of what is known: the slots, the state (proprioception) and every keypoint."""

    def __init__(
        self, *, views: int, queries: int, features: int, state_dim: int, slots: int, width: int
    ) -> None:
        """Build the embeddings for V views, Q queries per view, F features, S numbers of state, N slots."""
        super().__init__()
        self.embed_keypoint = nn.Linear(features + 2 * (1 + 2 * OCTAVES) + 1, width)
        self.embed_state = nn.Sequential(
            nn.Linear(max(1, state_dim), width), nn.GELU(), nn.Linear(width, width)
        )
        self.keypoint_position = nn.Parameter(normal(views, queries, width, std=0.02))
        self.state_position = nn.Parameter(normal(1, width, std=0.02))
        self.slot_position = nn.Parameter(normal(slots, width, std=0.02))
        self.no_state = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        keypoints: Keypoints,
        state: Tensor,
        slots: Tensor,
        hide_state: Tensor | None,
        cameras: Sequence[int] | None = None,
    ) -> Tensor:
        """Return tokens ``[B, M, D]``.

        Args:
            keypoints: what each query found in each view.
            state: ``[B, T, S]``, normalised.
            slots: ``[B, N, D]``.
            hide_state: bool ``[B]``, samples whose state is to stay unknown, or None. A policy that always
                knows its state tends to continue its own motion instead of looking.
            cameras: whose keypoints they are; None is all of the V in turn.
        """
        where = torch.cat([keypoints.seen, fourier(keypoints.where), keypoints.presence[..., None]], -1)
        position = self.keypoint_position if cameras is None else self.keypoint_position[list(cameras)]
        pointed = self.embed_keypoint(where) + position
        states = self.embed_state(or_zero(state))
        if hide_state is not None:
            states = torch.where(hide_state[:, None, None], self.no_state.to(states.dtype), states)
        return torch.cat([slots + self.slot_position, states + self.state_position, pointed.flatten(1, 2)], 1)


class TransformerLayer(nn.Module):
    """Transformer layer, pre-norm: self-attention of all tokens, then an MLP on each."""

    def __init__(self, width: int, heads: int) -> None:
        """Build a layer of D = `width` with a hidden layer of twice that."""
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, M, D]``."""
        x = x + self.out(self._attend(self.norm1(x)))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y

    def _attend(self, x: Tensor) -> Tensor:
        # Written out on purpose: over a few dozen tokens torch's fused attention for CPUs takes ten times as
        # long in the backward pass (48 against 5 ms for 64 x 36 tokens).
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        attended: Tensor = weights.to(v.dtype) @ v
        return attended.transpose(1, 2).flatten(2)


class ChunkTransformer(nn.Module):
    """Transformer over context and queries, with one answer read off every query."""

    def __init__(self, *, width: int, layers: int, heads: int, action_dim: int) -> None:
        """Build `layers` layers of D = `width`."""
        super().__init__()
        self.layers = nn.Sequential(
            *(TransformerLayer(width, heads) for _ in range(layers)), nn.LayerNorm(width)
        )
        self.head = nn.Linear(width, action_dim)

    def forward(self, context: Tensor, queries: Tensor) -> Tensor:
        """Return float32 ``[B, K, A]`` for context ``[B, M, D]`` and queries ``[B, K, D]``."""
        answered = self.layers(torch.cat([context, queries], 1))[:, context.shape[1] :]
        answer: Tensor = self.head(answered)
        return answer.float()


class RegressionDecoder(nn.Module):
    """Regression head: the chunk itself in one parallel pass, trained with L1."""

    def __init__(self, *, width: int, layers: int, heads: int, chunk: int, action_dim: int) -> None:
        """Build the decoder of K = `chunk` actions."""
        super().__init__()
        self.transformer = ChunkTransformer(width=width, layers=layers, heads=heads, action_dim=action_dim)
        self.queries = nn.Parameter(normal(chunk, width, std=0.02))

    def loss(
        self,
        context: Tensor,
        actions: Tensor,
        counts: Tensor,
        generator: torch.Generator | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the mean absolute error over actions ``[B, K, A]``; see `weighted_mean`."""
        return weighted_mean((self.sample(context, generator) - actions).abs(), counts, mask)

    def sample(
        self, context: Tensor, generator: torch.Generator | None, mask: Tensor | None = None
    ) -> Tensor:
        """Return actions ``[B, K, A]`` for context ``[B, M, D]``; nothing is random here."""
        answer: Tensor = self.transformer(context, self.queries.expand(len(context), -1, -1))
        return answer


class FlowDecoder(nn.Module):
    """Flow-matching head: noise carried to a chunk along a velocity field; time runs from 0 (noise) to 1.

    Training draws a straight line from noise to the action and asks for its direction (Lipman et al. 2023,
    eq. 23 with sigma_min = 0); sampling follows the field with Euler steps.
    """

    def __init__(
        self, *, width: int, layers: int, heads: int, chunk: int, action_dim: int, steps: int
    ) -> None:
        """Build the decoder of K = `chunk` actions that samples in `steps` Euler steps."""
        super().__init__()
        self.steps, self.chunk, self.action_dim = steps, chunk, action_dim
        self.transformer = ChunkTransformer(width=width, layers=layers, heads=heads, action_dim=action_dim)
        self.queries = nn.Parameter(normal(chunk, width, std=0.02))
        self.embed_noisy = nn.Linear(action_dim, width)
        self.embed_time = nn.Sequential(nn.Linear(1 + 2 * OCTAVES, width), nn.GELU(), nn.Linear(width, width))

    def velocity(self, context: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Return d noisy / d time ``[B, K, A]`` for noisy chunks ``[B, K, A]`` at times ``[B]``."""
        queries = self.queries + self.embed_noisy(noisy) + self.embed_time(fourier(time[:, None]))[:, None]
        answer: Tensor = self.transformer(context, queries)
        return answer

    def loss(
        self,
        context: Tensor,
        actions: Tensor,
        counts: Tensor,
        generator: torch.Generator | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the mean squared error of the velocity at one random time per sample, weighed by `counts`.

        Args:
            context: ``[B, M, D]``.
            actions: ``[B, K, A]``, normalised.
            counts: ``[B, K]``, how much each action weighs; 0 for padding.
            generator: source of noise and times; None is torch's own.
            mask: bool ``[B, A]``, which numbers a sample's robot has: others are neither noise nor answer.
        """
        noise = _masked(_normal(actions, generator), mask)
        time = torch.rand(len(actions), generator=generator).to(actions.device)
        along = time[:, None, None]
        noisy = (1 - along) * noise + along * actions
        error = self.velocity(context, noisy, time) - (actions - noise)
        return weighted_mean(error.square(), counts, mask)

    def sample(
        self, context: Tensor, generator: torch.Generator | None, mask: Tensor | None = None
    ) -> Tensor:
        """Return actions ``[B, K, A]`` for context ``[B, M, D]``, a different draw each time.

        `mask`, bool ``[B, A]``, tells which numbers a sample's robot has, as in `loss`.
        """
        batch = len(context)
        empty = context.new_empty(batch, self.chunk, self.action_dim, dtype=torch.float32)
        chunk = _masked(_normal(empty, generator), mask)
        for step in range(self.steps):
            time = context.new_full((batch,), step / self.steps, dtype=torch.float32)
            chunk = chunk + _masked(self.velocity(context, chunk, time), mask) / self.steps
        return chunk


def _normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw normal numbers on the generator's own device, so that a seed means the same on every other."""
    return torch.randn(like.shape, generator=generator).to(like.device)


def _masked(chunk: Tensor, mask: Tensor | None) -> Tensor:
    """Leave a chunk ``[B, K, A]`` the numbers that its robot has, bool ``[B, A]``; None is all of them."""
    return chunk if mask is None else chunk * mask[:, None]


def unpadded_mean(error: Tensor, is_pad: Tensor) -> Tensor:
    """Return the mean of ``[B, K, A]`` over all actions that are not padding, bool ``[B, K]``."""
    return weighted_mean(error, (~is_pad).float())


def weighted_mean(error: Tensor, counts: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean of ``[B, K, A]`` with actions weighing ``[B, K]``, not negative; 0 if none counts.

    Where `mask`, bool ``[B, A]``, tells which numbers each sample has, an action weighs as much as another
    however many those are: an arm of six joints counts no less than two arms of fourteen.
    """
    weight = counts[..., None].expand_as(error)
    if mask is not None:
        weight = weight * (mask / mask.sum(-1, keepdim=True))[:, None]
    return (error * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
