"""The cage: bytes of strangers are decoded in a process of their own, within limits.

Belongs here: the worker process and its limits. Does not belong here: names and links (`landing_areas`), judging rows
(`core`).
"""

from mlife_assets.adapters.cage.process import Decoded, DecodingCage

__all__ = ["Decoded", "DecodingCage"]
