"""Suites that anyone can run on their own task, robot or policy."""
