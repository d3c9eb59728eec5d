"""Features as places on a page.

Shapes: N images, C channels.
"""

from __future__ import annotations

import numpy as np

MOST_PLACED = 1500
"""Images on a page; of more, a draw that is always the same."""
COMPONENTS = 50


def drawn(count: int) -> np.ndarray:
    """Numbers of the images that are placed, ascending."""
    if count <= MOST_PLACED:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_PLACED, replace=False))


def places(features: np.ndarray) -> np.ndarray:
    """x and y of every row of (N, C), 0..1: (N, 2), by t-SNE of the principal components, always the same; of fewer
    than ten rows by the components themselves."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    if len(unit) < 3 or not np.ptp(unit, axis=0).any():
        return np.linspace(0, 1, 2 * len(unit)).reshape(-1, 2)
    with threadpool_limits(1):  # the order of sums, and so the page, would depend on the number of threads
        components = PCA(min(COMPONENTS, *unit.shape), svd_solver="full").fit_transform(unit)
        if components.shape[1] < 2:
            components = np.column_stack([components, np.zeros(len(components))])
        found = components[:, :2]
        if len(unit) >= 10:
            perplexity = min(30.0, (len(unit) - 1) / 3)
            found = TSNE(init="pca", random_state=0, perplexity=perplexity).fit_transform(components)
    low, high = found.min(0), found.max(0)
    return (found - low) / np.maximum(high - low, 1e-12)
