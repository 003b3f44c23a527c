"""From SQL to a proposal that a person can answer: analysis, drafts that agree, undo, the interrupt's payload."""
