"""The message tables, read: types, fields, structs and messages with their versions. The grammar stands in generate.py."""
import os
import re
import sys

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
