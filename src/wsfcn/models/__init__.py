"""Backbones, context, fusion, image scores, and the segmenter they make."""
