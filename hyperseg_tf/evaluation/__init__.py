"""Scores of models on labelled data."""
