"""Other people's shapes: where what is ours is handed over, and what is theirs taken in."""
