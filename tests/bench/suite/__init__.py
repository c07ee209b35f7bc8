# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: servers, contenders, measuring, results, and how they are shown."""
import os
import sys

# Servers, processes and the comparison of contents are those of the end-to-end tests: package "lib" there.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
