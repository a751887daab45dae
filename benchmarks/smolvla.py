"""Build SmolVLA's architecture with torch alone and random weights, to measure how long one look takes.

Shukor et al. 2025, arXiv:2506.01844, in the sizes LeRobot ships: 403 M parameters compute (of the published
450 M the rest is the language model's output layer, which acting does not use)::

    2 images 512 x 512 --SigLIP-base--> 1024 patches each --4 x 4 to 1, linear--> 64 tokens each --.
    words -------------------------------------------------------------------> 16 tokens ----------+--> prefix
    state -------------------------------------------------------------------> 1 token ------------'
    prefix --first 16 layers of SmolLM2-360M--> keys and values of each layer, once
    noise [50, 32] --16 layers of the expert, which attend to those--> velocity, ten times

As it ships, vision and language compute in bfloat16 and the expert in float32. Pictures are scaled to
512 x 512 with bars, as LeRobot does; its tokenizer is left out. Answers mean nothing: only time is measured.

Shapes: B batch, M tokens, D width, P prefix tokens.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXELS, PATCH, SEEN, SHUFFLE = 512, 16, 768, 4
WIDTH, EXPERT, LAYERS, WORDS, VOCABULARY = 960, 720, 16, 16, 49_280
HEADS, SHARED, HEAD = 15, 5, 64
CHUNK, ACTION, STEPS = 50, 32, 10


class Layer(nn.Module):
    """Attend with few keys for many queries, rotated by position, then think: a layer as Llama has them."""

    def __init__(self, width: int, thought: int, known: int) -> None:
        """Build a layer of D = `width` whose keys come from tokens of width `known`."""
        super().__init__()
        self.attend_norm, self.think_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, HEADS * HEAD, bias=False)
        self.key, self.value = (nn.Linear(known, SHARED * HEAD, bias=False) for _ in range(2))
        self.out = nn.Linear(HEADS * HEAD, width, bias=False)
        self.gate, self.up = (nn.Linear(width, thought, bias=False) for _ in range(2))
        self.down = nn.Linear(thought, width, bias=False)

    def keys(self, known: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        """Return keys and values ``[B, 5, M, 64]`` of tokens that stand at `first` and behind it."""
        key, value = (_heads(project(known)) for project in (self.key, self.value))
        return rotated(key, first), value

    def forward(self, x: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
        """Return ``[B, M, D]`` for tokens at `first` and behind it that look at keys and values."""
        query = rotated(_heads(self.query(self.attend_norm(x))), first)
        seen = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        thought = self.think_norm(x)
        y: Tensor = x + self.down(F.silu(self.gate(thought)) * self.up(thought))
        return y


class SmolVLA(nn.Module):
    """See two pictures, read, and carry noise to fifty actions."""

    def __init__(self) -> None:
        """Build the model with random weights."""
        super().__init__()
        self.patches = nn.Conv2d(3, SEEN, PATCH, PATCH)
        self.places = nn.Parameter(torch.randn((PIXELS // PATCH) ** 2, SEEN))
        layer = nn.TransformerEncoderLayer(
            SEEN, 12, 4 * SEEN, dropout=0.0, activation=partial(F.gelu, approximate="tanh"), batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.vision = nn.TransformerEncoder(layer, 12, nn.LayerNorm(SEEN), enable_nested_tensor=False)
        self.connect = nn.Linear(SEEN * SHUFFLE**2, WIDTH, bias=False)
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.language = nn.ModuleList(Layer(WIDTH, 2560, WIDTH) for _ in range(LAYERS))
        # The expert looks at itself in every second layer; in the others only at what language knows.
        self.expert = nn.ModuleList(
            Layer(EXPERT, 2048, SHARED * HEAD if number % 2 else EXPERT) for number in range(LAYERS)
        )
        self.norm = nn.RMSNorm(EXPERT)
        self.state, self.action = nn.Linear(ACTION, WIDTH), nn.Linear(ACTION, EXPERT)
        self.time = nn.Sequential(nn.Linear(2 * EXPERT, EXPERT), nn.SiLU(), nn.Linear(EXPERT, EXPERT))
        self.head = nn.Linear(EXPERT, ACTION)
        for part in (self.patches, self.vision, self.connect, self.words, self.language):
            part.bfloat16()

    @torch.inference_mode()
    def sample(self, pictures: Tensor, words: Tensor, state: Tensor) -> Tensor:
        """Return ``[1, 50, 32]`` for uint8 ``[C, H, W, 3]``, word numbers ``[1, 16]``, state ``[1, 32]``."""
        seen = self._see(scaled(pictures)).flatten(0, 1)[None]
        prefix = torch.cat([seen, self.words(words), self.state(state)[:, None].bfloat16()], 1)
        known = self._known(prefix)
        chunk = torch.randn(1, CHUNK, ACTION)
        for step in range(STEPS):
            chunk = chunk + self._velocity(chunk, step / STEPS, known, prefix.shape[1]) / STEPS
        return chunk

    def _see(self, pixels: Tensor) -> Tensor:
        """Return 64 tokens ``[C, 64, 960]`` of each picture."""
        grid = PIXELS // PATCH
        patches = self.patches(pixels.bfloat16()).flatten(2).transpose(1, 2) + self.places.bfloat16()
        seen = self.vision(patches).unflatten(1, (grid // SHUFFLE, SHUFFLE, grid // SHUFFLE, SHUFFLE))
        tokens: Tensor = self.connect(seen.transpose(2, 3).flatten(3).flatten(1, 2))
        return tokens

    def _known(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return every layer's keys and values of the prefix, in float32."""
        known = []
        for layer in self.language:
            key, value = layer.keys(layer.attend_norm(x))
            x = layer(x, key, value, 0)
            known.append((key.float(), value.float()))
        return known

    def _velocity(self, chunk: Tensor, time: float, known: list[tuple[Tensor, Tensor]], first: int) -> Tensor:
        waves = torch.outer(torch.tensor([time]), torch.logspace(0, 3, EXPERT // 2))
        when = torch.cat([waves.sin(), waves.cos()], -1)[:, None].expand(-1, CHUNK, -1)
        x = self.time(torch.cat([self.action(chunk), when], -1))
        for number, (layer, (key, value)) in enumerate(zip(self.expert, known, strict=True)):
            if number % 2:
                own_key, own_value = (
                    _heads(project(told.transpose(1, 2).flatten(2)))
                    for project, told in ((layer.key, key), (layer.value, value))
                )
                x = layer(x, own_key, own_value, first)
            else:
                own_key, own_value = layer.keys(layer.attend_norm(x), first)
                x = layer(x, torch.cat([key, own_key], 2), torch.cat([value, own_value], 2), first)
        velocity: Tensor = self.head(self.norm(x))
        return velocity


def rotated(x: Tensor, first: int) -> Tensor:
    """Return ``[B, h, M, 64]`` rotated by position (Su et al. 2021, arXiv:2104.09864)."""
    half = x.shape[-1] // 2
    rate = 10_000.0 ** (-torch.arange(half) / half)
    angle = torch.outer(torch.arange(first, first + x.shape[2]), rate)
    sin, cos = angle.sin().to(x.dtype), angle.cos().to(x.dtype)
    low, high = x.chunk(2, -1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


def scaled(pictures: Tensor) -> Tensor:
    """Return uint8 ``[C, H, W, 3]`` as float ``[C, 3, 512, 512]`` in -1..1, bars above or at the left."""
    pixels = pictures.permute(0, 3, 1, 2).float() / 255
    height, width = pixels.shape[-2:]
    shrink = PIXELS / max(height, width)
    size = [round(height * shrink), round(width * shrink)]
    fitting = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    return 2 * F.pad(fitting, (PIXELS - size[1], 0, PIXELS - size[0], 0)) - 1


def _heads(x: Tensor) -> Tensor:
    """Return ``[B, h, M, 64]`` of ``[B, M, h * 64]``."""
    return x.unflatten(-1, (-1, HEAD)).transpose(1, 2)
