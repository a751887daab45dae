"""What acts: images and words in, a chunk of actions out.

Read `vla` first: it is the whole idea on one screen. `vision`, `language` and `action` are its three parts,
`policy` acts with a model, `checkpoint` keeps one as a folder, `table` finds each by its name; `baselines`
holds what it is measured against.
"""
