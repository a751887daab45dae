"""Names of the files in a policy's folder, whether a checkpoint or an export."""

from __future__ import annotations

CONFIG = "config.json"
"""What it is: model, features, facts of the training."""
WEIGHTS = "model.safetensors"
STATS = "stats.json"
CARD = "README.md"
VIEWS, VIEWS_PICTURES = "views.json", "views.jpg"
"""Reference pictures of its cameras, for those of a robot to be compared with; older folders have none."""
