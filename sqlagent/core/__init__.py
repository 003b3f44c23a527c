"""The pure part: nouns, analysis, rules, policy.  No input or output, no clock, no network."""
