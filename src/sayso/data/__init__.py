"""Recorded demonstrations: LeRobotDataset v3.0, written, read, cut into windows, normalised, looked at."""
