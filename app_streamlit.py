"""The app: `streamlit run app_streamlit.py`, or `onebook app`. Everything it shows is in `app/`.

Theory of operation. The entry first refuses to show an account where strangers could see it, then draws the
choice of book and session on the left and hands over to the page. Pages are files of `app/pages`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from app.shell.entry import main

st.set_page_config("onebook", str(HERE / "app" / "icon.png"), layout="wide")
main()
