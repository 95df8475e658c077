"""The catalogue: bugs that the scenarios must turn red for, and what leads to each."""

from __future__ import annotations

from bugs_engine import BUGS as ENGINE
from bugs_functions import BUGS as FUNCTIONS
from bugs_matching import BUGS as MATCHING
from bugs_sql import BUGS as SQL
from bugs_stores import BUGS as STORES

BUGS = (*STORES, *SQL, *ENGINE, *MATCHING, *FUNCTIONS)
