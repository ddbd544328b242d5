"""Print the commands of the README's quick start, one a line."""

import re
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text("utf-8")
section = text.split("## Quick start", 1)[1].split("\n## ", 1)[0]
for block in re.findall(r"```(?:bash|sh)\n(.*?)```", section, flags=re.DOTALL):
    print(block.strip().replace("\\\n", " "))
