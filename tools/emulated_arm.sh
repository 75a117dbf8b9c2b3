#!/usr/bin/env bash
# An Arm (aarch64) Python with klayer's locked libraries, emulated by qemu-user: emulated_arm.sh FOLDER
# FOLDER/python then runs it, 20 to 50 times slower than the machine. Needs root on Debian 12 or 13,
# a minute and 500 MB; a folder that is already there, of this script and lock, is kept.
set -euo pipefail
lock=$(dirname "$0")/../requirements.lock
folder=$(realpath -m "$1")
stamp=$(cat "$0" "$lock" | sha256sum)
[ "$(cat "$folder/ready" 2>/dev/null)" != "$stamp" ] || exit 0

fail() { echo "$*" >&2; exit 1; }
. /etc/os-release
case "${ID:-} ${VERSION_ID:-}" in
  "debian 12") python=python3.11 ;;
  "debian 13") python=python3.13 ;;
  *) fail "Debian 12 or 13 is needed, this is ${PRETTY_NAME:-another system}" ;;
esac
[ "$(id -u)" = 0 ] || fail "root is needed, for apt-get"
command -v qemu-aarch64 >/dev/null || apt-get install -y -qq --no-install-recommends qemu-user >/dev/null 2>&1 ||
  fail "qemu-aarch64 is needed: apt-get install qemu-user"

# Debian's packages for Arm are unpacked beside those of the machine, which stay as they are.
rm -rf "$folder"
mkdir -p "$folder"/{debs,root,site,wheels,lists/partial}
touch "$folder/status"
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
  -o Dir::State::Lists="$folder/lists" -o Dir::State::status="$folder/status")
"${apt[@]}" update || fail "Debian's list of packages for Arm cannot be read"
libraries="libc6 libgcc-s1 libstdc++6 libgomp1 libexpat1 zlib1g libssl3 libssl3t64 libffi8 libbz2-1.0 liblzma5 libuuid1"
for package in "lib$python-minimal" "lib$python-stdlib" "$python-minimal" $libraries; do
  (cd "$folder/debs" && "${apt[@]}" download "$package" 2>/dev/null) || true # either Debian has its own names
done
for file in "$folder"/debs/*.deb; do dpkg -x "$file" "$folder/root"; done

# The wheels are those of requirements.lock, checked by its hashes.
needed="annotated-types cloudpickle contourpy cycler fonttools jinja2 joblib kiwisolver llvmlite markupsafe matplotlib numba numpy
  packaging pandas pillow pydantic pydantic-core pyparsing python-dateutil ruamel-yaml safetensors scipy six tqdm
  typing-extensions typing-inspection"
for name in $needed; do
  sed -n "/^$name==/,/[^\\\\]\$/p" "$lock"
done >"$folder/requirements.txt"
platforms=(--platform manylinux2014_aarch64)
for version in 17 24 26 27 28 31 34 35; do platforms+=(--platform "manylinux_2_${version}_aarch64"); done
python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --implementation cp \
  --python-version "${python#python}" "${platforms[@]}" --dest "$folder/wheels" --requirement "$folder/requirements.txt" ||
  fail "the libraries' wheels for Arm cannot be downloaded"
for wheel in "$folder"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$folder/site"; done

cat >"$folder/python" <<END
#!/bin/sh
here=\$(cd "\$(dirname "\$0")" && pwd)
export PYTHONHOME="\$here/root/usr" PYTHONPATH="\$here/site:\$PYTHONPATH" NUMBA_CACHE_DIR="\$here/cache"
exec qemu-aarch64 -L "\$here/root" "\$here/root/usr/bin/$python" "\$@"
END
chmod +x "$folder/python"
rm -rf "$folder"/{debs,wheels,lists}
"$folder/python" -c 'import platform; assert platform.machine() == "aarch64"' || fail "the emulated Python does not start"
echo "$stamp" >"$folder/ready"
