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
import re
import sys
import tempfile

FOREVER = 32767
INTEGERS = {"int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8}
FIXED = dict(INTEGERS, bool=1, float64=8, uuid=16)
CPP = {"bool": "bool", "float64": "double", "string": "std::string", "uuid": "Uuid", "bytes": "Bytes", "records": "Bytes"}
CPP.update({name: f"std::{name}_t" for name in INTEGERS})
KEYWORDS = set("""alignas alignof and auto bool break case catch char class const continue default delete do double else
enum explicit export extern false float for friend goto if inline int long namespace new not operator or private protected
public register return short signed sizeof static struct switch template this throw true try typedef typename union unsigned
using virtual void volatile while xor""".split())
# Names generated functions use for themselves; a field of that name is reached through `this`.
LOCALS = {"at", "e", "flexible", "out", "r", "random", "size", "tags", "total", "value", "version", "w"}
CODEC_FILES = 10
TEXT_FILES = 6


class TableError(Exception):
    pass


def snake(name):
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def versions_of(text):
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not match:
        raise TableError(f"not a range of versions: {text}")
    low = int(match[1])
    return low, FOREVER if match[2] else int(match[3]) if match[3] else low


def both(a, b):
    return max(a[0], b[0]), min(a[1], b[1])


class Type:
    """A field's type: `name` is a base type or a struct, perhaps in an array."""

    def __init__(self, text):
        match = re.fullmatch(r"(\[)?(\w+)(\])?(?:(\?)(\S+)?)?", text)
        if not match or bool(match[1]) != bool(match[3]):
            raise TableError(f"not a type: {text}")
        self.name, self.array, self.nullable = match[2], bool(match[1]), bool(match[4])
        self.null_versions = versions_of(match[5]) if match[5] else (0, FOREVER)
        self.struct = match[2] not in CPP

    def element(self):
        return CPP.get(self.name, self.name)

    def cpp(self):
        base = f"std::vector<{self.element()}>" if self.array else self.element()
        return f"std::optional<{base}>" if self.nullable else base


class Field:
    def __init__(self, line, parent, comments):
        match = re.fullmatch(r"(\w+): (\S+)(?: (\d\S*))?(?: tag (\d+)(?: from (\d+))?)?(?: = (\S+))?( ignorable)?", line)
        if not match:
            raise TableError(f"not a field: {line}")
        self.name, self.type = match[1], Type(match[2])
        if self.name in KEYWORDS:
            self.name += "_"
        self.access = f"this->{self.name}" if self.name in LOCALS else self.name
        self.versions = both(versions_of(match[3]) if match[3] else (0, FOREVER), parent)
        self.tag = int(match[4]) if match[4] else None
        self.tagged = both((int(match[5]) if match[5] else 0, FOREVER), self.versions) if match[4] else None
        self.default, self.ignorable, self.comments = match[6], bool(match[7]), comments

    def initial(self):
        """The C++ initialiser, or '' for a value that is empty by itself."""
        kind = self.type
        if kind.nullable:
            if self.default == "null" or (kind.name == "records" and not kind.array):
                return ""
            return f" = {kind.cpp()[len('std::optional<'):-1]}()"
        if kind.array or kind.struct or kind.name in ("string", "uuid", "bytes", "records"):
            return ""
        if kind.name == "bool":
            return f" = {self.default or 'false'}"
        return f" = {literal(self.default or '0', kind.name)}"

    def is_set(self):
        """A C++ condition: the field differs from its default."""
        kind, name = self.type, self.access
        if kind.nullable:
            return f"!({name} && is_empty(*{name}))" if self.initial() and not (kind.struct and not kind.array) else (
                f"{name} != {kind.cpp()}({kind.name}())" if self.initial() else f"{name}.has_value()")
        if kind.array or kind.name in ("string", "bytes", "records"):
            return f"!{name}.empty()"
        if kind.name == "uuid":
            return f"!{name}.is_zero()"
        if kind.struct:
            return f"!({name} == {kind.name}())"
        if kind.name == "bool":
            return f"!{name}" if self.default == "true" else name
        return f"{name} != {literal(self.default or '0', kind.name)}"


def literal(value, kind):
    if kind == "int32" and value == "-2147483648":
        return "(-2147483647 - 1)"
    return value


class Struct:
    def __init__(self, name, versions, comments):
        self.name, self.versions, self.comments, self.fields = name, versions, comments, []


class Message:
    def __init__(self, name, kind, table, versions, flexible, comments):
        self.name, self.kind, self.table, self.versions, self.flexible = name, kind, table, versions, flexible
        self.key = self.family = self.peer = None
        self.root = Struct(name, versions, comments)
        self.structs = {}

    def file(self):
        return snake(self.name)

    def ordered(self):
        """Nested structs, those used by others first."""
        done, order = set(), []

        def visit(struct, path):
            if struct.name in path:
                raise TableError(f"{self.name}.{struct.name} contains itself")
            for field in struct.fields:
                if field.type.struct and field.type.name not in done:
                    if field.type.name not in self.structs:
                        raise TableError(f"{self.name}: unknown struct {field.type.name}")
                    visit(self.structs[field.type.name], path + [struct.name])
            if struct is not self.root and struct.name not in done:
                done.add(struct.name)
                order.append(struct)

        visit(self.root, [])
        return order

    def all(self):
        return self.ordered() + [self.root]

    def weight(self):
        return sum(4 + len(struct.fields) for struct in self.all())


class Api:
    def __init__(self, key, name, versions, flexible, listeners, unstable, comments):
        self.key, self.name, self.versions, self.flexible = key, name, versions, flexible
        self.listeners, self.unstable, self.comments = listeners, unstable, comments


HEADING = re.compile(r"(api|record|key|value|data) (?:([a-z]+) )?(?:(\d+) )?(\w+), versions (\S+?)(?:, flexible (\d+)\+)?"
                     r"(?:, on ([a-z ]+))?(, newest unstable)?")


def read_table(path, messages, apis):
    table = os.path.join(*path.replace("\\", "/").split("/")[-2:]) if "records" in path else os.path.basename(path)
    message, api, comments, stack = None, None, [], []
    with open(path, encoding="utf-8") as lines:
        for number, raw in enumerate(lines, 1):
            line = raw.strip()
            try:
                if not line:
                    if stack == [] and message is None:
                        comments = []  # a remark about the whole file
                    continue
                if line.startswith("#"):
                    comments.append(line[1:].strip())
                    continue
                indent = (len(raw) - len(raw.lstrip(" "))) // 2
                if indent == 0:
                    heading = HEADING.fullmatch(line)
                    if heading:
                        kind, family, key, name = heading[1], heading[2], heading[3], heading[4]
                        versions = versions_of(heading[5])
                        flexible = int(heading[6]) if heading[6] else FOREVER
                        if kind == "api":
                            api = Api(int(key), name, versions, flexible, (heading[7] or "").split(), bool(heading[8]), comments)
                            apis.append(api)
                            message = None
                        else:
                            message = Message(name, kind, table, versions, flexible, comments)
                            message.key, message.family = int(key) if key else None, family
                            messages.append(message)
                    elif line in ("request", "response") and api:
                        if line == "request":
                            title = (api.comments or [f"Request of api {api.key}."]) + comments
                        else:
                            title = [f"Answer to {api.name}Request."] + comments
                        message = Message(api.name + line.capitalize(), line, table, api.versions, api.flexible, title)
                        message.key = api.key
                        message.peer = api.name + ("Response" if line == "request" else "Request")
                        messages.append(message)
                    else:
                        raise TableError(f"not a heading: {line}")
                    stack, comments = [message.root] if message else [], []
                    continue
                if message is None or indent > len(stack):
                    raise TableError("a field without a message, or indented too far")
                del stack[indent:]
                owner = stack[-1]
                if line.startswith("struct "):
                    struct = Struct(line[7:], message.versions, comments)
                    stack.append(message.structs.setdefault(struct.name, struct))
                else:
                    if owner is None:
                        raise TableError("fields below a field which is no struct")
                    field = Field(line, owner.versions, comments)
                    owner.fields.append(field)
                    # The struct is made when the first field below this one comes.
                    stack.append(NewStruct(message, field) if field.type.struct else None)
                comments = []
            except TableError as error:
                sys.exit(f"{path}:{number}: {error}")


class NewStruct:
    """Stands on the stack for the struct of a field, and creates it with its first field."""

    def __init__(self, message, field):
        self.message, self.name, self.versions = message, field.type.name, field.versions

    @property
    def fields(self):
        if self.name not in self.message.structs:
            self.message.structs[self.name] = Struct(self.name, self.versions, [])
        return self.message.structs[self.name].fields


# --- C++ -------------------------------------------------------------------------------------------------------------

class Out:
    def __init__(self):
        self.lines, self.depth = [], 0

    def __call__(self, *lines):
        for line in lines:
            if line.startswith("}"):
                self.depth -= 1
            self.lines.append("  " * self.depth + line if line else "")
            if line.endswith("{"):
                self.depth += 1

    def text(self):
        return "\n".join(self.lines) + "\n"


def condition(versions, within):
    """Whether `version` lies in `versions`, knowing that it lies in `within`; None means always, '' never."""
    low, high = both(versions, within)
    if low > high:
        return ""
    parts = []
    if low > within[0]:
        parts.append(f"version >= {low}")
    if high < within[1]:
        parts.append(f"version <= {high}")
    return " && ".join(parts) or None


def conjunction(*conditions):
    parts = [part for part in conditions if part]
    return " && ".join(f"({part})" if "||" in part else part for part in parts)


class Writer:
    """Writes the functions of one message."""

    def __init__(self, message, out):
        self.message, self.out = message, out
        self.sized = set()
        for struct in message.all():
            for field in struct.fields:
                if field.tag is not None and field.type.struct:
                    self.mark_sized(field.type.name)

    def mark_sized(self, name):
        if name in self.sized:
            return
        self.sized.add(name)
        for field in self.message.structs[name].fields:
            if field.type.struct:
                self.mark_sized(field.type.name)

    def flexible(self, struct):
        flexible = self.message.flexible
        if flexible <= struct.versions[0]:
            return "true"
        return "false" if flexible > struct.versions[1] or flexible == FOREVER else "flexible"

    def can_be_flexible(self):
        return self.message.flexible <= self.message.versions[1]

    def name_of(self, struct):
        return self.message.name if struct is self.message.root else f"{self.message.name}::{struct.name}"

    def tags_of(self, struct):
        return sorted((field for field in struct.fields if field.tag is not None), key=lambda field: field.tag)

    def least_bytes(self, kind):
        """The fewest bytes an element of an array can take at any version."""
        if not kind.struct:
            return FIXED.get(kind.name, 1 if self.can_be_flexible() else {"string": 2}.get(kind.name, 4))
        struct = self.message.structs[kind.name]
        total = 0
        for field in struct.fields:
            if field.versions != struct.versions or field.tag is not None:
                continue
            if field.type.array or field.type.nullable or field.type.name in ("string", "bytes", "records"):
                total += 1
            elif field.type.struct:
                total += self.least_bytes(field.type)
            else:
                total += FIXED[field.type.name]
        return max(total, 1)

    def null_condition(self, field):
        return condition(field.type.null_versions, field.versions)

    # Decoding.
    def read_element(self, kind, flexible):
        if kind.struct:
            return "e.read(r, version);"
        if kind.name == "string":
            return f"codec::read_string(r, e, {flexible});"
        if kind.name in ("bytes", "records"):
            return f"codec::read_bytes(r, e, {flexible});"
        return "codec::read(r, e);"

    def read_value(self, field, flexible):
        kind, name, out = field.type, field.access, self.out
        null = self.null_condition(field)
        nullable = f", {null or ('true' if null is None else 'false')}" if kind.nullable else ""
        if kind.array:
            if kind.struct:
                out(f"codec::read_array(r, {name}, {flexible}{nullable}, {self.least_bytes(kind)}, "
                    f"[&](auto& e) {{ {self.read_element(kind, flexible)} }});")
            else:
                out(f"codec::read_array(r, {name}, {flexible}{nullable}, {self.least_bytes(kind)}, "
                    f"[&](auto& e) {{ {self.read_element(kind, flexible)} }});")
        elif kind.struct and kind.nullable:
            # Not emplace(): clang judges a nested struct's constructor before its initialisers are known.
            out(f"if (codec::read_presence(r{nullable})) {{", f"{name} = {kind.name}();", f"{name}->read(r, version);", "} else {",
                f"{name}.reset();", "}")
        elif kind.struct:
            out(f"{name}.read(r, version);")
        elif kind.name == "string":
            out(f"codec::read_string(r, {name}, {flexible}{nullable});")
        elif kind.name in ("bytes", "records"):
            out(f"codec::read_bytes(r, {name}, {flexible}{nullable});")
        else:
            out(f"codec::read(r, {name});")

    def read(self, struct):
        out, flexible = self.out, self.flexible(struct)
        out("", f"void {self.name_of(struct)}::read(Reader& r, [[maybe_unused]] std::int16_t version) {{")
        if flexible == "flexible":
            out(f"const bool flexible = version >= {self.message.flexible};")
        for field in struct.fields:
            for low, high in untagged_ranges(field):
                when = condition((low, high), struct.versions)
                if when:
                    out(f"if ({when}) {{")
                self.read_value(field, flexible)
                if when:
                    out("}")
        if flexible != "false":
            tags = self.tags_of(struct)
            if flexible == "flexible":
                out("if (flexible) {")
            if not tags:
                out("codec::read_tags(r, unknown_tags);")
            else:
                out("for (codec::TagReader tags(r); tags.next();) {", "switch (tags.tag()) {")
                for field in tags:
                    out(f"case {field.tag}: {{")
                    when = condition(field.tagged, both(struct.versions, (self.message.flexible, FOREVER)))
                    if when:
                        out(f"if ({when}) {{")
                    self.read_value(field, "true")
                    if when:
                        out("} else {", "tags.keep(unknown_tags);", "}")
                    out("break;", "}")
                out("default: tags.keep(unknown_tags);", "}", "}")
            if flexible == "flexible":
                out("}")
        out("}")

    # Encoding.
    def write_element(self, kind, value, flexible):
        if kind.struct:
            return f"{value}.encode(w, version);"
        if kind.name == "string":
            return f"codec::write_{'nullable_' if kind.nullable and not kind.array else ''}string(w, {value}, {flexible});"
        if kind.name in ("bytes", "records"):
            return f"codec::write_{'nullable_' if kind.nullable and not kind.array else ''}bytes(w, {value}, {flexible});"
        return f"codec::write(w, {value});"

    def write_value(self, field, flexible, check_null=True):
        kind, name, out = field.type, field.access, self.out
        if kind.nullable and check_null:
            null = self.null_condition(field)
            if null is not None:
                allowed = f" || ({null})" if null else ""
                out(f'CHECK_SAYING({name}{".has_value()" if not allowed else ".has_value()" + allowed}, '
                    f'"{self.message.name}: {field.name} cannot be null at this version");')
        if kind.array:
            value = f"(*{name})" if kind.nullable else name
            if kind.nullable:
                out(f"if (!{name}) {{", f"codec::write_null(w, {flexible});", "} else {")
            item = f"for (const auto{'&' if not kind.name in FIXED or kind.name == 'uuid' else ''} e : {value})"
            out(f"codec::write_length(w, {value}.size(), {flexible});", f"{item} {self.write_element(kind, 'e', flexible)}")
            if kind.nullable:
                out("}")
        elif kind.struct and kind.nullable:
            out(f"w.i8({name} ? 1 : -1);", f"if ({name}) {name}->encode(w, version);")
        else:
            out(self.write_element(kind, name, flexible))

    def encode(self, struct):
        out, flexible = self.out, self.flexible(struct)
        out("", f"void {self.name_of(struct)}::encode(Writer& w, [[maybe_unused]] std::int16_t version) const {{")
        if struct is self.message.root:
            low, high = struct.versions
            out(f"DCHECK(version >= {low} && version <= {high});")
        if flexible == "flexible":
            out(f"const bool flexible = version >= {self.message.flexible};")
        for field in struct.fields:
            ranges = [part for part in untagged_ranges(field)]
            for low, high in ranges:
                when = condition((low, high), struct.versions)
                if when:
                    out(f"if ({when}) {{")
                self.write_value(field, flexible)
                if when:
                    out("}")
            outside = condition(field.versions, struct.versions)
            if outside and not field.ignorable:
                out(f'CHECK_SAYING(({outside}) || !({field.is_set()}), "{self.message.name}: {field.name} is set, but this '
                    f'version has no place for it");')
        if flexible == "false":
            pass
        elif flexible == "true":
            self.write_tags(struct)
        else:
            out("if (flexible) {")
            self.write_tags(struct)
            out("} else {")
            out(f'CHECK_SAYING(unknown_tags.empty(), "{self.message.name}: a classic version cannot carry tags");')
            out("}")
        out("}")

    def write_tags(self, struct):
        out, tags = self.out, self.tags_of(struct)
        if not tags:
            out("codec::write_tags(w, unknown_tags);")
            return
        within = both(struct.versions, (self.message.flexible, FOREVER))
        for field in tags:
            when = condition(field.tagged, within)
            out(f"const bool has_{field.name} = {conjunction(when, field.is_set())};")
        out("w.uvarint(unknown_tags.size() + " + " + ".join(f"(has_{field.name} ? 1 : 0)" for field in tags) + ");")
        out("std::size_t at = 0;")
        for field in tags:
            out(f"codec::write_tags_below(w, unknown_tags, at, {field.tag});")
            out(f"if (has_{field.name}) {{")
            out(f"w.uvarint({field.tag});")
            kind, name = field.type, field.access
            if kind.array:
                self.write_array_size(field)
                out("w.uvarint(size);")
            elif kind.struct and kind.nullable:
                out(f"w.uvarint({name} ? {name}->wire_size(version) + 1 : 1);")
            elif kind.struct:
                out(f"w.uvarint({name}.wire_size(version));")
            elif kind.name in FIXED:
                out(f"w.uvarint({FIXED[kind.name]});")
            else:
                out(f"w.uvarint(codec::size_of({name}));")
            self.write_value(field, "true", check_null=False)
            out("}")
        out("codec::write_tags_below(w, unknown_tags, at, std::numeric_limits<std::uint64_t>::max());")

    # Sizes, only for what tagged fields hold; always flexible.
    def write_array_size(self, field):
        kind, name, out = field.type, field.access, self.out
        if kind.nullable:
            out(f"std::size_t size = {name} ? codec::uvarint_size({name}->size() + 1) : 1;")
        else:
            out(f"std::size_t size = codec::uvarint_size({name}.size() + 1);")
        value = f"*{name}" if kind.nullable else name
        guard = f"if ({name}) " if kind.nullable else ""
        if kind.name in FIXED:
            out(f"{guard}size += {FIXED[kind.name]} * ({value}).size();")
        elif kind.struct:
            out(f"{guard}for (const auto& e : {value}) size += e.wire_size(version);")
        else:
            out(f"{guard}for (const auto& e : {value}) size += codec::size_of(e);")

    def wire_size(self, struct):
        out = self.out
        out("", f"std::size_t {self.name_of(struct)}::wire_size([[maybe_unused]] std::int16_t version) const {{")
        out("std::size_t total = 0;")
        for field in struct.fields:
            if field.tag is not None:
                raise TableError(f"{self.message.name}: a tagged field inside a tagged field needs a size rule")
            kind, name = field.type, field.access
            when = condition(field.versions, struct.versions)
            out(f"if ({when}) {{" if when else "{")
            if kind.array:
                self.write_array_size(field)
                out("total += size;")
            elif kind.struct and kind.nullable:
                out(f"total += {name} ? {name}->wire_size(version) + 1 : 1;")
            elif kind.struct:
                out(f"total += {name}.wire_size(version);")
            elif kind.name in FIXED:
                out(f"total += {FIXED[kind.name]};")
            else:
                out(f"total += codec::size_of({name});")
            out("}")
        out("return total + codec::uvarint_size(unknown_tags.size()) + codec::size_of_tags(unknown_tags);", "}")

    # Text and random values.
    def print_to(self, struct):
        out = self.out
        out("", f"void {self.name_of(struct)}::print_to(std::string& out) const {{", "out += '{';")
        for field in struct.fields:
            out(f'text::name(out, "{field.name.rstrip("_")}");', f"text::put(out, {field.access});")
        if self.can_be_flexible():
            out("text::put_tags(out, unknown_tags);")
        out("out += '}';", "}")

    def randomise(self, struct):
        out = self.out
        out("", f"void {self.name_of(struct)}::randomise(Random& random, [[maybe_unused]] std::int16_t version) {{")
        for field in struct.fields:
            kind, name = field.type, field.access
            when = condition(field.versions, struct.versions)
            if when:
                out(f"if ({when}) {{")
            if kind.nullable:
                null = self.null_condition(field)
                out(f"if (dice::absent(random, {null or ('true' if null is None else 'false')})) {{", f"{name}.reset();",
                    "} else {", f"{name} = {kind.cpp()[len('std::optional<'):-1]}();", f"auto& value = *{name};")
                name = "value"
            if kind.array:
                out(f"{name}.resize(dice::count(random));")
                out(f"for (auto& e : {name}) " + ("e.randomise(random, version);" if kind.struct else "dice::roll(random, e);"))
            else:
                out(f"{name}.randomise(random, version);" if kind.struct else f"dice::roll(random, {name});")
            if kind.nullable:
                out("}")
            if when:
                out("}")
        flexible = self.flexible(struct)
        if flexible != "false":
            out(("" if flexible == "true" else f"if (version >= {self.message.flexible}) ") + "dice::roll(random, unknown_tags);")
        out("}")

    def decode(self):
        name, (low, high) = self.message.name, self.message.versions
        below = f"version < {low} || " if low > -32768 else ""
        self.out("", f"Result<{name}> {name}::decode(Reader& r, std::int16_t version) {{",
                 f"if ({below}version > {high}) return codec::version_out_of_range();", f"Result<{name}> result;",
                 "result->read(r, version);", "if (r.failed()) return codec::malformed();", "return result;", "}")

    def print(self):
        self.out("", f"std::string {self.message.name}::print() const {{", "std::string out;", "print_to(out);", "return out;", "}")

    def declare(self, struct):
        """The struct itself, nested ones inside."""
        out, message = self.out, self.message
        for comment in struct.comments:
            out(f"/// {comment}")
        out(f"struct {struct.name} {{")
        if struct is message.root:
            if message.key is not None and message.kind in ("request", "response"):
                out(f"static constexpr ApiKey api_key = static_cast<ApiKey>({message.key});")
                out(f"using {'Response' if message.kind == 'request' else 'Request'} = {message.peer};")
            elif message.kind == "record":
                out(f"static constexpr std::uint32_t record_type = {message.key};")
            elif message.kind in ("key", "value"):
                out(f"static constexpr std::int16_t log_type = {message.key};")
            out(f'static constexpr std::string_view message_name = "{message.name}";',
                f"static constexpr std::int16_t min_version = {message.versions[0]};",
                f"static constexpr std::int16_t max_version = {message.versions[1]};",
                "static constexpr std::int16_t flexible_from = " +
                ("never_flexible" if message.flexible == FOREVER else str(message.flexible)) + ";", "")
            for nested in message.ordered():
                self.declare(nested)
                out("")
        for field in struct.fields:
            for comment in field.comments:
                out(f"/// {comment}")
            notes = []
            if field.versions != struct.versions:
                low, high = field.versions
                notes.append(f"{low}+" if high >= message.versions[1] else f"{low}" if low == high else f"{low}-{high}")
            if field.tag is not None:
                notes.append(f"tag {field.tag}")
            out(f"{field.type.cpp()} {field.name}{field.initial()};" + (f"  // {', '.join(notes)}" if notes else ""))
        if self.can_be_flexible():
            out("std::vector<RawTag> unknown_tags;")
        out("")
        if struct is message.root:
            out(f"static Result<{struct.name}> decode(Reader& r, std::int16_t version);")
        out("void read(Reader& r, std::int16_t version);", "void encode(Writer& w, std::int16_t version) const;")
        if struct.name in self.sized:
            out("std::size_t wire_size(std::int16_t version) const;")
        if struct is message.root:
            out("std::string print() const;")
        out("void print_to(std::string& out) const;", "void randomise(Random& random, std::int16_t version);",
            f"bool operator==(const {struct.name}&) const = default;", "};")


def untagged_ranges(field):
    """The versions at which a field stands at its place: all, or those before it became tagged."""
    if field.tag is None:
        return [field.versions] if field.versions[0] <= field.versions[1] else []
    if field.tagged[0] > field.versions[0]:
        return [(field.versions[0], field.tagged[0] - 1)]
    return []


def banner(source):
    return f"// Generated by core/wire/generate.py from {source}; edit the table instead."


def header_of(message):
    out = Out()
    out(banner(f"core/wire/schema/{message.table}"), "#pragma once", "", '#include "core/wire/message.h"', "",
        "namespace harrow::wire {", "")
    out.depth = 0
    if message.peer:
        out(f"struct {message.peer};", "")
    Writer(message, out).declare(message.root)
    out("", "}  // namespace harrow::wire")
    out.depth = 0
    return out.text()


def codec_of(messages):
    out = Out()
    out(banner("the tables of core/wire/schema"))
    for message in messages:
        out(f'#include "core/wire/{message.file()}.h"')
    out("", '#include "core/wire/codec.h"', "", "namespace harrow::wire {")
    out.depth = 0
    out("namespace {", "template <class Container>", "[[maybe_unused]] bool is_empty(const Container& c) {")
    out("return c.empty();", "}")
    out.depth = 0
    out("}  // namespace")
    out.depth = 0
    for message in messages:
        writer = Writer(message, out)
        for struct in message.all():
            writer.read(struct)
            writer.encode(struct)
            if struct.name in writer.sized:
                writer.wire_size(struct)
        writer.decode()
    out("", "}  // namespace harrow::wire")
    return out.text()


def text_of(messages, index):
    out = Out()
    out(banner("the tables of core/wire/schema"))
    for message in messages:
        out(f'#include "core/wire/{message.file()}.h"')
    out("", '#include "core/wire/any_holder.h"', '#include "core/wire/print.h"', '#include "core/wire/randomise.h"', "",
        "namespace harrow::wire {")
    out.depth = 0
    for message in messages:
        writer = Writer(message, out)
        for struct in message.all():
            writer.print_to(struct)
            writer.randomise(struct)
        writer.print()
    out("", f"const MessageInfo* const message_rows_{index}(std::size_t& count) {{".replace("const MessageInfo* const", "const MessageInfo*"))
    out("static constexpr MessageInfo rows[] = {")
    for message in messages:
        key = message.key if message.key is not None else -1
        out(f"row_of<{message.name}>(MessageKind::{message.kind}, {key}),")
    out("};", f"count = {len(messages)};", "return rows;", "}", "", "}  // namespace harrow::wire")
    return out.text()


def any_message_cpp(parts):
    out = Out()
    out(banner("the tables of core/wire/schema"), '#include "core/wire/any_message.h"', "", "namespace harrow::wire {")
    out.depth = 0
    out("")
    for index in range(parts):
        out(f"const MessageInfo* message_rows_{index}(std::size_t& count);")
    out("", "const std::vector<const MessageInfo*>& all_messages() {", "static const std::vector<const MessageInfo*> all = [] {",
        "std::vector<const MessageInfo*> list;", "std::size_t count = 0;")
    for index in range(parts):
        out("{", f"const MessageInfo* const rows = message_rows_{index}(count);",
            "for (std::size_t i = 0; i < count; ++i) list.push_back(rows + i);", "}")
    out("return list;")
    out.lines.append("  }();")
    out.depth = 1
    out("return all;", "}", "", "}  // namespace harrow::wire")
    return out.text()


def api_h(apis):
    out = Out()
    out(banner("core/wire/schema/*.kf"),
        "// The table of APIs: numbers, version ranges, first flexible version, who listens, and which headers go with them.",
        "#pragma once", "", "#include <cstdint>", "#include <span>", "#include <string_view>", "", '#include "core/wire/message.h"',
        "", "namespace harrow::wire {")
    out.depth = 0
    out("", "enum class ApiKey : std::int16_t {")
    for api in apis:
        out(f"{snake(api.name)} = {api.key},")
    out("};", "", "struct ApiInfo {", "ApiKey key;", "/// Kafka's name, such as \"Produce\".", "std::string_view name;",
        "std::int16_t min_version;", "/// Newest version that is offered by default.", "std::int16_t max_version;",
        "/// Newest version that can be decoded; above max_version when that one is not stable yet.",
        "std::int16_t newest_version;", "std::int16_t flexible_from;", "bool on_broker;", "bool on_controller;", "};", "",
        "/// Every API, by ascending number.", "std::span<const ApiInfo> all_apis();", "/// The row of this number, or null.",
        "const ApiInfo* find_api(std::int16_t key);", "/// The row of a known API.", "const ApiInfo& api_info(ApiKey key);", "",
        "std::string_view name_of(ApiKey key);", "/// Newest stable version.", "std::int16_t latest_version(ApiKey key);",
        "bool is_flexible(ApiKey key, std::int16_t version);", "/// 2 for flexible versions, else 1.",
        "std::int16_t request_header_version(ApiKey key, std::int16_t version);",
        "/// 1 for flexible versions, else 0; always 0 for ApiVersions, whose answer must be readable by a client that does not",
        "/// know yet what the broker speaks.",
        "std::int16_t response_header_version(ApiKey key, std::int16_t version);", "", "}  // namespace harrow::wire")
    return out.text()


def api_cpp(apis):
    out = Out()
    highest = max(api.key for api in apis)
    out(banner("core/wire/schema/*.kf"), '#include "core/wire/api.h"', "", "#include <array>", "", '#include "core/base/check.h"', "",
        "namespace harrow::wire {")
    out.depth = 0
    out("namespace {", "constexpr ApiInfo apis[] = {")
    for api in apis:
        low, high = api.versions
        flexible = "never_flexible" if api.flexible == FOREVER else api.flexible
        yes = [str(where in api.listeners).lower() for where in ("broker", "controller")]
        out(f'{{ApiKey::{snake(api.name)}, "{api.name}", {low}, {high - 1 if api.unstable else high}, {high}, {flexible}, '
            f'{yes[0]}, {yes[1]}}},')
    out("};", "", "constexpr auto rows_by_key = [] {", f"std::array<std::int8_t, {highest + 1}> rows{{}};",
        "for (auto& row : rows) row = -1;",
        "for (std::size_t i = 0; i < std::size(apis); ++i) rows[static_cast<std::size_t>(apis[i].key)] = static_cast<std::int8_t>(i);",
        "return rows;")
    out.lines.append("  }();")
    out.depth = 0
    out("}  // namespace")
    out.depth = 0
    out("", "std::span<const ApiInfo> all_apis() { return apis; }", "", "const ApiInfo* find_api(std::int16_t key) {",
        "if (key < 0 || static_cast<std::size_t>(key) >= rows_by_key.size()) return nullptr;",
        "const std::int8_t row = rows_by_key[static_cast<std::size_t>(key)];", "return row < 0 ? nullptr : &apis[row];", "}", "",
        "const ApiInfo& api_info(ApiKey key) {", "const ApiInfo* const info = find_api(static_cast<std::int16_t>(key));",
        "CHECK(info != nullptr);", "return *info;", "}", "", "std::string_view name_of(ApiKey key) {",
        "const ApiInfo* const info = find_api(static_cast<std::int16_t>(key));", 'return info == nullptr ? "Unknown" : info->name;', "}",
        "", "std::int16_t latest_version(ApiKey key) { return api_info(key).max_version; }",
        "bool is_flexible(ApiKey key, std::int16_t version) { return version >= api_info(key).flexible_from; }", "",
        "std::int16_t request_header_version(ApiKey key, std::int16_t version) { return is_flexible(key, version) ? 2 : 1; }", "",
        "std::int16_t response_header_version(ApiKey key, std::int16_t version) {",
        "return key != ApiKey::api_versions && is_flexible(key, version) ? 1 : 0;", "}", "", "}  // namespace harrow::wire")
    return out.text()


def variant(name, structs):
    lines = [f"using {name} = std::variant<"]
    for position, struct in enumerate(structs):
        lines.append(f"    {struct}{',' if position + 1 < len(structs) else '>;'}")
    return lines


def metadata_records_h(records):
    out = Out()
    out(banner("core/wire/schema/records"), "// Records of the metadata log as one type, and their framing inside a record's value: frame version 1, type and",
        "// version as unsigned varints, then the message. Records are written at their newest version.", "#pragma once", "",
        "#include <variant>", "")
    for record in records:
        out(f'#include "core/wire/{record.file()}.h"')
    out("", "namespace harrow::wire {")
    out.depth = 0
    out("", *variant("MetadataRecord", [record.name for record in records]), "",
        "Bytes encode_record(const MetadataRecord& record);", "Result<MetadataRecord> decode_record(const Bytes& value);",
        "/// Name of the struct inside, such as \"PartitionRecord\".", "std::string_view name_of(const MetadataRecord& record);",
        "std::string print(const MetadataRecord& record);", "", "}  // namespace harrow::wire")
    return out.text()


def metadata_records_cpp(records):
    out = Out()
    out(banner("core/wire/schema/records"), '#include "core/wire/metadata_records.h"', "", '#include "core/base/buffer.h"', "",
        "namespace harrow::wire {")
    out.depth = 0
    out("namespace {", "constexpr std::uint32_t frame_version = 1;", "", "template <class Record>",
        "Result<MetadataRecord> decode_as(Reader& r, std::int16_t version) {", "TRY(Record record, Record::decode(r, version));",
        "return MetadataRecord(std::move(record));", "}")
    out.depth = 0
    out("}  // namespace")
    out.depth = 0
    out("", "Bytes encode_record(const MetadataRecord& record) {", "Writer w(128);", "std::visit(",
        "    [&](const auto& r) {", "using Record = std::decay_t<decltype(r)>;", "w.uvarint(frame_version);",
        "w.uvarint(Record::record_type);", "w.uvarint(static_cast<std::uint64_t>(Record::max_version));",
        "r.encode(w, Record::max_version);")
    out.lines.append("      },")
    out.lines.append("      record);")
    out.depth = 1
    out("return w.finish();", "}", "", "Result<MetadataRecord> decode_record(const Bytes& value) {", "Reader r(value);",
        "const std::uint32_t frame = r.uvarint32();", "const std::uint32_t type = r.uvarint32();",
        "const std::uint32_t version = r.uvarint32();",
        'if (r.failed() || version > 32767) return error(Code::malformed_input, "a metadata record without its frame");',
        'if (frame != frame_version) return error(Code::unsupported_version, "unknown frame version of a metadata record");',
        "const auto v = static_cast<std::int16_t>(version);",
        'Result<MetadataRecord> result = error(Code::unsupported_version, "unknown type of metadata record");', "switch (type) {")
    for record in records:
        out(f"case {record.key}: result = decode_as<{record.name}>(r, v); break;")
    out("default: break;", "}", 'if (result && r.left() != 0) return error(Code::malformed_input, "bytes after a metadata record");',
        "return result;", "}", "", "std::string_view name_of(const MetadataRecord& record) {",
        "return std::visit([](const auto& r) { return std::decay_t<decltype(r)>::message_name; }, record);", "}", "",
        "std::string print(const MetadataRecord& record) {",
        "return std::visit([](const auto& r) { return std::string(r.message_name) + r.print(); }, record);", "}", "", "}  // namespace harrow::wire")
    return out.text()


FAMILIES = {"group": "Group", "transaction": "TransactionState", "share": "ShareState"}


def coordinator_records_h(messages):
    out = Out()
    out(banner("core/wire/schema/records"),
        "// Keys and values of the coordinators' logs (`__consumer_offsets`, `__transaction_state`, `__share_group_state`): a key",
        "// is its int16 type and the key message at version 0, a value its int16 version and the message of that version. A",
        "// null value is a tombstone and never comes here.", "#pragma once", "", "#include <variant>", "")
    for message in messages:
        out(f'#include "core/wire/{message.file()}.h"')
    out("", '#include "core/base/buffer.h"', "", "namespace harrow::wire {")
    out.depth = 0
    for family, title in FAMILIES.items():
        keys = [m.name for m in messages if m.family == family and m.kind == "key"]
        values = [m.name for m in messages if m.family == family and m.kind == "value"]
        out("", *variant(f"{title}LogKey", keys), *variant(f"{title}LogValue", values))
    out("", "/// One key, its type before it.", "template <class Key>", "Bytes encode_log_key(const Key& key) {", "Writer w(64);",
        "w.i16(Key::log_type);", "key.encode(w, Key::max_version);", "return w.finish();", "}",
        "/// One value, its version before it.", "template <class Value>",
        "Bytes encode_log_value(const Value& value, std::int16_t version = Value::max_version) {", "Writer w(128);", "w.i16(version);",
        "value.encode(w, version);", "return w.finish();", "}")
    for family, title in FAMILIES.items():
        out("", f"Bytes encode_key(const {title}LogKey& key);", f"Bytes encode_value(const {title}LogValue& value);",
            f"Result<{title}LogKey> decode_{family}_log_key(const Bytes& key);",
            "/// `type` is that of the key beside the value.",
            f"Result<{title}LogValue> decode_{family}_log_value(std::int16_t type, const Bytes& value);",
            f"std::string print(const {title}LogKey& key);", f"std::string print(const {title}LogValue& value);")
    out("", "/// The type at the head of a key, or -1 when there is none.", "std::int16_t log_type_of(const Bytes& key);", "",
        "}  // namespace harrow::wire")
    return out.text()


def coordinator_records_cpp(messages):
    out = Out()
    out(banner("core/wire/schema/records"), '#include "core/wire/coordinator_records.h"', "", "namespace harrow::wire {")
    out.depth = 0
    out("namespace {", "template <class Variant, class Message>", "Result<Variant> decode_as(Reader& r, std::int16_t version) {",
        "TRY(Message message, Message::decode(r, version));", "return Variant(std::move(message));", "}")
    out.depth = 0
    out("}  // namespace")
    out.depth = 0
    out("", "std::int16_t log_type_of(const Bytes& key) {", "Reader r(key);", "const std::int16_t type = r.i16();",
        "return r.failed() ? std::int16_t{-1} : type;", "}")
    for family, title in FAMILIES.items():
        keys = [m for m in messages if m.family == family and m.kind == "key"]
        values = [m for m in messages if m.family == family and m.kind == "value"]
        out("", f"Bytes encode_key(const {title}LogKey& key) {{",
            "return std::visit([](const auto& k) { return encode_log_key(k); }, key);", "}", "",
            f"Bytes encode_value(const {title}LogValue& value) {{",
            "return std::visit([](const auto& v) { return encode_log_value(v); }, value);", "}", "",
            f"Result<{title}LogKey> decode_{family}_log_key(const Bytes& key) {{", "Reader r(key);",
            "const std::int16_t type = r.i16();", 'if (r.failed()) return error(Code::malformed_input, "a key without its type");',
            "switch (type) {")
        for message in keys:
            out(f"case {message.key}: return decode_as<{title}LogKey, {message.name}>(r, {message.versions[1]});")
        out('default: return error(Code::unsupported_version, "unknown type of key");', "}", "}", "",
            f"Result<{title}LogValue> decode_{family}_log_value(std::int16_t type, const Bytes& value) {{", "Reader r(value);",
            "const std::int16_t version = r.i16();", 'if (r.failed()) return error(Code::malformed_input, "a value without its version");',
            "switch (type) {")
        for message in values:
            out(f"case {message.key}: return decode_as<{title}LogValue, {message.name}>(r, version);")
        out('default: return error(Code::unsupported_version, "unknown type of value");', "}", "}")
        for part in ("Key", "Value"):
            out("", f"std::string print(const {title}Log{part}& {part.lower()}) {{",
                f"return std::visit([](const auto& m) {{ return std::string(m.message_name) + m.print(); }}, {part.lower()});", "}")
    out("", "}  // namespace harrow::wire")
    return out.text()


def split(messages, parts):
    """Cuts the list into `parts` runs of about equal weight."""
    total, runs, weight = sum(m.weight() for m in messages), [[] for _ in range(parts)], 0
    for message in messages:
        runs[min(parts - 1, weight * parts // total)].append(message)
        weight += message.weight()
    return runs


def render(tables):
    messages, apis = [], []
    for table in sorted(tables):
        read_table(table, messages, apis)
    apis.sort(key=lambda api: api.key)
    names = [message.name for message in messages]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"two tables define {name}")
    files = {}
    for message in messages:
        files[f"{message.file()}.h"] = header_of(message)
    for index, run in enumerate(split(messages, CODEC_FILES)):
        files[f"messages_{index}.cpp"] = codec_of(run)
    for index, run in enumerate(split(messages, TEXT_FILES)):
        files[f"messages_text_{index}.cpp"] = text_of(run, index)
    files["any_message.cpp"] = any_message_cpp(TEXT_FILES)
    if apis:
        files["api.h"], files["api.cpp"] = api_h(apis), api_cpp(apis)
    records = sorted((m for m in messages if m.kind == "record"), key=lambda m: m.key)
    if records:
        files["metadata_records.h"], files["metadata_records.cpp"] = metadata_records_h(records), metadata_records_cpp(records)
    logs = [m for m in messages if m.family]
    if logs:
        files["coordinator_records.h"], files["coordinator_records.cpp"] = coordinator_records_h(logs), coordinator_records_cpp(logs)
    return files


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
