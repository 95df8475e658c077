"""Found by a Python server that is started with this folder on its path: its threads are switched so often.

An interval far under the usual 5 ms brings out what a server does in several steps and should do in one.
"""

import os
import sys

sys.setswitchinterval(float(os.environ["CLEF_SWITCH_INTERVAL_S"]))
