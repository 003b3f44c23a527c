"""Running what was approved: once, in one transaction, held to what was shown."""
