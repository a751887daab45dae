"""Dataset editing: recordings changed into new ones, and nothing in place."""
