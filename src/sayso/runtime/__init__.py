"""Deployment: a policy on a robot, at a fixed rate, within limits, with answers that come late."""
