"""One adapter an engine, behind one port (`base.py`)."""
