"""What all pictures share: figures, palettes, curves."""
