"""Sources of experience: what a policy learns from after its first training, one file each."""
