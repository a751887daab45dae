"""What is asked: tasks, their instructions, their experts, and the worlds they happen in."""
