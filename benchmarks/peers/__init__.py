"""Other formulations of the same networks, to be timed beside ours."""
