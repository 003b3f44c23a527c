"""Everything a person or a program sees, and the only code that reads the keyboard."""
