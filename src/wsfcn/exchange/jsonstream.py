"""JSON lists that are read and written item by item, however long they are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from wsfcn.errors import DataError
from wsfcn.files import open_regular

CHUNK = 1 << 20
"""Bytes that are read at once."""

LARGEST_ITEM = 1 << 30
"""Characters of the largest item that is read."""


def read_items(path: Path) -> Iterator[Any]:
    """The items of the list that a file holds. Raises DataError, with the item's number."""
    decoder = json.JSONDecoder()
    number = 0
    with open_regular(path) as raw, Decoded(raw, path) as text:
        text.skip("[", f"{path}: holds no JSON list")
        while text.peek() != "]":
            number += 1
            if number > 1:
                text.skip(",", f"{path}, item {number}: not JSON (no comma before it)")
                text.peek()
            # An item that goes on beyond what was read looks broken: more is read, each time twice
            # as much, so that a long item is looked at few times.
            ahead = CHUNK
            while True:
                try:
                    item, end = decoder.raw_decode(text.left)
                    # A number may go on in the next chunk.
                    if end < len(text.left) or not text.more(CHUNK):
                        break
                except (json.JSONDecodeError, RecursionError) as error:
                    if len(text.left) > LARGEST_ITEM or not text.more(ahead):
                        raise DataError(f"{path}, item {number}: not JSON ({error})") from None
                    ahead *= 2
            text.left = text.left[end:]
            yield item


class Decoded:
    """What is left of a text, read on demand."""

    def __init__(self, raw: Any, path: Path) -> None:
        import codecs

        self.raw = raw
        self.path = path
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.left = ""

    def __enter__(self) -> "Decoded":
        return self

    def __exit__(self, *_: object) -> None:
        self.left = ""

    def more(self, size: int) -> bool:
        """Read on; False at the end."""
        try:
            data = self.raw.read(size)
            self.left += self.decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: not UTF-8 text ({error})") from None
        return bool(data)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        self.left = self.left.lstrip()
        while not self.left and self.more(CHUNK):
            self.left = self.left.lstrip()
        return self.left[:1]

    def skip(self, character: str, otherwise: str) -> None:
        """Go past a character. Raises DataError where another one comes."""
        if self.peek() != character:
            raise DataError(otherwise)
        self.left = self.left[1:]


class ListWriter:
    """Writes a JSON list item by item; `close` ends it."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.count = 0
        file.write("[")

    def add(self, item: Any) -> None:
        """Write one more item, on a line of its own."""
        self.file.write(",\n" if self.count else "\n")
        json.dump(item, self.file, ensure_ascii=False, separators=(",", ":"))
        self.count += 1

    def close(self) -> None:
        """End the list."""
        self.file.write("\n]")
