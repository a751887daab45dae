"""Operators: who gives a robot its actions, one file each: a policy, a person on a page, a teleoperator."""
