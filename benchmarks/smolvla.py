"""Latency of LeRobot's own SmolVLA, at random weights: one call for each line that comes in.

::

    latency.py --a line--> this, in .venv-smolvla --> LeRobot's predict_action --a line--> latency.py

LeRobot needs another Python and another PyTorch than sayso, so it runs in an environment of its own (`make
smolvla`) and takes its turn there. Its class loads its vision-language model from a folder as it would from
the hub, in bfloat16: the folder is written here, in the sizes that were published
(HuggingFaceTB/SmolVLM2-500M-Video-Instruct; with the expert 450 M parameters), with random weights and words
of its own. Time depends on neither. A call begins with uint8 pictures of 480 x 640 and ends with actions in
robot units, as in LeRobot's loop: words and pictures are made ready, and a chunk of fifty is computed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from lerobot.common.control_utils import predict_action
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
from lerobot.policies.smolvla.processor_smolvla import make_smolvla_pre_post_processors
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

CAMERAS, JOINTS, VGA = ("front", "wrist"), 6, (480, 640)
VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
TEXT = {
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
    "head_dim": 64,
    "vocab_size": 49_280,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
}
MARKS = {"image_token": "<image>", "fake_image_token": "<around>", "global_image_token": "<global>"}


def write_backbone(folder: str, sentence: str) -> None:
    """Write a vision-language model of the published sizes, which knows the words of one sentence."""
    known = ["<pad>", "<unk>", *MARKS.values(), *dict.fromkeys(sentence.split())]
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(known)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", extra_special_tokens=MARKS
    )
    SmolVLMProcessor(SmolVLMImageProcessor(), tokenizer, SmolVLMVideoProcessor()).save_pretrained(folder)
    sizes = SmolVLMConfig(
        vision_config=dict(VISION), text_config=dict(TEXT), scale_factor=4, image_token_id=2, pad_token_id=0
    )
    SmolVLMForConditionalGeneration(sizes).to(torch.bfloat16).save_pretrained(folder)


def policy(sentence: str) -> tuple[SmolVLAPolicy, Callable[[], object]]:
    """Return LeRobot's policy and a call of it on two random pictures."""
    with tempfile.TemporaryDirectory() as folder:
        write_backbone(folder, sentence)
        seen = {
            f"observation.images.{name}": PolicyFeature(type=FeatureType.VISUAL, shape=(3, *VGA))
            for name in CAMERAS
        }
        seen["observation.state"] = PolicyFeature(type=FeatureType.STATE, shape=(JOINTS,))
        config = SmolVLAConfig(
            input_features=seen,
            output_features={"action": PolicyFeature(type=FeatureType.ACTION, shape=(JOINTS,))},
            vlm_model_name=folder,
            load_vlm_weights=True,  # as with the published weights: in bfloat16, the expert in float32
            device="cpu",
        )
        model = SmolVLAPolicy(config).eval()
        plain = {"mean": torch.zeros(JOINTS), "std": torch.ones(JOINTS)}
        stats = {"observation.state": plain, "action": plain}
        before, after = make_smolvla_pre_post_processors(config, stats)
    rng = np.random.default_rng(0)
    look = {f"observation.images.{name}": rng.integers(0, 256, (*VGA, 3), dtype=np.uint8) for name in CAMERAS}
    look["observation.state"] = np.zeros(JOINTS, np.float32)

    def call() -> object:
        model.reset()  # or it would answer from the chunk before
        return predict_action(look, model, torch.device("cpu"), before, after, use_amp=False, task=sentence)

    return model, call


def main(threads: int, sentence: str) -> None:
    """Build it, say in a first line what it is, and answer every line with how many numbers came out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what LeRobot prints is no answer
    torch.set_num_threads(threads)
    model, call = policy(sentence)
    about = {name: importlib.metadata.version(name) for name in ("lerobot", "torch", "transformers")}
    about |= {"python": sys.version.split()[0], "parameters": sum(p.numel() for p in model.parameters())}
    print(json.dumps(about), file=answers, flush=True)
    for _ in sys.stdin:
        print(len(call()), file=answers, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
