# Sourced by tests: `python_clients` installs unmodified Python clients and codecs into build/venv-clients, once, from the
# package index; $python_clients is the interpreter that has them.
python_venv=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/../../build/venv-clients
python_clients=$python_venv/bin/python

python_clients() {
  if [ ! -e "$python_venv/complete" ]; then
    rm -rf "$python_venv"
    python3 -m venv "$python_venv"
    timeout 300 "$python_venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1 kafka-python==3.0.12 lz4==4.4.5 python-snappy==0.7.3 zstandard==0.25.0
    touch "$python_venv/complete"
  fi
}
