"""Pure: nouns, analysis, rules, policy.  No I/O, no clock, no network."""
