"""What LIBERO's expert can do: one skill per file, and what they share."""
