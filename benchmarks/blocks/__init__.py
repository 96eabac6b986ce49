"""Single decoder blocks: their shapes, their work, their inputs, ways to run them."""
