"""From what was heard to what is said."""
