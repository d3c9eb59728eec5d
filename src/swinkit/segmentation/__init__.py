"""Semantic segmentation: UperNet on any backbone, its losses, and ways to show it an image."""
