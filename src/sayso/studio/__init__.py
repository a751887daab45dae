"""Let people look in: a live page with the world in three dimensions, a field for instructions, the robot."""
