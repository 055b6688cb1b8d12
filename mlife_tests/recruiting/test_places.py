from __future__ import annotations

from datetime import date

from mlife_assets.recruiting.places import CALLS, SERVED, call_list_key


def test_a_call_list_lies_where_its_page_is_served() -> None:
    key = call_list_key("recruiter_call_list", date(2026, 6, 2), "html")
    assert key == "calls/recruiter_call_list/2026-06-02.html"
    assert key.startswith(CALLS)
    assert CALLS in dict(SERVED).values()
