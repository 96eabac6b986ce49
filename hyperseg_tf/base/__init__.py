"""The ground: whole files, constants, errors, pixels, progress, versions.

Imports nothing of ours.
"""
