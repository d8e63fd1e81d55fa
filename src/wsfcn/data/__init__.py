"""Pictures and tags in, batches out."""
