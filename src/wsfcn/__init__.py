"""WS-FCN: semantic segmentation learned from image-level tags alone."""
