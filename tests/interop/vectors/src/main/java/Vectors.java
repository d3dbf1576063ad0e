import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;

/**
 * Prints one line a message, version and variant: name, version, the encoding in hexadecimal, the values of all fields in
 * order. Variant 0 holds defaults as far as the version allows, the others pseudo-random values.
 */
public final class Vectors {
    private static final String[] PACKAGES = {
        "org/apache/kafka/common/message/", "org/apache/kafka/common/metadata/", "org/apache/kafka/coordinator/group/generated/",
        "org/apache/kafka/coordinator/transaction/generated/", "org/apache/kafka/coordinator/share/generated/"};
    // Headers are framed by hand; the others belong to files or removed APIs.
    private static final String[] LEFT_OUT = {"RequestHeader", "ResponseHeader", "ZkMigrationRecord"};
    private static final int VARIANTS = 3;

    private long state;
    private final Map<Class<?>, Set<String>> living = new HashMap<>();

    private long next() {
        long x = state += 0x9e3779b97f4a7c15L;
        x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }

    private int below(int bound) {
        return (int) Long.remainderUnsigned(next(), bound);
    }

    private static String plain(String name) {
        return name.replace("_", "").toLowerCase();
    }

    private static List<Field> fieldsOf(Class<?> type) {
        List<Field> fields = new ArrayList<>();
        for (Field field : type.getDeclaredFields()) {
            boolean link = (field.getName().equals("next") || field.getName().equals("prev")) && field.getType() == int.class;
            if (Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("_") || link) continue;
            field.setAccessible(true);
            fields.add(field);
        }
        return fields;
    }

    @SuppressWarnings("unchecked")
    private static Map<Integer, org.apache.kafka.common.protocol.types.Field> tagged(Type type) throws Exception {
        Field field = TaggedFields.class.getDeclaredField("fields");
        field.setAccessible(true);
        return (Map<Integer, org.apache.kafka.common.protocol.types.Field>) field.get(type);
    }

