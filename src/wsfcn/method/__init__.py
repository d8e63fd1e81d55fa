"""What the paper says, and what we add to it, with no engine in sight."""
