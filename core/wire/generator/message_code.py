"""C++ of one message: its struct, its decoder and encoder, its print and its random content."""
from generator.tables import FIXED, FOREVER, TableError, both


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
