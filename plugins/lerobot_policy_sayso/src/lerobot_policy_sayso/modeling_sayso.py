"""Policy of sayso behind LeRobot's interface: it acts, and it learns, as it does in sayso.

::

    LeRobot's batch --> seeing --> sayso's policy --> chunk of actions --> one at a time
                                        |
                                        '--> its own loss                            (lerobot-train)

A folder that is saved here is a checkpoint of sayso as well, and the other way round.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import draccus
import numpy as np
import torch
from huggingface_hub import snapshot_download
from lerobot.configs import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lerobot_policy_sayso import seeing
from lerobot_policy_sayso.beginning import check_fits_recordings, fresh
from lerobot_policy_sayso.configuration_sayso import SAWYER, SaysoConfig
from sayso.data.views_files import FILES as VIEW_FILES
from sayso.learn.optimise import Average
from sayso.models import checkpoint
from sayso.models.policy import ModelPolicy
from sayso.spec import Features
from sayso.work.digests import write_digests

LIVE = "live.safetensors"
"""The weights as the optimiser has them, beside their average, so that a training goes on exactly."""
FILES = (*checkpoint.NEEDED, *VIEW_FILES, "SHA256SUMS", LIVE)


class SaysoPolicy(PreTrainedPolicy):
    """A policy of sayso as LeRobot's commands run and train it."""

    config_class = SaysoConfig
    name = "sayso"

    def __init__(
        self,
        config: SaysoConfig,
        *,
        acting: ModelPolicy | None = None,
        dataset_meta: Any = None,
        dataset_stats: Any = None,
    ) -> None:
        """Take a policy, or make a new one for recordings.

        Args:
            config: LeRobot's.
            acting: who acts; None makes a new one with fresh weights.
            dataset_meta: LeRobot's metadata of the recordings to learn from.
            dataset_stats: not used: sayso counts its own.

        Raises:
            ValueError: if there is neither a policy nor recordings.
        """
        super().__init__(config)
        self._facts: dict[str, Any] = dict(config.training)
        if acting is None:
            acting, self._facts = fresh(config, dataset_meta)
        elif dataset_meta is not None:
            self._facts |= check_fits_recordings(config, acting, dataset_meta)
        self._acting = acting
        self.model: nn.Module = acting.model
        self._average: Average | None = None
        self._steps = int(self._facts.get("steps", 0))
        self._queue: deque[Tensor] = deque()
        config.validate_features()

    @property
    def features(self) -> Features:
        """Return what it sees and returns, in sayso's terms."""
        return self._acting.features

    @classmethod
    def from_pretrained(
        cls,
        pretrained_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **kwargs: Any,
    ) -> SaysoPolicy:
        """Return the policy in a folder, or in a repository of the hub, ready to act.

        Raises:
            CheckpointError: if the folder or one of its files is missing or damaged.
        """
        where = {"revision": revision, "cache_dir": cache_dir, "token": token}
        where["local_files_only"] = local_files_only
        if config is None:
            config = PreTrainedConfig.from_pretrained(pretrained_name_or_path, **where)
        folder = Path(pretrained_name_or_path)
        if not folder.is_dir():
            repository = str(pretrained_name_or_path)
            folder = Path(snapshot_download(repository, allow_patterns=list(FILES), **where))
        acting = checkpoint.load(folder)
        if n := len(acting.features.robots):
            raise ValueError(
                f"{folder} knows {n} kinds of robots, and LeRobot's commands drive one: take the policy of "
                "that one, which training wrote into 'robots' beside it"
            )
        policy = cls(
            config, acting=acting, **{name: kwargs[name] for name in kwargs if name.startswith("dataset_")}
        )
        policy.to(config.device)
        if (folder / LIVE).exists():
            policy._go_on(load_file(folder / LIVE))
        policy.eval()
        return policy

    def _go_on(self, live: dict[str, Tensor]) -> None:
        """Take up a training: what was loaded is the average, and the optimiser moves `live`."""
        self._average = Average(self.model, self.config.ema)
        self.model.load_state_dict(live)

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write a checkpoint of sayso that says to LeRobot what LeRobot wants to know."""
        if state_dict is not None:
            raise NotImplementedError("a policy of sayso is small: train it without FSDP")
        with TemporaryDirectory() as made, self._averaged():
            folder = Path(made) / "policy"
            checkpoint.save(self._acting, folder, training=self._facts | {"steps": self._steps})
            for file in folder.iterdir():
                shutil.copy(file, save_directory / file.name)
        described = json.loads((save_directory / checkpoint.CONFIG).read_text(encoding="utf-8"))
        said = draccus.encode(self.config, PreTrainedConfig) | described
        (save_directory / checkpoint.CONFIG).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        write_digests(save_directory, checkpoint.digested(save_directory))
        if self._average is not None:
            weights = {name: t.detach().cpu().contiguous() for name, t in self.model.state_dict().items()}
            save_file(weights, save_directory / LIVE)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the model hold the averaged weights inside a `with`, if it has been trained here."""
        with self._average.applied() if self._average is not None else contextlib.nullcontext():
            yield

    def get_optim_params(self) -> dict[str, nn.Parameter]:
        """Return what is trained, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def forward(self, batch: dict[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss to minimise, and its terms for the log."""
        losses = self.model(self._acting.collate(seeing.windows(batch, self.features)))
        total = losses["total"]
        return total, {name: float(loss.detach()) for name, loss in losses.items() if name != "total"}

    def update(self) -> None:
        """Move the averaged weights, as LeRobot asks for after each step of the optimiser."""
        self._average = self._average or Average(self.model, self.config.ema)
        self._steps += 1
        self._average.update(self._steps)

    def reset(self) -> None:
        """Forget the episode that just ended."""
        self._queue.clear()
        self._acting.reset()

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Any], **kwargs: Any) -> Tensor:
        """Return the next actions, float32 ``[B, K, A]`` in the robot's units."""
        was_training = self.training
        with self._averaged():
            chunks = [self._acting.act(one).actions for one in seeing.observations(batch, self.features)]
        self.train(was_training)
        actions = np.stack(chunks)
        if self.features.robot_type == SAWYER:
            actions = actions.clip(-1, 1)  # its environment does not do that to all four
        return torch.from_numpy(actions).to(next(self.model.parameters()).device)

    @torch.no_grad()
    def select_action(self, batch: dict[str, Any], **kwargs: Any) -> Tensor:
        """Return the next action, ``[B, A]``; the policy looks again when so many are done."""
        if not self._queue:
            chunk = self.predict_action_chunk(batch)[:, : self.config.n_action_steps]
            self._queue.extend(chunk.unbind(1))
        return self._queue.popleft()
