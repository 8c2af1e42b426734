# SPDX-License-Identifier: Apache-2.0
"""Names through links and mounts that programs made."""

from snoop_analysis.made_ways import MadeWays


def test_a_name_that_leads_on_and_on_is_said() -> None:
    ways = MadeWays([("/a", "/a/b"), ("/c", "/d")], lambda name: name)
    assert ways.names(["/c/x"], follow=True) == ["/d/x"]
    assert ways.unfollowed == set()
    assert len(ways.names(["/a/x"], follow=True)) > 100
    assert ways.unfollowed == {"/a/x"}


def test_the_end_of_a_name_is_followed_where_the_call_does() -> None:
    ways = MadeWays([("/c", "/d")], lambda name: name)
    assert (ways.names(["/c"], follow=True), ways.names(["/c"], follow=False)) == (["/d"], [])
