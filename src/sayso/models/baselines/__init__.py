"""Baselines that ours is measured against: the textbook's model, ACT and Diffusion Policy."""
