"""Checks of a dataset, one idea a file: each looks at the evidence and says what it found."""
