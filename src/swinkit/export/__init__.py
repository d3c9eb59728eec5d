"""Models as files for other runtimes: torch.export and ONNX, for any batch size, height and width."""
