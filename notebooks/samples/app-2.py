# SPDX-License-Identifier: Apache-2.0
"""Version 2 of the application that 03-compare.ipynb looks at: settings in TOML, and a clock."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

settings = tomllib.loads(Path(__file__).with_name("settings.toml").read_text())
now = datetime.now(UTC).astimezone(ZoneInfo(settings["zone"]))
print(f"Hello, {settings['name']}. It is {now:%H:%M} in {settings['zone']}.")
