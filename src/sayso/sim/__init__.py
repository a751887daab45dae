"""Where it happens: robots, scenes and cameras in MuJoCo."""
