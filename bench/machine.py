"""The machine that the figures were taken on."""

import os
import platform
import re
from pathlib import Path

import psutil


def machine() -> str:
    """Return processor, memory, kernel and Python in one line."""
    models = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = models[0] if models else platform.machine()
    memory = psutil.virtual_memory().total / (1 << 30)
    kernel = f"{platform.system()} {platform.release()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, {kernel}, Python {platform.python_version()}"
