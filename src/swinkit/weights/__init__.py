"""Weights: where they come from, whose they are, and how they become ours."""