    /** Types of the fields a schema holds, and whether it ends in a section of tagged fields. */
    private static boolean typesOf(Schema schema, Map<String, Type> types) throws Exception {
        boolean flexible = false;
        for (var bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                flexible = true;
                for (var field : tagged(bound.def.type).values()) types.put(plain(field.name), field.type);
            } else {
                types.put(plain(bound.def.name), bound.def.type);
            }
        }
        return flexible;
    }

    @SuppressWarnings("unchecked")
    private void fill(Message message, Schema schema, int variant) throws Exception {
        Map<String, Type> types = new HashMap<>();
        boolean flexible = typesOf(schema, types);
        for (Field field : fieldsOf(message.getClass())) {
            Type type = types.get(plain(field.getName()));
            if (type == null) continue;
            if (variant == 0 && (field.get(message) != null || type.isNullable())) continue;
            field.set(message, value(field, type, variant));
        }
        if (flexible && variant > 0 && below(6) == 0) {
            message.unknownTaggedFields().add(new RawTaggedField(1000 + below(100), bytes(below(5))));
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private Object value(Field field, Type type, int variant) throws Exception {
        Class<?> kind = field.getType();
        if (!kind.isPrimitive() && type.isNullable() && below(4) == 0) return null;
        if (!Collection.class.isAssignableFrom(kind)) return single(kind, type, variant);
        Collection list;
        Class<?> element = elementOf(field);
        if (kind == List.class) {
            list = new ArrayList<>();
        } else {
            list = (Collection) kind.getDeclaredConstructor().newInstance();
        }
        int count = below(3);
        for (int i = 0; i < count; i++) list.add(single(element, type.arrayElementType().get(), variant));
        return list;
    }

    private Object single(Class<?> kind, Type type, int variant) throws Exception {
        if (kind == boolean.class || kind == Boolean.class) return below(2) == 1;
        if (kind == byte.class || kind == Byte.class) return (byte) (below(3) == 0 ? -1 : next());
        if (kind == short.class || kind == Short.class) return (short) (below(3) == 0 ? -1 : next());
        if (kind == int.class || kind == Integer.class) {
            if (type == Type.UINT16) return below(65536);
            return below(3) == 0 ? below(10) : (int) next();
        }
        if (kind == long.class || kind == Long.class) return below(3) == 0 ? below(10) : next();
        if (kind == double.class) return below(100000) + 0.25;
        if (kind == Uuid.class) return new Uuid(next(), next());
        if (kind == String.class) {
            StringBuilder text = new StringBuilder();
            int size = below(40) == 0 ? 150 : below(8);
            for (int i = 0; i < size; i++) text.append((char) ('a' + below(26)));
            if (below(10) == 0) text.append("é€");
            return text.toString();
        }
        if (kind == byte[].class) return bytes(below(8));
        if (kind == ByteBuffer.class) return ByteBuffer.wrap(bytes(below(8)));
        if (BaseRecords.class.isAssignableFrom(kind)) return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes(below(8) == 0 ? 200 : below(20))));
        if (Message.class.isAssignableFrom(kind)) {
            Message nested = (Message) kind.getDeclaredConstructor().newInstance();
            fill(nested, (Schema) type, variant);
            return nested;
        }
        throw new IllegalStateException("no value for " + kind);
    }

    private byte[] bytes(int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) bytes[i] = (byte) next();
        return bytes;
    }

    private static String hex(ByteBuffer buffer) {
        StringBuilder out = new StringBuilder();
        for (ByteBuffer left = buffer.duplicate(); left.hasRemaining(); ) out.append(String.format("%02x", left.get()));
        return out.toString();
    }

    /** Notes the fields of a class that exist at some version; the others are left over from removed versions. */
    private void learn(Class<?> type, Schema schema) throws Exception {
        Map<String, Type> types = new HashMap<>();
        typesOf(schema, types);
        Set<String> names = living.computeIfAbsent(type, none -> new HashSet<>());
        for (Field field : fieldsOf(type)) {
            Type kind = types.get(plain(field.getName()));
            if (kind == null) continue;
            names.add(field.getName());
            if (kind.isArray()) kind = kind.arrayElementType().get();
            if (kind instanceof Schema nested) learn(elementOf(field), nested);
        }
    }

    private static Class<?> elementOf(Field field) {
        Class<?> kind = field.getType();
        if (kind == List.class) return (Class<?>) ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
        if (Collection.class.isAssignableFrom(kind)) return (Class<?>) ((ParameterizedType) kind.getGenericSuperclass()).getActualTypeArguments()[0];
        return kind;
    }

    private void print(Object value, StringBuilder out) throws Exception {
        if (value == null) {
            out.append("null");
        } else if (value instanceof String || value instanceof Uuid) {
            out.append('"').append(value).append('"');
        } else if (value instanceof byte[] raw) {
            out.append('"').append(hex(ByteBuffer.wrap(raw))).append('"');
        } else if (value instanceof ByteBuffer raw) {
            out.append('"').append(hex(raw)).append('"');
        } else if (value instanceof MemoryRecords records) {
            out.append('"').append(hex(records.buffer())).append('"');
        } else if (value instanceof Collection<?> list) {
            out.append('[');
            String between = "";
            for (Object element : list) {
                out.append(between);
                print(element, out);
                between = ", ";
            }
            out.append(']');
        } else if (value instanceof Message message) {
            out.append('[');
            String between = "";
            for (Field field : fieldsOf(message.getClass())) {
                if (!living.get(message.getClass()).contains(field.getName())) continue;
                out.append(between);
                print(field.get(message), out);
                between = ", ";
            }
            if (!message.unknownTaggedFields().isEmpty()) {
                out.append(between).append('[');
                between = "";
                for (RawTaggedField raw : message.unknownTaggedFields()) {
                    out.append(between).append('"').append(hex(ByteBuffer.wrap(raw.data()))).append('"');
                    between = ", ";
                }
                out.append(']');
            }
            out.append(']');
        } else {
            out.append(value);
        }
    }

    private void run(String name, Class<?> type, PrintStream out) throws Exception {
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        Message probe = (Message) type.getDeclaredConstructor().newInstance();
        for (short version = probe.lowestSupportedVersion(); version <= probe.highestSupportedVersion(); version++) learn(type, schemas[version]);
        for (short version = probe.lowestSupportedVersion(); version <= probe.highestSupportedVersion(); version++) {
            for (int variant = 0; variant < VARIANTS; variant++) {
                state = name.hashCode() * 1000003L + version * 101L + variant;
                Message message = (Message) type.getDeclaredConstructor().newInstance();
                fill(message, schemas[version], variant);
                ByteBuffer encoded = MessageUtil.toByteBufferAccessor(message, version).buffer();
                StringBuilder values = new StringBuilder();
                print(message, values);
                String hex = hex(encoded);
                out.println(name + " " + version + " " + (hex.isEmpty() ? "-" : hex) + " " + values);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        TreeMap<String, Class<?>> types = new TreeMap<>();
        for (String path : System.getProperty("java.class.path").split(":")) {
            if (!path.endsWith(".jar")) continue;
            try (JarFile jar = new JarFile(path)) {
                for (var entries = jar.entries(); entries.hasMoreElements(); ) {
                    JarEntry entry = entries.nextElement();
                    String file = entry.getName();
                    for (String prefix : PACKAGES) {
                        if (!file.startsWith(prefix) || !file.endsWith(".class") || file.contains("$")) continue;
                        Class<?> type = Class.forName(file.substring(0, file.length() - 6).replace('/', '.'));
                        if (!Message.class.isAssignableFrom(type) || type.isInterface()) continue;
                        types.put(type.getSimpleName().replaceAll("(Request|Response|RequestHeader|ResponseHeader)Data$", "$1"), type);
                    }
                }
            }
        }
        for (String name : LEFT_OUT) types.remove(name);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (var entry : types.entrySet()) new Vectors().run(entry.getKey(), entry.getValue(), out);
        out.flush();
    }
}
