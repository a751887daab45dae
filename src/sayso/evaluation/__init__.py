"""How often does a policy work, and how sure are we: the closed loop, trials, rates with their intervals."""
