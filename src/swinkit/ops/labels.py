"""What the label maps of data, losses and scores agree on."""

IGNORE = 255
"""The label of pixels that count neither in the loss nor in the scores."""
