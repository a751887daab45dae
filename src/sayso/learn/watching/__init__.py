"""Human video: what a person's hand did before fixed cameras, as demonstrations for a gripper."""
