"""What a run changed, taken back."""
