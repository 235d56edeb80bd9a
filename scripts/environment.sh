# Sourced by the other scripts: makes .venv with pinned packages. Safe to run again; does nothing when all is there.
# Set PYTHON to choose the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-python3}"

say() { if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi; }

# Debian packages, only where missing and only if this user may install them.
debian() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    command -v apt-get >/dev/null || return 1
    say "Installing Debian packages: ${missing[*]}"
    # One at a time: apt does not wait for another apt that reads its lists.
    flock . "${as_root[@]}" apt-get update -qq && flock . "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# environment EXTRAS: .venv holds ownlm (editable) with these extras, pinned by constraints.txt. Two at once wait for
# each other.
environment() {
    exec 9<scripts
    ! command -v flock >/dev/null || flock 9
    _environment "$1" 9<&-
    exec 9<&-
}

_environment() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "ownlm needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON to another one." >&2
        exit 8
    }
    local wanted
    wanted="$1 $(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16) $("$python" --version)"
    if [ -x .venv/bin/ownlm ] && grep -qxF "$wanted" .venv/.ready 2>/dev/null; then return 0; fi
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        debian "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" || {
            echo "This Python cannot make virtual environments. Install python3-venv, then run this again." >&2
            exit 8
        }
    fi
    say "Setting up .venv (once; some 2 GB on disk)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt --no-compile -e ".[$1]"
    # As pip does, on all cores. Some packages carry files that do not compile, on purpose.
    .venv/bin/python -m compileall -q -j 0 "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
        >/dev/null || true
    echo "$wanted" >> .venv/.ready
}

# spark: .venv-spark holds classic Spark, whose Connect server the tests of the data engine start beside the embedded
# one. It lives apart because its Python package has the name of the client's. Without Java there is none.
spark() {
    local version wanted
    version="$(sed -n 's/^pyspark-client==//p' constraints.txt)"
    wanted="pyspark $version $("$python" --version)"
    if ! command -v java >/dev/null; then debian openjdk-17-jre-headless || return 1; fi
    if grep -qxF "$wanted" .venv-spark/.ready 2>/dev/null; then return 0; fi
    say "Setting up .venv-spark (once; some 500 MB on disk)"
    rm -rf .venv-spark
    "$python" -m venv .venv-spark || return 1
    .venv-spark/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt "pyspark==$version" ||
        return 1
    echo "$wanted" > .venv-spark/.ready
}

# streaming: .venv-streaming holds MosaicML Streaming, which the tests of MDS shards write and read beside our own code.
# It lives apart because it wants an older numpy; torch and what else it shares it takes from .venv, and nothing stands
# for torchvision, whose builds do not load beside a CPU torch, but a module without images.
streaming() {
    local wanted site
    wanted="mosaicml-streaming==0.13.0 numpy==2.1.3 zstd==1.5.7.2 python-snappy==0.7.3 cramjam==2.14.0 pillow==13.0.0 catalogue==2.0.10"
    if grep -qxF "$wanted $("$python" --version)" .venv-streaming/.ready 2>/dev/null; then return 0; fi
    say "Setting up .venv-streaming (once; some 140 MB on disk)"
    rm -rf .venv-streaming
    "$python" -m venv .venv-streaming || return 1
    # shellcheck disable=SC2086 # one word a package
    .venv-streaming/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps $wanted || return 1
    site="$(.venv-streaming/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/behind.pth"
    mkdir -p "$site/torchvision/transforms"
    touch "$site/torchvision/__init__.py" "$site/torchvision/transforms/__init__.py"
    echo "class VisionDataset: ..." > "$site/torchvision/datasets.py"
    echo "def to_tensor(image): raise NotImplementedError" > "$site/torchvision/transforms/functional.py"
    echo "$wanted $("$python" --version)" > .venv-streaming/.ready
}

# triton: .venv-triton holds the real tritonserver (out of nvidia-pytriton) and CTranslate2, which the tests of Triton
# repositories start. It lives apart because it wants numpy 1. Its Python backend runs in Debian's Python 3.11, which
# looks for packages beside the backend.
triton() {
    local wanted packages
    wanted="nvidia-pytriton==0.7.0 numpy==1.26.4 $(grep -E '^ctranslate2==' constraints.txt) pyyaml==6.0.3"
    if grep -qxF "$wanted $("$python" --version)" .venv-triton/.ready 2>/dev/null; then return 0; fi
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || return 1
    debian libpython3.11 || return 1
    say "Setting up .venv-triton (once; some 400 MB on disk)"
    rm -rf .venv-triton
    "$python" -m venv .venv-triton || return 1
    # shellcheck disable=SC2086 # one word a package
    .venv-triton/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps $wanted || return 1
    packages="$(.venv-triton/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    mkdir -p .venv-triton/backends/python
    cp "$packages"/pytriton/tritonserver/backends/python/* "$packages"/pytriton/tritonserver/python_backend_stubs/3.11/* \
        .venv-triton/backends/python/ 2>/dev/null || true
    ln -s "$packages"/{numpy,numpy.libs,ctranslate2,ctranslate2.libs,yaml,_yaml} .venv-triton/backends/python/
    [ -x .venv-triton/backends/python/triton_python_backend_stub ] || return 1
    echo "$wanted $("$python" --version)" > .venv-triton/.ready
}

# promtool: .promtool holds Prometheus' checker of rules, taken out of Debian's package: no server is installed.
promtool() {
    [ -x .promtool/usr/bin/promtool ] && return 0
    type -P promtool >/dev/null && return 0
    local folder
    folder="$(mktemp -d)"
    (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb out) || return 1
    mkdir -p .promtool/usr/bin
    cp "$folder/out/usr/bin/promtool" .promtool/usr/bin/promtool
    rm -rf "$folder"
}

# clients: real clients of the gateway's protocols that cannot live in .venv. .clients/node holds Tabby's agent, the
# program behind its editor plugins; .clients/python Hugging Face's `text-generation`, which wants an older huggingface_hub.
clients() {
    local wanted
    wanted="tabby-agent@1.5.0 text-generation==0.7.0 huggingface_hub==0.36.2"
    if grep -qxF "$wanted $("$python" --version)" .clients/.ready 2>/dev/null; then return 0; fi
    command -v node >/dev/null && command -v npm >/dev/null || debian nodejs npm || return 1
    say "Setting up .clients (once; some 100 MB on disk)"
    rm -rf .clients
    mkdir -p .clients/node
    npm install --prefix .clients/node --no-save --no-audit --no-fund --ignore-scripts --silent "${wanted%% *}" || return 1
    "$python" -m venv .clients/python || return 1
    # shellcheck disable=SC2086 # one word a package
    .clients/python/bin/python -m pip install --quiet --quiet --disable-pip-version-check ${wanted#* } || return 1
    echo "$wanted $("$python" --version)" > .clients/.ready
}
