"""LIBERO and LIBERO-PRO behind our contracts: a Panda at a table, forty tasks in four suites."""
