"""What the features of a model say about a data set: neighbours, separable classes, near-duplicates, wrong labels."""
