"""The public names: sorted, complete, each there, each documented."""

import wsfcn


def test_names_are_sorted_and_complete():
    assert wsfcn.__all__ == sorted(wsfcn.__all__) == list(wsfcn.HOMES)


def test_each_name_is_there_and_documented():
    for name in wsfcn.__all__:
        assert getattr(wsfcn, name).__doc__, name
