"""Carrying out what was approved, whole or in part, and what is found out later about a run."""
