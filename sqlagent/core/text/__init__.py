"""SQL as text: cut into words and statements, checked for hidden characters, and parsed."""
