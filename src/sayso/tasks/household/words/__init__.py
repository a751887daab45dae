"""What people say: things and their names, the sentences of each task, and how one is understood."""
