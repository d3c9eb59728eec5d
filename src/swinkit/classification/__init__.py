"""Image classification: the model, its published variants and its loss."""
