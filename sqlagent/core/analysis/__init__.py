"""What the text of a statement says of it, and the verdict that two opinions come to."""
