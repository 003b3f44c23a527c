"""What sqlagent speaks of: statements and what they do, drafts, sessions.  Frozen, typed, JSON-ready."""
