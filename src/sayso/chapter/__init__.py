"""What the textbook's chapter takes for granted: a robot, a camera, a person who asks, an evaluation."""
