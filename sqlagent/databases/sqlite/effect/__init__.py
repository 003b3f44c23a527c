"""What a script changes, measured by running it where it leaves no trace."""
