# SPDX-License-Identifier: Apache-2.0
"""Version 1 of the application that 03-compare.ipynb looks at: reads its settings, greets."""

import json
from pathlib import Path

settings = json.loads(Path(__file__).with_name("settings.json").read_text())
print(f"Hello, {settings['name']}.")
