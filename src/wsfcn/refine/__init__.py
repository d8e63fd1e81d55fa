"""Cleaning masks up along the picture's edges."""
