#!/bin/sh
# Writes tests/data/wire/vectors.txt anew: every message at every version as Apache Kafka's own classes encode it.
# Needs Java 17 and Maven. The output is deterministic.
set -eu
cd "$(dirname "$0")"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cp -r pom.xml src "$build"
(cd "$build" && mvn -q -B package dependency:copy-dependencies -DskipTests -DoutputDirectory=lib)
java -cp "$build/target/classes:$build/lib/*" Vectors > "$build/vectors.txt"
mv "$build/vectors.txt" ../../data/wire/vectors.txt
