"""The ground: files, ours and those of strangers, errors, pixels, progress, signals.

Imports nothing of ours.
"""
