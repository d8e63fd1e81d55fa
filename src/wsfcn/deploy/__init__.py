"""Models that travel: ONNX, the Hub, and those that come with the library."""
