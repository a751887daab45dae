"""What acts: images and words in, a chunk of actions out.

Read `vla.model` first: it is the whole idea on one screen, and its parts lie beside it. `policy` acts with a
model, `checkpoint` keeps one as a folder, `table` finds each by its name; `baselines` holds what it is
measured against.
"""
