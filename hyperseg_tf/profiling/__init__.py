"""What a model costs: parameters, multiply-adds, milliseconds."""
