"""Pictures of classifications."""
