"""Masks into other people's tools, and what they correct there back into masks.

One file a form; `convert.FORMS` is the one table of them. Nothing here needs torch.
"""
