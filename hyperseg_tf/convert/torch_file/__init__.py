"""Files of torch.save, read and written as data: nothing in them is run."""
