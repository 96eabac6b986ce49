"""What only a hypernetwork has: a look at the weights that it generates."""
