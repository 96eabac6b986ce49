"""Smaller models: which kernels can be compressed, how sparse they are, clustering."""
