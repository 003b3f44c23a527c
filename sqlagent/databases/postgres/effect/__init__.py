"""What a script would do to the rows, measured in a transaction that is rolled back."""
