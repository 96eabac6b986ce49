"""Checks and measurements on a GPU; each program prints its table last."""
