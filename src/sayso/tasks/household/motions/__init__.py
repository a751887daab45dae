"""How it is done: skills as phases on the present state."""
