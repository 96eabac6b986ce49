"""The authors' checkpoints: names, layouts, arch strings."""
