"""Everything drawn: scenes with their tags and masks, and the demo that learns them."""
