"""The person's words in, SQL out: prompts, replies, the client, and the embedded model."""
