"""What a statement does, in one sentence made of its syntax tree; nothing is said where a part is not understood."""
