"""Reading images, and the images that swinkit brings along."""
