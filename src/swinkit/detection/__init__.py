"""Object detection and instance segmentation: detectors on any backbone, part by part; see docs/architecture.md."""
