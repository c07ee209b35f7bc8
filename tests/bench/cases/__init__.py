# SPDX-License-Identifier: Apache-2.0
"""The benchmarks, one module each: NAME of the file, TITLE, SIZES (full and short), run(world, size, result)."""
