"""What can be asked: one file per family of tasks, one row per variant."""
