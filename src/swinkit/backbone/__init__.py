"""The Swin Transformer without a task: its configuration, the published variants, and its feature pyramid."""
