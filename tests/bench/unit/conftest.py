# SPDX-License-Identifier: Apache-2.0
"""The suite's package is imported as bench.py imports it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
