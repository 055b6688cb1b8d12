"""Whom recruiters call today, and about which job."""

from mlife_assets.recruiting.call_policy import CallPolicy
from mlife_assets.recruiting.recruiter_call_list.call_list import (
    CallCandidate,
    CalledJob,
    CallList,
    CallRow,
    build_call_list,
)
from mlife_assets.recruiting.recruiter_call_list.documents import call_list_csv, call_list_page

__all__ = [
    "CallCandidate",
    "CallList",
    "CallPolicy",
    "CallRow",
    "CalledJob",
    "build_call_list",
    "call_list_csv",
    "call_list_page",
]
