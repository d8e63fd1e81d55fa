"""From a trained segmenter and a picture to a mask."""
