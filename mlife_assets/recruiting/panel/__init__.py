"""The human baseline by a panel: recruiters rank candidates before outcomes exist.

`ballots` writes the file to fill in and reads it, `baseline` turns rankings into scores for the gate and measures how
far recruiters agree.
"""
