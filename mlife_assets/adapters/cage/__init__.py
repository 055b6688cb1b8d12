"""The sandbox of strangers' files: decoding in a process apart, within limits.

Belongs here: the worker process and its limits. Does not belong here: names and links (`landing_areas`), judging rows
(`core`).
"""

from mlife_assets.adapters.cage.process import Decoded, DecodingCage

__all__ = ["Decoded", "DecodingCage"]
