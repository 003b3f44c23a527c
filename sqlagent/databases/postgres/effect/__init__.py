"""What a script does to every row, measured by running it in a transaction that is rolled back."""
