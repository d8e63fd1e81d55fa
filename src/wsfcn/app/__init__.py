"""The page in the browser, a file a tab; it calls what the commands call.

What a tab does stands in functions that know no browser; the file named after the tab lays out its
controls. Gradio (the extra ``wsfcn[app]``) is imported by those files alone.
"""
