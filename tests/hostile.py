"""Files as a careless or ill-meaning person may make them: any bytes, whole files damaged a
little, and well-formed JSON, tables, XML and YAML with odd content."""

import json
from typing import Any

from hypothesis import strategies as st

WORDS = st.one_of(
    st.sampled_from(
        ["cat", "dog", "a", "b", "", " ", "background", "a.jpg", "../a", "nan", "1e999"]
    ),
    st.text(max_size=8),
)
NUMBERS = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([0.5, -1.0, 1e308, float("nan"), float("inf"), 10**30, 2**31, 2**63, -(2**64)]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file, with a few bytes changed, taken out, doubled or put in; or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.sampled_from([1, 2, 4, 16, 200]))
        kind = draw(st.sampled_from(["change", "cut", "double", "put", "end"]))
        if kind == "change":
            content[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "cut":
            del content[at : at + length]
        elif kind == "double":
            content[at:at] = content[at : at + length]
        elif kind == "put":
            content[at:at] = draw(st.binary(min_size=1, max_size=6))
        else:
            del content[at:]
    return bytes(content)


def files(*wholes: bytes, odd: st.SearchStrategy[bytes] | None = None) -> st.SearchStrategy[bytes]:
    """Any bytes, or one of the whole files damaged, or what ``odd`` draws."""
    kinds = [st.binary(max_size=200), *(damaged(whole) for whole in wholes)]
    return st.one_of(*kinds, *([odd] if odd is not None else []))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@st.composite
def shaped(draw: st.DrawFn, like: Any) -> Any:
    """A structure such as ``like``, in which each part may be missing, doubled or another value."""
    if draw(st.integers(0, 11)) == 0:
        return draw(VALUES)
    if isinstance(like, dict):
        kept = {key: draw(shaped(part)) for key, part in like.items() if draw(st.integers(0, 15))}
        return kept | (draw(st.dictionaries(WORDS, VALUES, max_size=1)))
    if isinstance(like, list):
        items = [draw(shaped(part)) for part in like]
        return items + items[:1] * draw(st.integers(0, 1))
    return like


def json_like(like: Any) -> st.SearchStrategy[bytes]:
    """JSON of about this structure."""
    return shaped(like).map(lambda value: encoded(json.dumps(value)))


def table(cells: st.SearchStrategy[str], header: str) -> st.SearchStrategy[bytes]:
    """A header, then rows of odd cells."""
    rows = st.lists(st.lists(cells, max_size=4).map(",".join), max_size=5)
    return rows.map(lambda lines: encoded("\n".join([header, *lines])))
