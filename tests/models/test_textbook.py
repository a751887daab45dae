"""Type the chapter's snippets as a reader would, and hold the baseline to the policies' contract."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

from sayso.data.statistics import Stats
from sayso.models.baselines import resnet, textbook
from sayso.models.baselines.sentences import Reader, bert
from sayso.models.baselines.textbook import (
    ActionDecoder,
    LanguageEncoder,
    VisionEncoder,
    VisionLanguageActionModel,
    optimizer_of,
    prepare_images,
    train_step,
)
from sayso.models.checkpoint import load, save
from sayso.models.policy import ModelPolicy
from sayso.models.table import build, rebuild
from sayso.models.words import bert_tokenizer
from sayso.spec import Dimension, Features, Policy, SaysoError, UnknownNameError

INSTRUCTIONS = ["put the red block in the blue tray", "put the blue block in the red tray"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model() -> VisionLanguageActionModel:
    torch.manual_seed(0)
    return VisionLanguageActionModel(action_dim=7, pretrained=False)


@pytest.fixture(scope="module")
def features() -> Features:
    return Features(
        robot_type="so101",
        fps=20,
        state=(Dimension(name="a.pos", unit="deg"),),
        action=(Dimension(name="a.pos", unit="deg"), Dimension(name="b.pos", unit="deg")),
        cameras={"front": (48, 64), "wrist": (48, 64)},
    )


@pytest.fixture(scope="module")
def policy(features: Features) -> ModelPolicy:
    torch.manual_seed(0)
    stats = {"action": Stats.of([[90.0, -4.0], [110.0, 4.0]])}
    return rebuild(
        {"type": "textbook", "pretrained": False, "image_px": 64, "camera": "wrist"}, features, stats
    )


def camera_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_vision_encoder_gives_2048_numbers_per_image() -> None:
    vision_encoder = VisionEncoder(pretrained=False)
    assert vision_encoder(torch.randn(2, 3, 224, 224)).shape == (2, 2048)
    assert (
        sum(p.numel() for p in vision_encoder.parameters()) == 23_508_032
    )  # ResNet-50 without its classifier


def test_language_encoder_gives_768_numbers_per_sentence() -> None:
    language_encoder = LanguageEncoder("minilm")
    vectors = language_encoder(INSTRUCTIONS)
    assert vectors.shape == (2, 768)
    assert not torch.equal(vectors[0], vectors[1])


def test_action_decoder_takes_both_vectors() -> None:
    action_decoder = ActionDecoder(latent_dim=2048 + 768, action_dim=7)
    vision, language = torch.randn(3, 2048), torch.randn(3, 768)
    actions = action_decoder(vision, language)
    assert actions.shape == (3, 7)
    assert torch.equal(actions, action_decoder(vision[..., None, None], language)), "as pooling leaves it"


def test_train_step_is_adam_at_1e_minus_4_and_keeps_its_moments(model: VisionLanguageActionModel) -> None:
    images, target_actions = torch.randn(2, 3, 64, 64), torch.zeros(2, 7)
    losses = [model.train_step(images, INSTRUCTIONS, target_actions)]
    losses += [train_step(images, INSTRUCTIONS, target_actions, model=model) for _ in range(2)]
    optimizer = optimizer_of(model)
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert optimizer.state[model.action_decoder.layers[0].weight]["step"] == 3
    assert losses[0] > losses[1] > losses[2]


def test_the_text_encoder_is_frozen_and_not_in_the_weights(model: VisionLanguageActionModel) -> None:
    assert {name for name in model.state_dict() if name.startswith("language")} == {
        "language_encoder.project.weight",
        "language_encoder.project.bias",
    }
    assert len(list(model.language_encoder.parameters())) == 2


def test_prepared_images_are_standardised_as_imagenet_was() -> None:
    grey = prepare_images(np.full((1, 40, 60, 3), 255, np.uint8))
    assert grey.shape == (1, 3, 224, 224)
    torch.testing.assert_close(grey[0, :, 5, 5], torch.tensor([2.2489, 2.4286, 2.6400]), atol=1e-3, rtol=0)


def test_out_of_reach_weights_are_said_in_one_line_and_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resnet, "RESNET_50", "sayso/no-such-resnet")
    monkeypatch.setattr(textbook, "BERT_BASE", "sayso/no-such-bert")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.warns(UserWarning, match="out of reach") as said:
        model = VisionLanguageActionModel(action_dim=2)
    lines = [str(warning.message) for warning in said]
    assert len(lines) == 2
    assert not any("\n" in line for line in lines)
    assert "random weights" in lines[0]
    assert "shipped MiniLM" in lines[1]
    assert not model.vision_encoder.pretrained
    assert model.language_encoder.source == "minilm"
    with pytest.raises(SaysoError, match="minilm"):
        LanguageEncoder("bert")


def test_asking_for_nothing_pretrained_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VisionLanguageActionModel(action_dim=2, pretrained=False)


def test_policy_answers_with_one_action_in_robot_units(policy: ModelPolicy) -> None:
    assert isinstance(policy, Policy)
    look = {"observation.images.wrist": camera_images(48, 64, 3), "task": INSTRUCTIONS[0]}
    policy.reset()
    chunk = policy.act(look)
    pixels = prepare_images(look["observation.images.wrist"][None], 64)
    with torch.no_grad():
        boxes = policy.model
        language = boxes.language_encoder([INSTRUCTIONS[0]])
        plain = boxes.action_decoder(boxes.vision_encoder(pixels), language).numpy()
    assert chunk.actions.shape == (1, 2)
    assert chunk.actions.dtype == np.float32
    # Acting is in bfloat16; what that changes is small beside the spread of the actions, 10 and 4.
    off = (chunk.actions - (plain * [10, 4] + [100, 0])) / [10, 4]
    assert 0 < np.abs(off).max() < 0.05


def test_loss_compares_the_last_frame_with_the_first_action_in_model_units(policy: ModelPolicy) -> None:
    policy.model.eval()
    frames = camera_images(2, 3, 48, 64, 3)
    action = np.zeros((2, 4, 2), np.float32)
    for row, instruction in enumerate(INSTRUCTIONS):
        look = {"observation.images.wrist": frames[row, -1], "task": instruction}
        action[row, 0] = policy.act(look).actions[0] + [20, 0]
    pad = np.zeros((2, 4), np.bool_)
    windows = {
        "observation.images.wrist": frames,
        "action": action,
        "action_is_pad": pad,
        "task": INSTRUCTIONS,
    }
    loss = policy.model(policy.collate(windows))["total"]
    assert loss.requires_grad
    assert loss.item() == pytest.approx((2.0**2 + 0) / 2, rel=2e-2), "acting rounds to bfloat16"


def test_a_policy_comes_back_from_its_folder(policy: ModelPolicy, tmp_path: Path) -> None:
    save(policy, tmp_path, card="# measured")
    again = load(tmp_path)
    look = {"observation.images.wrist": camera_images(48, 64, 3), "task": INSTRUCTIONS[1]}
    assert again.type == "textbook"
    np.testing.assert_array_equal(again.act(look).actions, policy.act(look).actions)


def test_a_tiny_preset_builds_without_asking_the_network(features: Features, policy: ModelPolicy) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny = build("textbook", preset="tiny", features=features, stats=policy.stats, chunk=16)
    assert tiny.config()["started_from"] == "random"


def test_bert_gives_one_vector_per_sentence_which_is_its_first_state() -> None:
    torch.manual_seed(0)
    theirs = BertModel(BertConfig(num_hidden_layers=2, intermediate_size=64)).eval()
    reader = Reader(bert(theirs), 64, first=True)
    vectors = reader(INSTRUCTIONS)
    with torch.no_grad():
        ids = [torch.tensor([bert_tokenizer(64).encode(instruction).ids]) for instruction in INSTRUCTIONS]
        expected = torch.cat([theirs(one).last_hidden_state[:, 0] for one in ids])
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=0)
    assert torch.equal(reader(INSTRUCTIONS[1:])[0], vectors[1])
    assert torch.equal(torch.jit.script(reader)(INSTRUCTIONS), vectors)


def test_an_older_checkpoint_s_names_are_understood(model: VisionLanguageActionModel) -> None:
    torch.manual_seed(1)
    theirs = ResNetModel(ResNetConfig()).eval()
    fresh = {k: torch.randn_like(v) for k, v in model.state_dict().items() if not k.startswith("vision")}
    old = {f"vision.network.{k}": v for k, v in theirs.state_dict().items()}
    old |= {
        k.replace("language_encoder", "language").replace("action_decoder", "decoder"): v
        for k, v in fresh.items()
    }
    again = VisionLanguageActionModel(action_dim=7, pretrained=False).eval()
    again.load_state_dict(old)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.vision_encoder(images), theirs(images).pooler_output.flatten(1))
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in fresh.items())


def test_a_policy_is_rebuilt_from_its_config_and_weights(policy: ModelPolicy, features: Features) -> None:
    config = policy.config()
    assert config["language"] == "minilm"
    assert config["started_from"] == "random"
    again = rebuild({**config, "pretrained": True}, features, policy.stats)
    again.model.load_state_dict(policy.model.state_dict())
    look = {"observation.images.wrist": camera_images(48, 64, 3), "task": INSTRUCTIONS[1]}
    np.testing.assert_array_equal(again.act(look).actions, policy.act(look).actions)


def test_a_camera_the_robot_lacks_is_refused_with_the_nearest(
    policy: ModelPolicy, features: Features
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'wrist'"):
        rebuild({"type": "textbook", "pretrained": False, "camera": "wirst"}, features, policy.stats)
