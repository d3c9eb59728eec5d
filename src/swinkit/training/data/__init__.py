"""Which samples come when, and how they are loaded."""
