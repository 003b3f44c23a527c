"""A LangGraph thread: its graph, steps and state, the loop that moves it, and where it waits."""
