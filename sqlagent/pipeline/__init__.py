"""The LangGraph pipeline; the only layer that knows LangGraph."""
