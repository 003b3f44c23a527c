"""Running a proven read."""
