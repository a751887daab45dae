"""What is asked as a condition: relations between things, read from a description, imagined, practised."""
