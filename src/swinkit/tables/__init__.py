"""The paper's tables 1 to 9 beside swinkit's own counts and measurements."""
