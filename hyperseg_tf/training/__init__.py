"""Training runs: steps, states that survive a kill, and what is logged on the way."""
