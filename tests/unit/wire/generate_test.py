"""The generator's own test: the text it makes of a small table, and what it says of tables that are wrong.

With --rewrite the expected text is written anew."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
GENERATOR = os.path.join(ROOT, "core", "wire", "generate.py")
DATA = os.path.join(ROOT, "tests", "data", "wire")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(GENERATOR))
import generate  # noqa: E402
from generator import files, tables  # noqa: E402


def generated(table):
    messages, apis = [], []
    tables.read_table(table, messages, apis)
    parts = [files.header_of(message) for message in messages]
    parts += [files.codec_of(messages), files.text_of(messages, 0), files.api_cpp(apis)]
    return "\n".join(parts)


class Golden(unittest.TestCase):
    def test_the_text_of_a_small_table_stays_as_it_is(self):
        text = generated(os.path.join(DATA, "sample.kf"))
        path = os.path.join(DATA, "sample.golden.txt")
        if "--rewrite" in os.environ.get("HARROW_GENERATE_TEST", ""):
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        with open(path, encoding="utf-8") as golden:
            self.assertMultiLineEqual(golden.read(), text)


class Command(unittest.TestCase):
    def run_on(self, text, *flags):
        with tempfile.TemporaryDirectory() as folder:
            table = os.path.join(folder, "table.kf")
            with open(table, "w", encoding="utf-8") as out:
                out.write(text)
            command = [sys.executable, GENERATOR, *flags, "--out", os.path.join(folder, "out"), table]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            made = sorted(os.listdir(os.path.join(folder, "out"))) if os.path.isdir(os.path.join(folder, "out")) else []
            return done, made

    def test_list_names_exactly_the_files_that_are_written(self):
        text = "data Point, versions 0\n  x: int32\n"
        listed, nothing = self.run_on(text, "--list")
        self.assertEqual(nothing, [])
        _, made = self.run_on(text)
        self.assertEqual(sorted(os.path.basename(line) for line in listed.stdout.split()), made)

    def test_wrong_tables_are_refused_with_their_line(self):
        wrong = {
            "datum Point, versions 0\n": "not a heading",
            "data Point, versions 0\n  x int32\n": "not a field",
            "data Point, versions 0\n  x: [int32\n": "not a type",
            "data Point, versions zero\n  x: int32\n": "not a range",
            "data Point, versions 0\n  x: int32\n    y: int32\n": "no struct",
            "data Point, versions 0\n  x: Nowhere\n": "unknown struct",
            "data Point, versions 0\n  x: A\n  struct A\n    again: [A]\n": "contains itself",
            "data Point, versions 0\ndata Point, versions 0\n": "two tables",
        }
        for text, complaint in wrong.items():
            done, made = self.run_on(text)
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(complaint, done.stderr, text)
            self.assertEqual(made, [], text)

    def test_files_whose_text_is_unchanged_are_not_touched(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.h")
            generate.write(path, "one\n")
            os.utime(path, (1, 1))
            generate.write(path, "one\n")
            self.assertEqual(os.stat(path).st_mtime, 1)
            generate.write(path, "two\n")
            self.assertNotEqual(os.stat(path).st_mtime, 1)
            self.assertEqual(os.listdir(folder), ["a.h"])


if __name__ == "__main__":
    if "--rewrite" in sys.argv:
        sys.argv.remove("--rewrite")
        os.environ["HARROW_GENERATE_TEST"] = "--rewrite"
    unittest.main()
