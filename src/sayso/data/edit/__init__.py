"""Change recordings into new ones; nothing is changed in place."""
