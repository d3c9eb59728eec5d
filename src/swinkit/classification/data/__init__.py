"""Images with a class each: layouts, augmentation, mixing."""
