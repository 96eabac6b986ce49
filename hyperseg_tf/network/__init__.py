"""The network: layers, their layout, and the model that wires them."""
