"""The MCP server: what a model may look at and propose.  It cannot approve anything."""
