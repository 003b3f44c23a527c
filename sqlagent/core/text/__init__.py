"""SQL as text: cut into words and statements, checked for what hides, and parsed."""
