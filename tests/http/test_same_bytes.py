#!/usr/bin/env python3
"""20,000 mixed calls by four clients at once give the same bytes as one at a time."""

import attnd_same_bytes

if __name__ == "__main__":
    attnd_same_bytes.run(20_000, 120)
