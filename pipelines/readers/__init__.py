"""One file per folder layout; each tells whether it knows a folder and lists it."""
