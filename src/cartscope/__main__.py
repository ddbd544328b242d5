"""``python -m cartscope``."""

import sys

from cartscope.cli import main

sys.exit(main())
