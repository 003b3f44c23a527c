"""Changes of rows, the same on every engine: the nouns, net changes, fingerprint, samples, budget and conflicts."""
