"""Trained models of `hyperseg_tf`, which finds them by name; files alone, no code."""

__version__ = "0.1.0"
