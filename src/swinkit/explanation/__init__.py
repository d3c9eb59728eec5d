"""Why a model says what it says: where in an image its classes come from, and what its places attend to."""
