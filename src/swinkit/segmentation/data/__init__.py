"""Images with a class for every pixel: folders, checks, augmentation."""
