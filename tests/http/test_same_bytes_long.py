#!/usr/bin/env python3
"""A million mixed calls by four clients at once give the same bytes as one at a time. Only in ./test --full."""

import attnd_same_bytes

if __name__ == "__main__":
    attnd_same_bytes.run(1_000_000, 900)
