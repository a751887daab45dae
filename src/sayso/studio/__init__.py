"""Live page: the world in three dimensions, a field for instructions, the robot, for people to look in."""
