"""Hold what acts: images and words in, a chunk of actions out.

Read `vla` first: it is the whole idea on one screen. `vision`, `language` and `action` are its three parts,
`policy` puts a model with its normalisation and features into one folder, `textbook` is the baseline.
"""
