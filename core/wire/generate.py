#!/usr/bin/env python3
"""Turns the message tables of core/wire/schema into C++ (Python 3.9+, standard library only).

  generate.py --list --out DIR TABLE...    prints the files it would write, one a line
  generate.py --out DIR TABLE...           writes them; a file whose text did not change is not touched

A table:
  # comment lines before a heading or a field become comments of the struct or the field
  api 1 Fetch, versions 4-18, flexible 12+, on broker controller[, newest unstable]
  request / response                       the two messages of an api
  record 3 PartitionRecord, versions ...   a record of the metadata log, with its type
  key group 2 GroupMetadataKey, ...        a key or value of a coordinator's log (group, transaction, share)
  data EndTxnMarker, ...                   any other message
    name: type [versions] [tag N [from V]] [= default] [ignorable]
    struct Name                            a struct used by several fields
Types: bool int8..int64 uint16 uint32 float64 string uuid bytes records Struct [element]; a trailing ? makes it nullable,
?3+ from version 3 on. Fields indented below a field define its struct. A field set to something else than its default
at a version that has no place for it stops the program, unless it is ignorable.
"""
import argparse
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # this runs inside the source tree
from generator.files import render  # noqa: E402
from generator.tables import TableError  # noqa: E402


def write(path, text):
    """Writes through a temporary file, so that two builds at once leave a whole file either way."""
    try:
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return
    except FileNotFoundError:
        pass
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as new:
        new.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description="message tables to C++")
    parser.add_argument("--out", required=True)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("tables", nargs="*")
    arguments = parser.parse_args()
    try:
        files = render(arguments.tables)
    except TableError as error:
        sys.exit(str(error))
    if arguments.list:
        print("\n".join(os.path.join(arguments.out, name) for name in files))
        return
    os.makedirs(arguments.out, exist_ok=True)
    for name, text in files.items():
        write(os.path.join(arguments.out, name), text)


if __name__ == "__main__":
    main()
