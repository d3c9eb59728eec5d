"""Images with instances: formats, checks, augmentation, batches."""
