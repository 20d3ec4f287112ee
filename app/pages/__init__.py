"""One file a page; Streamlit runs them, tests import their functions."""
