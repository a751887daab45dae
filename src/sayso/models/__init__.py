"""Hold what acts: images and words in, a chunk of actions out.

Read `vla` first: it is the whole idea on one screen. `vision`, `language` and `action` are its three parts,
`policy` acts with a model, `checkpoint` keeps one as a folder, `table` builds each by its type; `textbook` is
the baseline.
"""
