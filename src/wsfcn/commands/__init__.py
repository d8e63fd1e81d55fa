"""The command line, a file a family of commands; each command is a thin door to a library function.

Imports that take time stand inside the commands, so that ``--help`` answers at once.
"""
