"""Run the documents' Python blocks and write what they print into the text block below each: ``refresh_outputs.py FILE ...``.

For whoever changed numbers on purpose: look at the difference before committing it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SESSION = re.compile(r"^```python\n(?P<code>.*?)^```\n\n```text\n.*?^```$", flags=re.MULTILINE | re.DOTALL)


def refreshed(match: re.Match[str]) -> str:
    """The session with its output as it is now."""
    result = subprocess.run([sys.executable, "-c", match["code"]], stdout=subprocess.PIPE, text=True, check=True)
    output = "".join(line.rstrip() + "\n" for line in result.stdout.splitlines())
    return f"```python\n{match['code']}```\n\n```text\n{output}```"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(SESSION.sub(refreshed, path.read_text(encoding="utf-8")), encoding="utf-8")
