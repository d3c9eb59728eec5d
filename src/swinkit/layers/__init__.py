"""Modules that know no task: attention, block, patch embedding and merging, MLP, drop path."""
