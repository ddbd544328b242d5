"""``python -m cartscope.cli``."""

import sys

from cartscope.cli import main

sys.exit(main())
